"""A person with a browser, inside the test's process: forms are read, filled in and sent as in `walk.py`.

Every request has a context of its own, as in a real server; otherwise it would see what the test's database session has
read before. Mails and SMS are read from the outbox, where they wait.
"""

import contextvars
import html
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin
from urllib.parse import urlsplit

import pyotp
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from walk import _forms
from walk import e164
from werkzeug.test import TestResponse

from idp import accounts
from idp import outbox
from idp import passwords
from idp.clock import now
from idp.db import db
from idp.db import transaction
from idp.models import Account
from idp.models import AuditEvent
from idp.models import Authenticator
from idp.models import OutboxMessage
from idp.provider import provider
from pensioners import codes
from pensioners.models import Pensioner

HOME = "http://localhost"
PASSWORD = "Vier-Gruppen 2026!"


class Browser(FlaskClient):
    """Cookies, no scripts, no redirects followed."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        db.session.rollback()
        try:
            return contextvars.Context().run(super().open, *args, **kwargs)
        finally:
            db.session.rollback()


@dataclass
class Page:
    """An answer, where it was, and its forms."""

    response: TestResponse
    url: str

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def location(self) -> str:
        return self.response.headers.get("Location", "")

    @property
    def text(self) -> str:
        return html.unescape(self.response.text)

    def says(self, key: str, language: str = "fr", **params: Any) -> bool:
        """Whether the page holds this text."""
        return provider.texts.text(language, key, **params) in self.text

    def form(self, number: int = 0) -> tuple[str, dict[str, str]]:
        forms = _forms(self.response.text)
        assert forms, f"no form on {self.url} ({self.status}): {self.errors()}"
        action, values = forms[number]
        return urljoin(self.url, action), values

    def errors(self) -> list[str]:
        return [line.strip() for line in self.text.splitlines() if 'class="err"' in line or "<h1" in line]

    def link(self, part: str) -> str:
        """The first link whose address holds this."""
        return next(href for href in re.findall(r'href="([^"]+)"', self.text) if part in href)


@dataclass
class Person:
    """Somebody of the register."""

    pensioner_id: str
    ahv_number: str
    birth_date: str
    code: str
    email: str
    phone: str
    language: str = "fr"
    password: str = PASSWORD
    totp_secret: str = ""
    account_id: str = ""


class Visitor:
    """One browser and who sits before it."""

    def __init__(self, app: Flask, **headers: str) -> None:
        self.browser = Browser(app)
        self.headers = {"Accept-Language": "fr", **headers}

    def open(self, url: str, **query: str) -> Page:
        """Follow our own redirects; stop at the door of somebody else."""
        response = self.browser.get(_path(url), query_string=query or None, headers=self.headers)
        return self._follow(Page(response, url))

    def answer(self, page: Page, _form: int = 0, **values: str) -> Page:
        """Fill in a form and send it."""
        action, given = page.form(_form)
        return self.post(action, **{**given, **values})

    def post(self, url: str, **values: str) -> Page:
        """Send fields to an address, whatever page it has."""
        return self._follow(Page(self.browser.post(_path(url), data=values, headers=self.headers), url))

    def _follow(self, page: Page) -> Page:
        for _ in range(5):
            target = page.location
            if page.status not in {302, 303} or (urlsplit(target).netloc and not target.startswith(HOME)):
                return page
            url = urljoin(page.url, target)
            page = Page(self.browser.get(_path(url), headers=self.headers), url)
        raise AssertionError(f"redirects without end: {page.url}")

    # --- enrolment -------------------------------------------------------------------------------------------------

    def identify(self, page: Page, person: Person, **changes: str) -> Page:
        given = {"id": person.ahv_number, "dob": person.birth_date, "act": person.code, "terms": "1", **changes}
        return self.answer(page, **given)

    def give_data(self, page: Page, person: Person, **changes: str) -> Page:
        given = {"email": person.email, "password": person.password, "password2": person.password, **changes}
        return self.answer(page, **given)

    def enrol_until(self, part: str, person: Person, page: Page | None = None, factor: str = "sms") -> Page:
        """Walk until the page whose address holds `part`."""
        page = page or self.open("/enrol")
        for _ in range(8):
            if part in page.url:
                return page
            page = self._next(page, person, factor)
        raise AssertionError(f"never came to {part}: {page.url}, {page.status} {page.errors()}")

    def _next(self, page: Page, person: Person, factor: str) -> Page:
        step = page.url.rsplit("/", 1)[-1].partition("?")[0]
        if step == "identification":
            return self.identify(page, person)
        if step == "user-data":
            return self.give_data(page, person)
        if step == "kept-address":
            return self.answer(page, password=person.password, password2=person.password)
        if step == "confirm-email":
            return self.answer(page, code=code(person.email))
        if step == "second-factor":
            return self.answer(page, method=factor)
        if step == "second-factor-details":
            return self.answer(page, phone=person.phone)
        if step == "confirm-second-factor":
            if factor == "sms":
                return self.answer(page, code=code(e164(person.phone)))
            person.totp_secret = totp_key(page)
            return self.answer(page, code=pyotp.TOTP(person.totp_secret).now())
        raise AssertionError(f"stuck on {page.url}: {page.status} {page.errors()}")

    # --- sign-in ---------------------------------------------------------------------------------------------------

    def give_password(self, page: Page, username: str, password: str = PASSWORD) -> Page:
        return self.answer(page, username=username, password=password)

    def sign_in(self, person: Person, page: Page | None = None) -> Page:
        """Password and second factor."""
        page = self.give_password(page or self.open("/signin"), person.email, person.password)
        assert "two_factor" in page.url, (page.url, page.errors())
        return self.answer(page, code=factor_code(person))


def factor_code(person: Person) -> str:
    """What the person's telephone shows now."""
    if person.totp_secret:
        return pyotp.TOTP(person.totp_secret).at(int(time.time()))
    return code(e164(person.phone))


