"""The lock files: everything pinned with hashes, and nothing said about where it comes from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-demo.lock", "requirements-dev.lock")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text()
    return {_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+) \\$", text, re.MULTILINE)}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_is_a_pin_a_hash_or_a_remark(lock: str) -> None:
    allowed = re.compile(r"#.*|[\w.-]+==[\w.+!]+ \\|    --hash=sha256:[0-9a-f]{64}( \\)?|    # via .*|")

    odd = [line for line in (ROOT / lock).read_text().splitlines() if not allowed.fullmatch(line)]

    assert odd == []
    assert len(pins(lock)) >= 4


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", PROJECT["project"]["dependencies"]),
        ("requirements-build.lock", PROJECT["build-system"]["requires"]),
        ("requirements-demo.lock", PROJECT["dependency-groups"]["demo"]),
        ("requirements-dev.lock", PROJECT["dependency-groups"]["dev"]),
    ],
)
def test_what_the_project_asks_for_is_pinned(lock: str, wanted: list[str]) -> None:
    names = {_name(re.match(r"[\w.-]+", requirement)[0]) for requirement in wanted}  # type: ignore[index]

    assert names - set(pins(lock)) == set()


@pytest.mark.parametrize("lock", LOCKS[1:])
def test_the_same_package_has_the_same_version_everywhere(lock: str) -> None:
    runtime = pins("requirements.lock")

    assert {name: version for name, version in pins(lock).items() if runtime.get(name, version) != version} == {}


def _name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
