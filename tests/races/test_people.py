"""Letters, codes and pages under many hands, over four workers (security rows V22 and 2.55, decisions 15 and 23)."""

import re
from collections import Counter
from typing import Any

import pytest
from pyotp import TOTP
from walk import Walker
from walk import e164
from walk import expect
from walk import next_totp

LIMIT = 10
"""Wrong codes of one person that are evaluated (decision 23)."""
GUESSES = 5
"""Guesses at one code that was sent."""


def test_one_letter_makes_one_account_in_fifty_hands(racer: Any, race: Any, ready_post: Any) -> None:
    """Eight browsers with the same letter, all at the last page, fifty posts at once."""
    person = racer.live.person()
    browsers = []
    for number in range(8):
        walker = Walker(racer.live)
        page = walker.answer(
            walker.open("/enrol"), id=person.ahv_number, dob=person.birth_date, act=person.code, terms="1"
        )
        page = walker.answer(page, email=person.email, password=person.password, password2=person.password)
        if number == 0:  # the others find the address there, and proven
            page = walker.answer(page, code=racer.live.code(person.email))
        page = walker.answer(page, method="totp")
        expect(page, "confirm-second-factor")
        browsers.append((walker, page, TOTP(_key(page)).now()))
    posts = [ready_post(walker, page, code=code) for walker, page, code in browsers]

    answers = race([posts[number % 8] for number in range(50)])

    count = Counter(answer.status_code for answer in answers)
    assert not [status for status in count if status >= 500], count
    accounts = racer.rows("SELECT account_id FROM pensioner WHERE person_number = :n", n=person.person_number)
    assert accounts[0][0] is not None
    owned = racer.rows("SELECT count(*) FROM authenticator WHERE account_id = :a", a=accounts[0][0])
    assert owned[0][0] == 1
    nobodys = "SELECT id FROM account a WHERE NOT EXISTS (SELECT 1 FROM pensioner p WHERE p.account_id = a.id)"
    assert racer.rows(nobodys) == []
    # who found all tries of this person spent is still at the last page; nobody else made an account
    ends = Counter(_end(walker, page) for walker, page, _ in browsers)
    assert ends["done"] == 1, ends
    assert ends["account-exists"] == 8 - 1 - ends["confirm-second-factor"], ends
    assert ends["account-exists"] >= 1, ends
    assert [message["name"] for message in racer.live.messages(person.email)].count("activated") == 1


def _key(page: Any) -> str:
    found = re.search(r"data-totp-key[^>]*>([A-Z2-7 ]+)<", page.text)
    assert found
    return found[1].replace(" ", "")


def _end(walker: Walker, page: Any) -> str:
    """Where the browser stands: the last part of its address."""
    return walker.open(page.url.rpartition("/enrol/")[0]).url.rsplit("/", 1)[-1]


def test_of_two_hundred_wrong_app_codes_the_limit_is_evaluated(racer: Any, race: Any, ready_post: Any) -> None:
    """CVE-2025-64102: counted in the journal; then a right code is refused as well."""
    person, _ = racer.enrolled("totp")
    browsers = [racer.at_second_factor(person) for _ in range(4)]
    right = next_totp(person)
    wrong = f"{(int(right) + 7) % 10**6:06}"
    posts = [ready_post(walker, page, code=wrong) for walker, page in browsers]

    answers = race([posts[number % 4] for number in range(200)])

    count = Counter(answer.status_code for answer in answers)
    assert 1 <= count[422] <= LIMIT, count
    assert set(count) <= {422, 429, 503}, count  # 503: who waited too long behind the others was turned away
    account = _account_of(racer, person)
    refused = "SELECT count(*) FROM audit_event WHERE event = 'factor' AND account_id = :a AND reason = :r"
    assert racer.rows(refused, a=account, r="wrong")[0][0] <= LIMIT
    assert ready_post(*browsers[0], code=right)().status_code == 429


