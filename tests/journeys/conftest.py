"""Journeys: a real Chromium, the demo portal, a provider with four workers. Only what leaves the building is faked."""

import os
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import services
from live import Live
from live import Person
from live import portal
from live import provider
from playwright.sync_api import Browser
from playwright.sync_api import BrowserContext
from playwright.sync_api import Page
from playwright.sync_api import sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
AUDIENCES = '[{"name": "member"}, {"name": "employer", "url": "https://www.valora-pensionskasse.com"}]'


@dataclass
class House:
    """A provider, its portal, and the browser that visits them."""

    live: Live
    portal: str
    browser: Browser

    def person(self, language: str = "fr") -> Person:
        """Somebody with an unused letter."""
        return self.live.person(language)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all journeys."""
    program = services.find("chromium")
    if program is None:
        services.missing("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(program), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def houses(
    worker: str,
    addresses: Callable[[str], dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
    chromium: Browser,
) -> Iterator[Callable[[str], House]]:
    """Provider and portal on a backend, started when first asked for, as `make run` configures them."""
    known: dict[str, House] = {}
    with ExitStack() as stack:

        def settings(backend: str) -> dict[str, str]:
            if backend == "sqlite":
                return {}
            shared = addresses("postgres")
            return {
                "IDP_DATABASE_URL": services.another_database(shared["database_url"], f"idp_journeys_{worker}"),
                "IDP_REDIS_URL": services.another_redis(shared["redis_url"]),
            }

        def of(backend: str) -> House:
            if backend not in known:
                folder = tmp_path_factory.mktemp(f"journeys-{backend}")
                running = provider(folder, workers=4, IDP_AUDIENCES=AUDIENCES, **settings(backend))
                live = stack.enter_context(running)
                known[backend] = House(live, stack.enter_context(portal(live)), chromium)
            return known[backend]

        yield of


@pytest.fixture
def house(houses: Callable[[str], House]) -> House:
    """Everything on SQLite alone."""
    return houses("sqlite")


@pytest.fixture(params=["sqlite", "postgres"])
def each_house(request: pytest.FixtureRequest, houses: Callable[[str], House]) -> House:
    """The same on both backends."""
    return houses(str(request.param))


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a browser of its own: cookies, language, scripts or none; fails on what the policy had to stop."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_browser(language: str = "fr", *, scripts: bool = True, width: int = 1280) -> Page:
        context = chromium.new_context(
            locale=f"{language}-CH", java_script_enabled=scripts, viewport={"width": width, "height": 900}
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: complaints.append(request.url) if _is_foreign(request.url) else None)
        return page

    yield open_browser
    for context in contexts:
        context.close()
    told = [text for text in complaints if "status of 4" not in text]  # Chromium reports every 422 as an error
    assert told == [], "the browser complained"


def _is_foreign(url: str) -> bool:
    return not url.startswith(("http://localhost:", "data:", "blob:"))


@pytest.fixture
def picture() -> Callable[[Page, str], None]:
    """Keeps a picture of a page where `SHOTS` names a folder."""
    folder = os.environ.get("SHOTS")

    def take(page: Page, name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)

    return take
