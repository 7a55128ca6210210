"""The words of the journeys: what a person does on each page."""

import time
from collections.abc import Callable

import pyotp
from live import Live
from live import Person
from playwright.sync_api import Page
from walk import e164

NEXT = "main form button.primary"


def press_next(page: Page) -> None:
    """«Suivant», and what it leads to."""
    with page.expect_navigation():
        page.click(NEXT)


def choose_member(page: Page) -> None:
    """«Assurés ou bénéficiaires de rente»."""
    with page.expect_navigation():
        page.click("button[name=entry]")


def identify(page: Page, person: Person) -> None:
    """Step 1."""
    page.fill("#id", person.ahv_number)
    page.fill("#dob", person.birth_date)
    page.fill("#act", person.code)
    page.check("#terms")
    press_next(page)


def user_data(page: Page, person: Person) -> None:
    """Step 2."""
    page.fill("#email", person.email)
    page.fill("#password", person.password)
    page.fill("#password2", person.password)
    press_next(page)


def confirm_email(page: Page, live: Live, person: Person) -> None:
    """Step 3."""
    page.fill("#code", live.code(person.email))
    press_next(page)


def with_sms(page: Page, live: Live, person: Person) -> None:
    """Steps 4 and 5 with a mobile number."""
    page.check("input[value=sms]")
    press_next(page)
    page.fill("#phone", person.phone)
    press_next(page)
    page.fill("#code", live.code(e164(person.phone)))
    press_next(page)


def with_app(page: Page, person: Person, look: Callable[[], None] = lambda: None) -> None:
    """Steps 4 and 5 with an authenticator app, whose key is typed in; `look` at its page on the way."""
    page.check("input[value=totp]")
    press_next(page)
    look()
    person.totp_secret = (page.text_content("[data-totp-key]") or "").replace(" ", "").strip()
    page.fill("#code", pyotp.TOTP(person.totp_secret).now())
    press_next(page)


def enrol(page: Page, live: Live, person: Person, factor: str = "sms") -> None:
    """From step 1 to the success page."""
    identify(page, person)
    user_data(page, person)
    confirm_email(page, live, person)
    if factor == "sms":
        with_sms(page, live, person)
    else:
        with_app(page, person)
    assert page.url.endswith("/enrol/done"), page.url


def sign_in(page: Page, live: Live, person: Person, username: str) -> None:
    """Connexion and the second factor; the page shows Connexion."""
    sent = len(live.messages(e164(person.phone)))
    page.fill("#username", username)
    page.fill("#password", person.password)
    press_next(page)
    page.fill("#code", factor_code(live, person, sent))
    press_next(page)


def factor_code(live: Live, person: Person, sent: int) -> str:
    """The newest SMS, or the app's next code, which is accepted one step early."""
    if person.totp_secret:
        return pyotp.TOTP(person.totp_secret).at(int(time.time()) + 30)
    return live.code(e164(person.phone), after=sent)