def test_of_two_hundred_wrong_sms_codes_the_guesses_are_evaluated(racer: Any, race: Any, ready_post: Any) -> None:
    person, _ = racer.enrolled("sms")
    before = len(racer.live.messages(e164(person.phone)))
    browsers = [racer.at_second_factor(person) for _ in range(2)]
    racer.live.code(e164(person.phone), after=before + 1)
    sent = {_digits(message) for message in racer.live.messages(e164(person.phone))}
    wrong = next(code for code in ("111111", "222222", "333333", "444444", "555555") if code not in sent)
    posts = [ready_post(walker, page, code=wrong) for walker, page in browsers]

    answers = race([posts[number % 2] for number in range(200)])

    count = Counter(answer.status_code for answer in answers)
    assert count[422] <= LIMIT, count
    assert set(count) <= {422, 429, 503}, count
    tries = "SELECT tries FROM one_time_code WHERE purpose = 'sign_in_sms' AND holder = :h"
    for _, page in browsers:
        holder = page.url.split("/i/")[1].split("/")[0]
        assert racer.rows(tries, h=holder)[0][0] <= GUESSES
    right = _digits(racer.live.messages(e164(person.phone))[0])
    assert ready_post(*browsers[1], code=right)().status_code == 429


def _digits(message: dict[str, str]) -> str:
    found = re.search(r"\b(\d{6})\b", message["text"])
    return found[1] if found else ""


def _account_of(racer: Any, person: Any) -> str:
    return str(racer.rows("SELECT account_id FROM pensioner WHERE person_number = :n", n=person.person_number)[0][0])


def test_one_app_code_opens_one_of_eight_browsers(racer: Any, race: Any, ready_post: Any) -> None:
    """RFC 6238 §5.2."""
    person, _ = racer.enrolled("totp")
    browsers = [racer.at_second_factor(person) for _ in range(8)]
    code = next_totp(person)

    answers = race([ready_post(walker, page, code=code) for walker, page in browsers])

    assert Counter(answer.status_code for answer in answers) == {303: 1, 422: 7}


def test_one_sms_code_opens_once(racer: Any, race: Any, ready_post: Any) -> None:
    person, _ = racer.enrolled("sms")
    before = len(racer.live.messages(e164(person.phone)))
    walker, page = racer.at_second_factor(person)
    code = racer.live.code(e164(person.phone), after=before)

    answers = race([ready_post(walker, page, code=code)] * 10)

    assert not [answer.status_code for answer in answers if answer.status_code >= 500]
    signed_in = "SELECT count(*) FROM audit_event WHERE event = 'sign_in' AND account_id = :a"
    assert racer.rows(signed_in, a=_account_of(racer, person))[0][0] == 2  # the enrolment's, and this one
    accepted = "SELECT count(*) FROM audit_event WHERE event = 'factor' AND outcome = 'ok' AND account_id = :a"
    assert racer.rows(accepted, a=_account_of(racer, person))[0][0] == 1


@pytest.mark.parametrize("factor", ["sms", "totp"])
def test_a_double_press_has_one_effect_at_every_step(racer: Any, race: Any, ready_post: Any, factor: str) -> None:
    """Two presses at once, at each of the steps: one mail, one SMS, one account, and the same next page."""
    person, walker = racer.live.person(), Walker(racer.live)
    page = walker.open("/enrol")
    while "/done" not in page.url:
        step = page.url.rsplit("/", 1)[-1]
        values = {
            "identification": lambda: {
                "id": person.ahv_number,
                "dob": person.birth_date,
                "act": person.code,
                "terms": "1",
            },
            "user-data": lambda: {"email": person.email, "password": person.password, "password2": person.password},
            "confirm-email": lambda: {"code": racer.live.code(person.email)},
            "second-factor": lambda: {"method": factor},
            "second-factor-details": lambda: {"phone": person.phone},
            "confirm-second-factor": lambda page=page: {"code": walker.confirmation(page, person, factor)},
        }[step]()
        press = ready_post(walker, page, **values)
        answers = race([press, press])
        assert [answer.status_code for answer in answers] == [303, 303], (step, answers[0].text[-800:])
        assert answers[0].headers["Location"] == answers[1].headers["Location"], step
        page = walker.open(answers[0].headers["Location"])

    sent = Counter(message["name"] for message in racer.live.messages(person.email))
    assert sent == {"enrol_code": 1, "activated": 1}
    if factor == "sms":
        assert len(racer.live.messages(e164(person.phone))) == 1
    account = _account_of(racer, person)
    assert racer.rows("SELECT count(*) FROM authenticator WHERE account_id = :a", a=account)[0][0] == 1
    final = race([ready_post(walker, page)] * 2)
    assert {answer.status_code for answer in final} <= {303, 400}, final