def totp_key(page: Page) -> str:
    """The key as the page shows it for typing."""
    found = re.search(r"data-totp-key[^>]*>([A-Z2-7 ]+)<", page.text)
    assert found, page.errors()
    return found[1].replace(" ", "")


def messages(to: str) -> list[dict[str, str]]:
    """What waits for this address, newest first."""
    db.session.rollback()
    wanted = select(OutboxMessage).where(OutboxMessage.target.in_(outbox.fingerprints(to)))
    rows = db.session.scalars(wanted.order_by(OutboxMessage.created_at.desc())).all()
    return [{"name": row.name, "lives": str(row.expires_at > now()), **row.body} for row in rows]


def names(to: str) -> list[str]:
    """Which messages wait, newest first."""
    return [message["name"] for message in messages(to)]


def code(to: str) -> str:
    """The six digits of the newest message that has some."""
    for message in messages(to):
        if found := re.search(r"\b(\d{6})\b", message["text"]):
            return found[1]
    raise AssertionError(f"no code for {to}: {names(to)}")


def wrong(right: str) -> str:
    """Six other digits."""
    return f"{(int(right) + 1) % 10**6:06}"


def audited(event: str, outcome: str | None = None) -> list[AuditEvent]:
    """The lines of the journal about this."""
    db.session.rollback()
    wanted = select(AuditEvent).where(AuditEvent.event == event)
    if outcome:
        wanted = wanted.where(AuditEvent.outcome == outcome)
    return list(db.session.scalars(wanted.order_by(AuditEvent.sequence)).all())


def ahv(number: int) -> str:
    """A fictive AHV number with a right check digit."""
    digits = f"756{number:09}"
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return digits + str(-weighted % 10)


def a_person(number: int = 1, **values: Any) -> Person:
    """Somebody in the register with an unused letter."""
    given = {
        "person_number": str(20000 + number),
        "salutation": "Madame",
        "first_name": "Odile",
        "last_name": "Fictive",
        "postcode": "1202",
        "town": "Genève",
        "country": "CH",
        "language": "fr",
        "entitlement": "retirement",
        "status": "active",
        "imported_at": now(),
        "updated_at": now(),
        "seen_in_import": "test",
        "row_hash": "test",
    }
    number_text, register_email = ahv(number), values.pop("register_email", None)
    with transaction() as session:
        row = Pensioner(**{**given, **values}, ahv_fingerprint=provider.vault.fingerprint("ahv", number_text))
        row.ahv_number, row.birth_date_text, row.street = number_text, "1948-03-27", "Rue de la Fiction 12"
        row.email = register_email
        row.email_fingerprint = accounts.email_fingerprint(register_email) if register_email else None
        session.add(row)
        session.flush()
        pensioner_id = row.id
    letter = codes.issue_to([pensioner_id], "tests")[pensioner_id]
    unique = secrets.token_hex(3)
    phone = f"079 {300 + number:03d} 45 67"
    email = f"odile{number}.{unique}@example.org"
    return Person(pensioner_id, number_text, "27.03.1948", letter, email, phone, given["language"])


def a_member(number: int = 1, *, phone: bool = True, app: bool = False, **values: Any) -> Person:
    """Somebody with an account, an hour old."""
    person = a_person(number)
    with transaction() as session:
        moment = now()
        account = Account(
            email=person.email,
            email_fingerprint=accounts.email_fingerprint(person.email),
            email_verified_at=moment,
            password_hash=passwords.hash(PASSWORD),
            language="fr",
            terms_version="1",
            terms_accepted_at=moment,
            **values,
        )
        session.add(account)
        session.flush()
        if phone:
            session.add(_authenticator(account.id, "sms", {"phone": e164(person.phone)}))
        if app:
            person.totp_secret = pyotp.random_base32(32)
            session.add(_authenticator(account.id, "totp", {"secret": person.totp_secret}))
        row = session.get_one(Pensioner, person.pensioner_id)
        row.account_id, row.enrolled_at = account.id, moment
        person.account_id = account.id
    return person


def _authenticator(account_id: str, kind: str, data: dict[str, str]) -> Authenticator:
    added = Authenticator(account_id=account_id, kind=kind)
    added.data = data
    return added


def account_count() -> int:
    """How many accounts there are."""
    db.session.rollback()
    return db.session.query(Account).count()


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
