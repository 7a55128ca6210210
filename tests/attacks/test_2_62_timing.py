"""Row 2.62: how long an answer takes tells nobody who has an account or a letter.

Pairs are interleaved, in changing order, so that whatever else the machine does falls on both alike; before each pair
the counters are emptied, so that no pause shortens an answer. The figures of the last run stand in README.md.
"""

import statistics
import time
from collections.abc import Callable
from itertools import count

import pytest
import requests
from live import Person
from target import Browser
from target import Target
from visitor import ahv
from walk import Page

PAIRS = 500
MEMBERS = 8
WRONG = "Falsch-Falsch 2026!"
WRONG_CODE = "0000 0000 0000"
_STRANGERS = count(990_000_000)

Try = Callable[[Browser, str, Person], Callable[[], requests.Response]]


@pytest.fixture(scope="module")
def members(target: Target) -> list[Person]:
    """People with an account."""
    return [target.enrolled("sms")[0] for _ in range(MEMBERS)]


@pytest.fixture(scope="module")
def letters(target: Target) -> list[Person]:
    """People with a letter and no account."""
    return [target.person() for _ in range(MEMBERS)]


def sign_in(browser: Browser, name: str, person: Person) -> Callable[[], requests.Response]:
    """A wrong password."""
    page = browser.open("/signin")
    return lambda: browser.press(page, username=name, password=WRONG)


def recovery(browser: Browser, name: str, person: Person) -> Callable[[], requests.Response]:
    """A forgotten password; a mail goes out to whoever has an account."""
    page = browser.open("/password/forgot")
    return lambda: browser.press(page, username=name)


def enrolment(browser: Browser, name: str, person: Person) -> Callable[[], requests.Response]:
    """Step 1 with a code that is on no letter."""
    page = browser.open("/enrol")
    return lambda: browser.press(page, id=name, dob=person.birth_date, act=WRONG_CODE, terms="1")


def resend(browser: Browser, name: str, person: Person) -> Callable[[], requests.Response]:
    """Another code for a forgotten password."""
    page = Page(browser.look(browser.press(browser.open("/password/forgot"), username=name).headers["Location"]))
    return lambda: browser.press(page, 1, action="resend")


def seconds(attempt: Callable[[], requests.Response], status: int) -> float:
    """How long the answer took."""
    begun = time.perf_counter()
    answered = attempt().status_code
    taken = time.perf_counter() - begun
    assert answered == status
    return taken


def stranger(named: str) -> str:
    """A name of the same kind that is nobody's."""
    number = next(_STRANGERS)
    return f"nobody.{number}@example.org" if "@" in named else ahv(number)


def median_times(target: Target, people: list[Person], attempt: Try, status: int, names: list[str]) -> dict[str, float]:
    """The median of each kind over all pairs; `names` says which name of a person is typed, in turn."""
    taken: dict[str, list[float]] = {"somebody": [], "nobody": []}
    for number in range(PAIRS):
        person, by = people[number % len(people)], names[number // len(people) % len(names)]
        known = str(getattr(person, by))
        target.change("DELETE FROM failure_counter")
        tried = {"somebody": known, "nobody": stranger(known)}
        for kind in sorted(tried, reverse=bool(number % 2)):
            with target.browser() as browser:
                ready = attempt(browser, tried[kind], person)
                target.change("DELETE FROM one_time_code")  # or it would be too early for another one
                taken[kind].append(seconds(ready, status))
    return {kind: statistics.median(each) for kind, each in taken.items()}


@pytest.mark.slow_attack
@pytest.mark.parametrize(
    ("attempt", "status", "names"),
    [
        (sign_in, 422, ["email", "ahv_number"]),
        (recovery, 303, ["email", "ahv_number"]),
        (enrolment, 422, ["ahv_number"]),
        (resend, 303, ["email"]),
    ],
)
def test_2_62_times_tell_nobody_who_is_known(
    target: Target, request: pytest.FixtureRequest, attempt: Try, status: int, names: list[str]
) -> None:
    """500 pairs each: the medians differ by less than ten milliseconds, or a tenth."""
    people = request.getfixturevalue("letters" if attempt is enrolment else "members")

    medians = median_times(target, people, attempt, status, names)

    print({kind: f"{1000 * value:.1f} ms" for kind, value in medians.items()})
    somebody, nobody = medians["somebody"], medians["nobody"]
    assert abs(somebody - nobody) < max(0.010, 0.1 * somebody), medians
