"""The house: who may import whom, and the names we do not use."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("keys", "idp", "pensioners", "flows", "admin")
NO_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers", "base", "stuff"}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    command = [str(program), "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_floor_imports_only_what_lies_below_it() -> None:
    done = lint(ROOT)

    assert done.returncode == 0, done.stdout


def test_a_module_is_named_after_what_it_is() -> None:
    modules = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]

    assert [str(path) for path in modules if path.stem in NO_NAMES] == []
    assert len(modules) > 50


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_says_in_its_first_line_what_it_is(package: str) -> None:
    silent = [str(path) for path in (ROOT / package).rglob("*.py") if not path.read_text().startswith('"""')]

    assert silent == []


def test_tests_have_no_packages_of_their_own() -> None:
    """A `tests/idp/__init__.py` would shadow `idp`."""
    assert list((ROOT / "tests").rglob("__init__.py")) == []
