"""Journeys: a real Chromium, the demo portal, a provider with four workers. Only what leaves the building is faked."""

import csv
import os
import sys
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import services
from live import REGISTER
from live import portal
from live import provider
from playwright.sync_api import Browser
from playwright.sync_api import BrowserContext
from playwright.sync_api import Page
from playwright.sync_api import Response

sys.path.insert(0, str(Path(__file__).parent))

from house import House

AUDIENCES = '[{"name": "member"}, {"name": "employer", "url": "https://www.valora-pensionskasse.com"}]'


def larger_register(file: Path) -> Path:
    """The fictive register twice: every journey uses up somebody's letter."""
    with REGISTER.open(encoding="utf-8-sig", newline="") as given:
        rows = list(csv.DictReader(given))
    with file.open("w", encoding="utf-8", newline="") as larger:
        writer = csv.DictWriter(larger, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        for number, row in enumerate(rows):
            again = {"person_number": f"9{row['person_number']}", "ahv_number": _ahv_number(number), "email": ""}
            writer.writerow({**row, **again})
    return file


def _ahv_number(number: int) -> str:
    """A number that passes the check digit (EAN-13) and is nobody's in the fictive register."""
    digits = f"7560000{number:05}"
    check = -sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10
    return f"{digits[:3]}.{digits[3:7]}.{digits[7:11]}.{digits[11]}{check}"


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
                people = larger_register(folder / "register.csv")
                running = provider(folder, workers=4, register=people, IDP_AUDIENCES=AUDIENCES, **settings(backend))
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

    def open_browser(language: str = "fr", *, scripts: bool = True, width: int = 1280, **more: Any) -> Page:
        context = chromium.new_context(
            locale=f"{language}-CH", java_script_enabled=scripts, viewport={"width": width, "height": 900}, **more
        )
        context.set_default_timeout(40_000)
        contexts.append(context)
        context.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        context.on("request", lambda request: complaints.append(request.url) if _is_foreign(request.url) else None)
        context.on("response", lambda answer: complaints.append(answer.url) if _is_broken(answer) else None)
        return context.new_page()

    yield open_browser
    for context in contexts:
        context.close()
    told = [text for text in complaints if "status of 4" not in text]  # Chromium reports every 422 as an error
    assert told == [], "the browser complained"


def _is_foreign(url: str) -> bool:
    return not url.startswith(("http://localhost:", "https://localhost:", "data:", "blob:"))


def _is_broken(answer: Response) -> bool:
    """A page may refuse (4xx); a file of ours may not, and nothing may fail."""
    return answer.status >= (500 if answer.request.resource_type in {"document", "fetch"} else 400)


@pytest.fixture
def picture() -> Callable[[Page, str], None]:
    """Keeps pictures of a page, as a phone and a desk show it, where `SHOTS` names a folder."""
    folder = os.environ.get("SHOTS")

    def take(page: Page, name: str) -> None:
        if not folder:
            return
        Path(folder).mkdir(parents=True, exist_ok=True)
        size = page.viewport_size
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            # hiding the caret would write `style` into every field, which the pages themselves must not have
            page.screenshot(path=str(Path(folder) / f"{name}-{width}.png"), full_page=True, caret="initial")
        page.set_viewport_size(size or {"width": 1280, "height": 900})

    return take
