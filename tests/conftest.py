"""What every test can ask for: the application on each database and store, emptied before each test."""

import sys
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

sys.path.insert(0, str(Path(__file__).parent))

import services
from application import empty
from application import make_app
from live import Live
from live import provider as running_provider
from oidc import Configure
from playwright.sync_api import Browser
from playwright.sync_api import sync_playwright

from idp.db import db

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
BACKENDS = ("sqlite", "postgres")
PROVIDERS = {"houses": "journeys", "lives": "running", "targets": "running", "calling": "calling"}
"""Fixtures behind which a provider stands that takes seconds to start, and the group of tests that shares it."""


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long values are not names, and those made at random differ from worker to worker."""
    return argname if isinstance(val, str | bytes) and len(val) > 60 else None


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Let what shares a provider run in one worker (`--dist loadgroup`) and begin first, the rest file by file."""
    shared: list[pytest.Item] = []
    alone: list[pytest.Item] = []
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {}).values()
        backend = next((each for each in BACKENDS if each in params), "sqlite")
        provider = next((PROVIDERS[name] for name in PROVIDERS if name in getattr(item, "fixturenames", ())), None)
        group = f"{provider} {backend}" if provider else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))
        (shared if provider else alone).append(item)
    items[:] = [*shared, *alone]
    yield
    if getattr(config.option, "loadgroup", False) and not all("@" in item.nodeid for item in items):
        raise pytest.UsageError("pytest-xdist does not group tests with this pytest: each would start a provider")


@pytest.fixture(scope="session")
def worker(request: pytest.FixtureRequest) -> str:
    """The name of this pytest worker: `master`, `gw0`, `gw1` …"""
    return getattr(request.config, "workerinput", {}).get("workerid", "master")


@pytest.fixture(scope="session")
def addresses(worker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], dict[str, str]]]:
    """The database (and Redis) of a backend, started when first asked for."""
    number = int(worker.removeprefix("gw")) if worker.startswith("gw") else 15
    known: dict[str, dict[str, str]] = {}
    with ExitStack() as stack:

        def of(backend: str) -> dict[str, str]:
            if backend not in known:
                if backend == "sqlite":
                    folder = tmp_path_factory.mktemp("sqlite")
                    known[backend] = {"database_url": f"sqlite:///{folder / 'idp.sqlite'}"}
                else:
                    known[backend] = {
                        "database_url": stack.enter_context(services.postgres(f"idp_test_{worker}")),
                        "redis_url": stack.enter_context(services.redis(number)),
                    }
            return known[backend]

        yield of


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """`sqlite` (embedded store) or `postgres` (with Redis): a test that asks for it runs on both."""
    return str(request.param)


@pytest.fixture(scope="session")
def apps(addresses: Callable[[str], dict[str, str]]) -> Callable[[str], Flask]:
    """One application a backend, kept for the worker's life."""
    known: dict[str, Flask] = {}

    def of(backend: str) -> Flask:
        if backend not in known:
            known[backend] = make_app(**addresses(backend))
        return known[backend]

    return of


@pytest.fixture
def app(backend: str, apps: Callable[[str], Flask]) -> Iterator[Flask]:
    """The provider on one backend, empty but for its signing keys, with its context pushed."""
    app = apps(backend)
    with app.app_context():
        empty(app)
        yield app
        db.session.remove()


@pytest.fixture
def configure(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Other settings for one test, by their names."""
    parts = app.extensions["idp"]

    def so(**settings: Any) -> None:
        monkeypatch.setattr(parts, "settings", parts.settings.model_copy(update=settings))

    return so


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """A browser without JavaScript: cookies, no redirects followed unless asked."""
    return app.test_client()


@pytest.fixture(scope="session")
def lives(
    worker: str, addresses: Callable[[str], dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Live]]:
    """A running provider per backend, started when first asked for."""
    known: dict[str, Live] = {}
    with ExitStack() as stack:

        def settings_of(backend: str) -> dict[str, str]:
            if backend == "sqlite":
                return {}
            shared = addresses("postgres")  # starts the servers; the running provider gets a database of its own
            return {
                "IDP_DATABASE_URL": services.another_database(shared["database_url"], f"idp_live_{worker}"),
                "IDP_REDIS_URL": services.another_redis(shared["redis_url"]),
            }

        def of(backend: str) -> Live:
            if backend not in known:
                folder = tmp_path_factory.mktemp(f"live-{backend}")
                known[backend] = stack.enter_context(running_provider(folder, workers=4, **settings_of(backend)))
            return known[backend]

        yield of


@pytest.fixture(params=BACKENDS)
def live(request: pytest.FixtureRequest, lives: Callable[[str], Live]) -> Live:
    """A running provider with four workers, on each backend."""
    return lives(str(request.param))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser program for all who need one: Playwright runs once in a process."""
    program = services.find("chromium")
    if program is None:
        services.missing("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(program), args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()
