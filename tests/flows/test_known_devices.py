"""Known devices (pages.md 2.1.8): whoever makes an account pause does not keep its person out of their own browser."""

import re

import pytest
import time_machine
from flask import Flask
from oidc import change
from visitor import Person
from visitor import Visitor
from visitor import a_member
from visitor import a_person
from visitor import factor_code
from visitor import totp_key

from idp import known_devices
from idp import throttle
from idp.accounts import WRONG_PASSWORDS
from idp.accounts import WRONG_PASSWORDS_OF_KNOWN_DEVICES
from idp.clock import now
from idp.db import db
from idp.models import Account
from idp.provider import provider
from keys import Vault

COOKIE = "idp_device"
WRONG = "Falsch-2026 nein"
START = "2026-03-02T10:00:00+00:00"


@pytest.fixture
def backend() -> str:
    """Nothing here depends on the database."""
    return "sqlite"


def account(person: Person) -> Account:
    db.session.rollback()
    return db.session.get_one(Account, person.account_id, populate_existing=True)


def paused(person: Person) -> None:
    """Strangers have made the account pause."""
    for _ in range(WRONG_PASSWORDS.tries):
        throttle.spend(WRONG_PASSWORDS, f"account:{person.account_id}")


def sign_out(visitor: Visitor) -> None:
    visitor.browser.delete_cookie("idp_session")


def device(visitor: Visitor) -> str:
    cookie = visitor.browser.get_cookie(COOKIE)
    assert cookie is not None
    return cookie.value


def known_to(visitor: Visitor, person: Person) -> str:
    """A browser in which the person has signed in and out; its cookie."""
    visitor.sign_in(person)
    sign_out(visitor)
    return device(visitor)


def is_let_to_the_second_factor(visitor: Visitor, person: Person) -> bool:
    page = visitor.give_password(visitor.open("/signin"), person.email)
    assert page.status in {200, 429}
    return "two_factor" in page.url


def with_cookie(app: Flask, cookie: str) -> Visitor:
    visitor = Visitor(app)
    visitor.browser.set_cookie(COOKIE, cookie)
    return visitor


def test_a_pause_that_others_caused_does_not_hold_in_a_known_browser(app: Flask, visitor: Visitor) -> None:
    person = a_member()
    known_to(visitor, person)
    paused(person)

    assert not is_let_to_the_second_factor(Visitor(app), person)
    page = visitor.give_password(visitor.open("/signin"), person.email)

    assert "two_factor" in page.url, "the password alone is never enough"
    assert visitor.browser.get_cookie("idp_session") is None
    assert visitor.answer(page, code=factor_code(person)).location == "https://www.valora-pensionskasse.com"


def test_the_password_alone_makes_no_browser_known(visitor: Visitor) -> None:
    page = visitor.give_password(visitor.open("/signin"), a_member().email)

    assert "two_factor" in page.url
    assert visitor.browser.get_cookie(COOKIE) is None


def test_an_enrolment_makes_the_browser_known(visitor: Visitor) -> None:
    person = a_person()
    page = visitor.enrol_until("/confirm-second-factor", person, factor="totp")
    person.totp_secret = totp_key(page)
    page = visitor.answer(page, code=factor_code(person))
    assert visitor.browser.get_cookie(COOKIE) is None
    visitor.answer(page)

    found = db.session.query(Account).one()
    person.account_id = found.id
    sign_out(visitor)
    paused(person)
    assert is_let_to_the_second_factor(visitor, person)


def test_a_known_browser_has_a_limit_of_its_own(app: Flask, visitor: Visitor) -> None:
    """It pauses like any other, says so alike, and costs strangers' browsers no try."""
    person = a_member()
    known_to(visitor, person)
    page = visitor.open("/signin")

    for tried in range(1, 11):
        page = visitor.give_password(page, person.email, WRONG)
        assert page.status == 422
        assert page.says("signin.err.remaining", minutes=15, n=10 - tried) == (7 <= tried < 10)
    pause = visitor.give_password(page, person.email)

    assert pause.status == 429
    assert pause.says("lock.pw")
    assert pause.link("/password/forgot")
    subject = f"account:{person.account_id}"
    assert throttle.left(WRONG_PASSWORDS, subject) == WRONG_PASSWORDS.tries
    assert set(throttle.pauses(subject)) == {WRONG_PASSWORDS_OF_KNOWN_DEVICES.name}, "the help desk sees and ends it"
    assert is_let_to_the_second_factor(Visitor(app), person)


def test_a_right_password_of_a_known_browser_gives_strangers_no_new_tries(visitor: Visitor) -> None:
    person = a_member()
    known_to(visitor, person)
    paused(person)
    visitor.give_password(visitor.open("/signin"), person.email, WRONG)

    assert is_let_to_the_second_factor(visitor, person)

    subject = f"account:{person.account_id}"
    assert throttle.left(WRONG_PASSWORDS, subject) == 0
    assert throttle.left(WRONG_PASSWORDS_OF_KNOWN_DEVICES, subject) == WRONG_PASSWORDS_OF_KNOWN_DEVICES.tries


