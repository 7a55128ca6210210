"""The session dialog: it asks five minutes before the end, and one press goes on (WCAG 2.2.1, pages.md A22)."""

import re
import sys
import time
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

    for _ in range(10):  # WCAG 2.2.1
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


def test_a_reload_does_not_begin_the_hour_anew(house: House, visit: Visit) -> None:
    """The server's clock ran on meanwhile; one press gives the whole hour back, and a reload knows of it."""
    page = visit()
    page.goto(f"{house.live.issuer}/signin")
    steps.choose_member(page)
    dialog = page.locator("dialog")
    time.sleep(3)

    page.reload()
    left = int(dialog.get_attribute("data-session") or 0)
    page.evaluate("document.querySelector('dialog').showModal()")
    with page.expect_response("**/extend"):
        page.click("[data-session-extend]")
    page.reload()

    assert 0 < left <= 3597
    assert int(dialog.get_attribute("data-session") or 0) > left


def test_escape_goes_on_and_the_last_minutes_are_spoken(house: House, visit: Visit) -> None:
    page = visit()
    page.clock.install()
    page.goto(f"{house.live.issuer}/signin")
    steps.choose_member(page)
    dialog, spoken = page.locator("dialog"), page.locator("[data-session-spoken]")

    page.clock.fast_forward("55:30")
    expect(dialog).to_contain_text("5 minutes")
    assert spoken.text_content() == ""
    for passed, said in (("03:00", "2 minutes"), ("01:00", "1 minute.")):
        page.clock.fast_forward(passed)
        expect(spoken).to_contain_text(said)
    with page.expect_response("**/extend"):
        page.keyboard.press("Escape")

    expect(dialog).to_be_hidden()
    assert spoken.text_content() == ""


def test_after_the_end_the_page_says_how_to_go_on(house: House, visit: Visit) -> None:
    page = visit()
    page.clock.install()
    page.goto(f"{house.live.issuer}/signin")
    steps.choose_member(page)
    address = house.live.issuer  # the server knows nothing of the visit by then
    page.context.add_cookies([{"name": "idp_browser", "value": "x" * 43, "url": address}])

    with page.expect_navigation():
        page.clock.fast_forward("01:00:30")

    expect(page.locator("h1")).to_have_text("Cette page a expiré")
