"""Limits of the sign-in and the cookie of a known device: rows 2.54 and 2.65.

Every browser has an address of its own.
"""

import time

from live import Person
from target import Browser
from target import Target
from target import answer
from target import at_once

WRONG = "Falsch-Falsch 2026!"
DEVICE = "idp_device"
STRANGERS = 50


def tries(name: str, browsers: list[Browser]) -> list[int]:
    """One wrong password from each of these browsers, at once; how they were answered."""

    def one(browser: Browser) -> int:
        return browser.press(browser.open("/signin"), username=name, password=WRONG).status_code

    return at_once([lambda each=browser: one(each) for browser in browsers])


def pause(target: Target, person: Person) -> None:
    """Make the account pause for everybody whose browser it does not know."""
    answered = tries(person.email, [target.browser() for _ in range(11)])
    assert sorted(answered) == [422] * 10 + [429]


def with_device(target: Target, cookie: str) -> Browser:
    """A browser that has nothing of us but this cookie."""
    browser = target.browser()
    browser.cookies.set(DEVICE, cookie, domain="localhost.local", path="/")
    return browser


def is_let_to_the_second_factor(browser: Browser, person: Person) -> bool:
    """Whether the right password is looked at."""
    response = browser.press(browser.open("/signin"), username=person.email, password=person.password)
    assert response.status_code in {303, 429}
    return response.status_code == 303


# --- 2.54: locking somebody out --------------------------------------------------------------------------------------


def test_2_54_who_makes_an_account_pause_does_not_keep_its_owner_out(target: Target) -> None:
    """From fifty addresses, again and again: the owner's own browser lets the owner in, and no pause is longer."""
    person, browser = target.enrolled()
    del browser.cookies["idp_session"]
    strangers = [target.browser() for _ in range(STRANGERS)]

    answered = [status for _ in range(2) for status in tries(person.email, strangers)]

    assert (answered.count(422), answered.count(429)) == (10, 2 * STRANGERS - 10)
    assert not is_let_to_the_second_factor(target.browser(), person), "nobody else has a word"
    page = browser.open(target.authorize(browser).headers["Location"])
    page = browser.answer(page, username=person.email, password=person.password)
    assert "two_factor" in page.url
    assert "code" in answer(browser.press(page, code=browser.factor_code(person)))
    query = "SELECT max(paused_until) FROM failure_counter WHERE \"limit\" = 'password' AND paused_until IS NOT NULL"
    until = target.live.rows(query)[0][0]
    assert str(until)[:19] <= time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 900))


# --- 2.65: the cookie of a known device ------------------------------------------------------------------------------


def test_2_65_the_cookie_of_a_known_device_lifts_nothing(target: Target) -> None:
    """It neither signs in nor takes the place of a factor, with the password or without."""
    person, browser = target.enrolled()
    known = with_device(target, browser.cookies[DEVICE])

    assert answer(target.authorize(known, prompt="none"))["error"] == "login_required"
    page = known.answer(known.open("/signin"), username=person.email, password=person.password)

    assert "two_factor" in page.url
    assert answer(target.authorize(known, prompt="none"))["error"] == "login_required"
    assert "idp_session" not in known.cookies


def test_2_65_a_cookie_that_is_not_this_persons_own_and_of_now_is_none(target: Target) -> None:
    """Of another account, forged, and from before the factors or the password changed; after 30 days: tests/flows."""
    (person, browser), (_, other) = target.enrolled(), target.enrolled()
    genuine, of_another = browser.cookies[DEVICE], other.cookies[DEVICE]
    moment, mark = genuine.split("~")
    forged = [
        *(f"{int(moment) + 1}~{mark}", f"{moment}~{'A' * 43}", f"{of_another.split('~')[0]}~{mark[::-1]}", mark),
        *("", "~", f"{genuine}x", "x" * 5000, '{"account":"1"}'),
    ]
    pause(target, person)

    for cookie in [of_another, *forged]:
        assert not is_let_to_the_second_factor(with_device(target, cookie), person), cookie
    assert is_let_to_the_second_factor(with_device(target, genuine), person)
    for column in ("factors_changed_at", "password_changed_at"):
        own = target.live.rows(f"SELECT {column} FROM account WHERE id = :id", id=target.account_of(person))[0][0]
        change = f"UPDATE account SET {column} = :at WHERE id = :id"
        target.change(change, at="2026-01-01 00:00:00.000000", id=target.account_of(person))
        assert not is_let_to_the_second_factor(with_device(target, genuine), person), column
        target.change(change, at=own, id=target.account_of(person))
    assert is_let_to_the_second_factor(with_device(target, genuine), person)