@pytest.mark.parametrize("changed", ["password_changed_at", "factors_changed_at"])
def test_it_ends_with_the_password_and_with_the_factors(visitor: Visitor, changed: str) -> None:
    """Security row 2.65."""
    person = a_member()
    known_to(visitor, person)
    change(account(person), **{changed: now()})
    paused(person)

    assert not is_let_to_the_second_factor(visitor, person)


def test_it_ends_after_thirty_days_and_begins_anew_with_each_sign_in(visitor: Visitor) -> None:
    """Security row 2.65: on the server, whatever the browser keeps."""
    with time_machine.travel(START, tick=False) as clock:
        person = a_member(app=True, phone=False)
        first = known_to(visitor, person)
        clock.shift(29 * 86400)
        second = known_to(visitor, person)
        assert second != first
        clock.shift(86400)
        paused(person)
        assert not is_let_to_the_second_factor(with_cookie(visitor.browser.application, first), person)
        assert is_let_to_the_second_factor(with_cookie(visitor.browser.application, second), person)
        clock.shift(29 * 86400)
        paused(person)
        assert not is_let_to_the_second_factor(with_cookie(visitor.browser.application, second), person)


def test_it_counts_for_nobody_else(app: Flask, visitor: Visitor) -> None:
    """Security row 2.65; nor does it tell who has an account: tries are counted alike."""
    owner, other = a_member(1), a_member(2)
    known_to(visitor, owner)
    paused(other)

    assert not is_let_to_the_second_factor(visitor, other)
    page = visitor.open("/signin")
    for _ in range(8):
        page = visitor.give_password(page, "nobody@example.org", WRONG)
    assert page.says("signin.err.remaining", minutes=15, n=2)


def test_a_couple_shares_a_browser(visitor: Visitor) -> None:
    couple = [a_member(1), a_member(2)]
    for person in couple:
        known_to(visitor, person)
    for person in couple:
        paused(person)

    assert [is_let_to_the_second_factor(visitor, person) for person in couple] == [True, True]


def test_the_cookie_stays_small_and_forgets_whoever_came_first(visitor: Visitor) -> None:
    people = [a_member(number) for number in range(1, known_devices.PEOPLE + 2)]
    for person in people:
        known_to(visitor, person)
    known_to(visitor, people[-1])
    for person in people:
        paused(person)

    assert len(device(visitor)) <= known_devices.LONGEST
    assert device(visitor).count("~") == known_devices.PEOPLE
    let_in = [is_let_to_the_second_factor(visitor, person) for person in people]
    assert let_in == [False] + [True] * known_devices.PEOPLE


def test_a_forged_cookie_is_none(app: Flask, visitor: Visitor) -> None:
    person = a_member()
    genuine = known_to(visitor, person)
    moment, mark = genuine.split("~")
    paused(person)
    forged = [
        *(f"{int(moment) - 1}~{mark}", f"{int(moment) + 1}~{mark}", f"0{moment}~{mark}", f"{moment}~{mark[:-1]}"),
        *(
            f"{moment}~{mark[::-1]}",
            mark,
            f"{moment}~",
            "",
            "~",
            "." * 200,
            genuine * 6,
            "é~ü",
            f" {genuine}x",
            "\u0661~a",
        ),
    ]

    for cookie in forged:
        assert not is_let_to_the_second_factor(with_cookie(app, cookie), person), cookie
    assert is_let_to_the_second_factor(with_cookie(app, genuine), person)


def test_it_says_nothing_of_anybody(visitor: Visitor) -> None:
    person = a_member()

    cookie = known_to(visitor, person)

    assert re.fullmatch(r"\d{10}~[\w-]{43}", cookie)
    assert person.account_id not in cookie


def test_with_another_root_secret_it_is_known_while_the_old_one_is_listed(visitor: Visitor) -> None:
    person = a_member()
    cookie = known_to(visitor, person)
    old = provider.settings.secret.get_secret_value()
    fresh = "another-root-secret-9f2c41d07be85a63"
    app = visitor.browser.application
    with app.test_request_context("/", headers={"Cookie": f"{COOKIE}={cookie}"}):
        holder = account(person)
        kept = provider.vault
        try:
            app.extensions["idp"].vault = Vault(fresh, old_secrets=[old])
            assert known_devices.is_known(holder)
            app.extensions["idp"].vault = Vault(fresh)
            assert not known_devices.is_known(holder)
        finally:
            app.extensions["idp"].vault = kept


def test_a_fund_may_do_without(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """`IDP_KNOWN_DEVICE_DAYS=0`."""
    monkeypatch.setattr(known_devices, "_seconds", lambda: 0)
    person = a_member()

    page = visitor.sign_in(person)

    given = page.response.headers.getlist("Set-Cookie")
    assert [line.partition("=")[0] for line in given if COOKIE in line or "idp_session" in line] == ["idp_session"]
