"""Walks through the pages over plain HTTP, as a browser without JavaScript: forms are read, filled in and sent."""

from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urljoin

import pyotp
import requests
from live import Live
from live import Person


@dataclass
class Page:
    """An answer and its forms."""

    response: requests.Response

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def url(self) -> str:
        return self.response.url

    @property
    def text(self) -> str:
        return self.response.text

    def form(self, number: int = 0) -> tuple[str, dict[str, str]]:
        """Where the form goes and what it would send untouched."""
        forms = _forms(self.text)
        if not forms:
            raise AssertionError(f"no form on {self.url} ({self.status}):\n{self.text[:2000]}")
        action, values = forms[number]
        return urljoin(self.url, action), values


class Walker(requests.Session):
    """One browser: cookies, redirects, no scripts."""

    def __init__(self, live: Live) -> None:
        super().__init__()
        self.live = live
        self.headers["Accept-Language"] = "fr"

    def open(self, url: str) -> Page:
        return Page(self.get(urljoin(self.live.issuer, url), timeout=60))

    def answer(self, page: Page, _form: int = 0, **values: str) -> Page:
        """Fill in a form of the page and send it."""
        action, given = page.form(_form)
        return Page(self.post(action, data={**given, **values}, timeout=60))

    def enrol(self, page: Page, person: Person, factor: str = "sms") -> Page:
        """From step 1 to the page after the success page; `page` shows step 1."""
        page = self.until_confirmation(page, person, factor)
        page = self.answer(page, code=self.confirmation(page, person, factor))
        expect(page, "/done")
        return self.answer(page)

    def until_confirmation(self, page: Page, person: Person, factor: str) -> Page:
        """Steps 1 to 4, up to the page that asks for the factor's first code."""
        page = self.identify(page, person)
        before = len(self.live.messages(person.email))
        page = self.answer(page, email=person.email, password=person.password, password2=person.password)
        expect(page, "confirm-email")
        page = self.answer(page, code=self.live.code(person.email, after=before))
        expect(page, "second-factor")
        return self.choose_factor(page, person, factor)

    def identify(self, page: Page, person: Person) -> Page:
        """Step 1."""
        expect(page, "identification")
        page = self.answer(page, id=person.ahv_number, dob=person.birth_date, act=person.code, terms="1")
        expect(page, "user-data")
        return page

    def choose_factor(self, page: Page, person: Person, factor: str) -> Page:
        """Step 4, and what the factor asks before its first code."""
        page = self.answer(page, method=factor)
        if factor == "sms":
            page = self.answer(page, phone=person.phone)
        expect(page, "confirm-second-factor")
        return page

    def confirmation(self, page: Page, person: Person, factor: str) -> str:
        """The right answer to that page."""
        if factor == "sms":
            return self.live.code(e164(person.phone))
        person.totp_secret = totp_secret(page)
        return pyotp.TOTP(person.totp_secret).now()

    def sign_in(self, page: Page, person: Person, username: str | None = None) -> Page:
        """User name, password, second factor; `page` shows Connexion."""
        expect(page, "credentials")
        before = len(self.live.messages(e164(person.phone)))
        page = self.answer(page, username=username or person.email, password=person.password)
        expect(page, "two_factor")
        return self.answer(page, code=self.factor_code(person, after=before))

    def factor_code(self, person: Person, after: int = 0) -> str:
        """The code of the person's app, or of the newest SMS."""
        if person.totp_secret:
            return next_totp(person)
        return self.live.code(e164(person.phone), after=after)


def expect(page: Page, part: str) -> None:
    """Fail with the page's own words unless its address holds `part`."""
    if part not in page.url or page.status != 200:
        errors = [line.strip() for line in page.text.splitlines() if 'class="err"' in line or "<h1" in line]
        raise AssertionError(f"expected …{part}…, got {page.status} {page.url}: {errors[:6]}")


def next_totp(person: Person) -> str:
    """A code not used before: the next time step, which is accepted one step early."""
    import time

    return pyotp.TOTP(person.totp_secret).at(int(time.time()) + 30)


def totp_secret(page: Page) -> str:
    """The key as the page shows it for typing, in groups of four."""
    import re

    found = re.search(r"data-totp-key[^>]*>([A-Z2-7 ]+)<", page.text)
    if not found:
        raise AssertionError("the page shows no key")
    return found[1].replace(" ", "")


def e164(phone: str) -> str:
    """A Swiss mobile number in international form."""
    return "+41" + phone.replace(" ", "").removeprefix("0")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self._open = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        if tag == "form" and values.get("method", "get").lower() == "post":
            self.forms.append((values.get("action", ""), {}))
            self._open = True
        elif tag == "input" and self._open and "name" in values:
            ticked = values.get("type") not in {"radio", "checkbox"} or "checked" in values
            if ticked:
                self.forms[-1][1][values["name"]] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False


def _forms(html: str) -> list[tuple[str, dict[str, str]]]:
    reader = _Reader()
    reader.feed(html)
    return reader.forms
