"""The session dialog: it asks five minutes before the end, and one press goes on (WCAG 2.2.1, pages.md A22)."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page
from playwright.sync_api import Route
from playwright.sync_api import expect

sys.path.insert(0, str(Path(__file__).parent))

import steps
from house import House

Visit = Callable[..., Page]


def test_it_asks_five_minutes_before_the_end_as_often_as_needed(house: House, visit: Visit) -> None:
    page = visit()
    page.clock.install()
    page.goto(f"{house.live.issuer}/signin")
    steps.choose_member(page)
    page.fill("#username", "anna@example.ch")
    dialog = page.locator("dialog")

    for _ in range(3):
        page.clock.fast_forward("54:30")
        expect(dialog).to_be_hidden()
        page.clock.fast_forward("00:40")
        expect(dialog).to_be_visible()
        assert page.evaluate("document.activeElement.id") == "session-h2"
        with page.expect_response("**/extend") as extended:
            page.click("[data-session-extend]")
        assert extended.value.status == 204
        expect(dialog).to_be_hidden()

    assert page.input_value("#username") == "anna@example.ch"


def test_it_knows_what_is_left_and_gives_the_whole_time_back(house: House, visit: Visit) -> None:
    """A page that is looked at again after some while."""
    page = visit()

    def later(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=re.sub(r'data-session="\d+"', 'data-session="400"', answer.text()))

    page.goto(f"{house.live.issuer}/signin")
    steps.choose_member(page)
    page.clock.install()
    page.route("**/i/**", later)
    page.reload()
    page.unroute("**/i/**")
    dialog = page.locator("dialog")

    page.clock.fast_forward("01:30")
    expect(dialog).to_be_hidden()
    page.clock.fast_forward("00:20")
    expect(dialog).to_be_visible()
    page.click("[data-session-extend]")
    expect(dialog).to_be_hidden()
    page.clock.fast_forward("54:30")

    expect(dialog).to_be_hidden()
