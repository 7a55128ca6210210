"""The image: the steps of the Dockerfile as plain commands, on what .dockerignore lets through."""

import os
import re
import secrets
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What docker would send to its engine."""
    folder = tmp_path_factory.mktemp("context")
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            source = ROOT / line[1:]
            if source.is_dir():
                shutil.copytree(source, folder / line[1:], ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder)
    return folder


@pytest.fixture(scope="module")
def installed(context: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built and installed as the Dockerfile does it."""
    folder = tmp_path_factory.mktemp("image")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    assert "-m hatchling build -t wheel -d" in DOCKERFILE
    subprocess.run(build, cwd=context, check=True, capture_output=True)
    wheel = next((folder / "dist").glob("*.whl"))
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", folder / "site", wheel]
    assert "--no-deps --no-index" in DOCKERFILE
    subprocess.run(install, check=True, capture_output=True)
    return folder


def idp(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed program, with no checkout in sight."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("IDP_")},
        "PYTHONPATH": str(installed / "site"),
        "IDP_ENVIRONMENT": "development",
        "IDP_ISSUER": "http://localhost:8400",
        "IDP_SECRET": secrets.token_urlsafe(48),
        "IDP_DATABASE_URL": f"sqlite:///{installed / 'idp.sqlite'}",
        "IDP_MAIL_CHANNEL": "outbox",
        "IDP_SMS_CHANNEL": "outbox",
    }
    command = [sys.executable, "-c", "import cli; cli.main()", *arguments]
    return subprocess.run(command, cwd=installed, env=environment, capture_output=True, text=True, check=False)


def test_the_context_has_all_that_the_dockerfile_copies(context: Path) -> None:
    copied = [
        name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()
    ]

    assert copied
    assert [name for name in copied if not (context / name).exists()] == []


def test_the_context_has_no_data_and_no_tests(context: Path) -> None:
    assert not {"tests", "var", ".git", ".venv"} & {path.name for path in context.iterdir()}


def test_the_wheel_brings_templates_texts_static_files_and_revisions(installed: Path) -> None:
    names = zipfile.ZipFile(next((installed / "dist").glob("*.whl"))).namelist()

    for folder in ("templates", "static", "locales", "migrations/versions"):
        assert [name for name in names if name.startswith(f"idp/{folder}/")], folder
    assert not [name for name in names if name.startswith(("tests/", "demo/", "var/"))]


def test_the_installed_program_migrates_and_draws_its_flows(installed: Path) -> None:
    migrated = idp(installed, "migrate")
    flows = idp(installed, "flows")

    assert migrated.returncode == 0, migrated.stderr
    assert flows.stdout.startswith("flowchart TD")


def test_the_installed_program_shows_a_page_in_each_language(installed: Path) -> None:
    code = (
        "import wsgi; browser = wsgi.create_app().test_client()\n"
        "for language in ('de', 'fr', 'it', 'en'):\n"
        "    asked = {'Host': 'login.fund.example', 'Accept-Language': language}\n"
        "    page = browser.get('/nowhere', headers=asked)\n"
        "    print(page.status_code, f'lang=\"{language}' in page.text)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed / "site"), "IDP_SECRET": secrets.token_urlsafe(48)}
    environment |= {
        "IDP_ISSUER": "https://login.fund.example",
        "IDP_DATABASE_URL": "sqlite://",
        "IDP_SMS_URL": "https://a.example",
    }
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=installed, env=environment, capture_output=True, text=True, check=False)

    assert done.stdout.splitlines() == ["404 True"] * 4, done.stderr


def test_it_runs_as_nobody_in_particular_and_tells_its_health() -> None:
    final = DOCKERFILE.partition("AS runtime")[2].partition("FROM")[0]

    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert "/health/ready" in final
    assert DOCKERFILE.rstrip().endswith("FROM runtime")
