"""Password spraying over HTTP: row 2.53. Slow tries and the numbers of the limits: `tests/idp/test_spraying.py`."""

from concurrent.futures import ThreadPoolExecutor

from target import Browser
from target import Target
from target import expect

from idp.spraying import NEIGHBOURHOOD_TRIES

NEIGHBOURHOOD = "127.250.7"
ATTACKERS = 4


def spray(browser: Browser, names: range) -> list[int]:
    """One password on many names; the statuses."""
    page, statuses = browser.open("/signin"), []
    for number in names:
        answered = browser.press(page, username=f"nobody{number}@example.org", password="Sommer-2026!")
        statuses.append(answered.status_code)
    return statuses


def test_2_53_a_neighbourhood_that_sprays_rests_and_everybody_else_signs_in(target: Target) -> None:
    """ASVS V6.3.1: the operator is called; no account was locked, nobody elsewhere was hindered."""
    person, known = target.enrolled()
    attackers = [target.browser(f"{NEIGHBOURHOOD}.{number}") for number in range(1, ATTACKERS + 1)]
    share = NEIGHBOURHOOD_TRIES // ATTACKERS + 10

    with ThreadPoolExecutor(ATTACKERS) as pool:
        told = list(pool.map(lambda n: spray(attackers[n], range(n * share, (n + 1) * share)), range(ATTACKERS)))

    statuses = [status for each in told for status in each]
    assert set(statuses) == {422, 429}
    assert NEIGHBOURHOOD_TRIES <= statuses.count(422) <= NEIGHBOURHOOD_TRIES + ATTACKERS
    beside = target.browser(f"{NEIGHBOURHOOD}.99")
    refused = beside.press(beside.open("/signin"), username=person.email, password=person.password)
    assert refused.status_code == 429
    own = target.browser(f"{NEIGHBOURHOOD}.98")  # a neighbour, but in the browser of yesterday
    own.cookies.set_cookie(next(cookie for cookie in known.cookies if cookie.name == "idp_device"))
    for browser in (target.browser(), own):
        page = browser.answer(browser.open("/signin"), username=person.email, password=person.password)
        expect(page, "two_factor")
    lines = target.live.rows("SELECT reason FROM audit_event WHERE event = 'password_spraying'")
    assert "neighbourhood" in {reason for (reason,) in lines}
