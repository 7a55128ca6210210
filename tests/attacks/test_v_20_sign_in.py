"""Signing in against somebody's will: rows V20 to V25."""

import re
import time
from collections import Counter
from itertools import product
from typing import Any

import pytest
import requests
from live import Person
from target import Browser
from target import Target
from target import answer
from target import at_once
from walk import Page
from walk import e164
from walk import next_totp

from flows import flows
from idp.settings import Settings

STEPS = [
    (flow.name, step.name) for flow in flows(Settings.model_construct(factors=("sms", "totp"))) for step in flow.steps
]
WRONG = "Falsch-2026 nein"


def is_nobody(target: Target, browser: Browser) -> bool:
    """Nobody is signed in with this browser."""
    return answer(target.authorize(browser, prompt="none")).get("error") == "login_required"


# --- V20: a flow that somebody else began ----------------------------------------------------------------------------


def test_v20_2_12_who_begins_a_flow_never_gets_the_person_who_is_sent_into_it(target: Target) -> None:
    """CVE-2026-7507: every address that beginning a flow gives, opened by a person who is signed in."""
    attacker, victim = target.browser(), target.signed_in()
    pushed = target.post("/par", "web", **target.request_of()).json()["request_uri"]
    begun = [
        attacker.open(f"/authorize?{requests.models.RequestEncodingMixin._encode_params(target.request_of())}"),
        attacker.open(f"/authorize?client_id=web&request_uri={pushed}"),
        attacker.open("/signin"),
        attacker.open("/enrol"),
        attacker.open("/password/forgot"),
    ]
    posted = attacker.post(
        f"{target.issuer}/authorize", data=target.request_of(), allow_redirects=False, timeout=60
    ).headers["Location"]
    visits = [page.url.split("/i/")[1].split("/")[0] for page in begun]

    for visit, (flow, step) in product(visits, STEPS):
        assert victim.look(f"/i/{visit}/{flow}/{step}").status_code == 400
    for visit in visits:
        assert victim.look(f"/i/{visit}").status_code == 400
        assert victim.look(f"/i/{visit}/cancel").status_code == 400
    victim.look(posted)
    victim.look("/authorize", client_id="web", request_uri=pushed)

    assert is_nobody(target, attacker)
    for visit in visits:
        came = attacker.look(f"/i/{visit}")
        assert came.status_code == 303
        assert came.headers["Location"].startswith(f"/i/{visit}/"), "still at the beginning, with no code"
    assert "code" not in answer(attacker.look(posted))


def test_v20_2_44_a_session_that_was_planted_is_never_signed_in(target: Target) -> None:
    """A cookie the attacker knows, in the victim's browser before the sign-in: the id is another one afterwards."""
    person, _ = target.enrolled()
    planted = "A" * 43
    victim, attacker = target.browser(), target.browser()
    victim.cookies.set("idp_session", planted, domain="localhost.local", path="/")
    browser, page = target.at_second_factor(person, victim)
    assert browser.press(page, code=next_totp(person)).status_code == 303

    response = attacker.get(
        f"{target.issuer}/authorize",
        params=target.request_of(prompt="none"),
        headers={"Cookie": f"idp_session={planted}"},
        allow_redirects=False,
        timeout=60,
    )

    assert answer(response)["error"] == "login_required"
    assert not is_nobody(target, victim)
    assert [cookie.value for cookie in victim.cookies if cookie.name == "idp_session" and cookie.value != planted]


# --- V21: with the password alone ------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", ["sms", "totp"])
def test_v21_the_password_alone_changes_no_factor(target: Target, factor: str) -> None:
    """CVE-2026-3429: every step of every flow, every button, and the routes of accounts that do not exist."""
    person, _ = target.enrolled(factor)
    account = target.account_of(person)
    rows = (
        "SELECT * FROM authenticator WHERE account_id = :a",
        "SELECT password_hash, email_sealed FROM account WHERE id = :a",
    )
    before = [target.rows(query, a=account) for query in rows]
    browser, page = target.at_second_factor(person)
    action, fields = page.form()
    base = action.rpartition("/two_factor/")[0]
    sent = {
        **fields,
        **{"method": "totp", "phone": "079 888 77 66", "code": "123456", "email": "evil@evil.test"},
        **{
            "password": "Ganz-Neu 2026!",
            "password2": "Ganz-Neu 2026!",
            "username": person.email,
            "id": "",
            "choice": "sms",
        },
    }

    for (flow, step), more in product(STEPS, ({}, {"action": "resend"}, {"action": "other"}, {"action": "skip"})):
        if (flow, step) == ("two_factor", "code") and not more:
            continue  # a guess at the code, which row V22 counts
        response = browser.post(f"{base}/{flow}/{step}", data={**sent, **more}, allow_redirects=False, timeout=60)
        assert response.status_code < 500, (flow, step, more)
        assert "code=" not in response.headers.get("Location", "")
    for path in (
        "/account",
        "/account/factors",
        "/factors",
        "/me",
        "/webauthn/register",
        "/passkeys",
        "/admin",
        "/api",
    ):
        for method in ("GET", "POST", "PUT", "DELETE"):
            assert browser.request(method, f"{target.issuer}{path}", timeout=60).status_code == 404, path

    assert [target.rows(query, a=account) for query in rows] == before
    assert is_nobody(target, browser)


# --- V22: guessing codes ---------------------------------------------------------------------------------------------


def test_v22_of_sixty_guesses_at_a_mailed_code_five_are_looked_at(each_target: Target) -> None:
    """CVE-2025-64102: over four workers at once; the right code is worth nothing afterwards."""
    person, _ = each_target.enrolled("sms")
    browser = each_target.browser()
    page = browser.answer(browser.open("/password/forgot"), username=person.email)
    right = each_target.live.code(person.email, after=2)
    action, fields = page.form()
    cookies = browser.cookies.get_dict()

    def guess(code: str) -> int:
        data = {**fields, "code": code}
        return requests.post(action, data=data, cookies=cookies, allow_redirects=False, timeout=90).status_code

    wrong = [f"{(int(right) + 1 + number) % 10**6:06}" for number in range(60)]
    count = Counter(at_once([lambda code=code: guess(code) for code in wrong]))  # type: ignore[misc]

    assert set(count) <= {422, 429, 503}, count
    visit = page.url.split("/i/")[1].split("/")[0]
    assert each_target.rows("SELECT tries FROM one_time_code WHERE holder = :h", h=visit)[0][0] <= 5
    assert guess(right) in {422, 429}
    assert "code-by-email" in browser.open(page.url).url


@pytest.mark.slow_attack
def test_v22_a_new_code_gives_no_new_guesses(each_target: Target) -> None:
    """Ten wrong codes of a person are looked at, however many codes were sent; then the right one waits, too."""
    person, _ = each_target.enrolled("sms")
    time.sleep(61)
    browser, page = each_target.at_second_factor(person)
    statuses = []
    for visit in range(3):
        sent = each_target.live.code(e164(person.phone), after=visit + 1)
        statuses += [browser.press(page, code=f"{(int(sent) + n) % 10**6:06}").status_code for n in range(1, 6)]
        time.sleep(61)
        browser.press(page, 1, action="resend")
    right = each_target.live.code(e164(person.phone))

    assert statuses[:10] == [422] * 10
    assert set(statuses[10:]) == {429}
    assert browser.press(page, code=right).status_code == 429
    assert each_target.at_second_factor(person)[0].press(page, code=right).status_code in {400, 429}


# --- V23: spellings --------------------------------------------------------------------------------------------------


def test_v23_every_spelling_of_a_person_spends_the_same_tries(each_target: Target) -> None:
    """CVE-2025-24806, CVE-2026-47203: what is another spelling is counted together, what is none never opens."""
    person, _ = each_target.enrolled()
    account, email, digits = each_target.account_of(person), person.email, re.sub(r"\D", "", person.ahv_number)
    local, _, domain = email.partition("@")
    same = [
        email,
        email.upper(),
        f" {email} ",
        f"{local}@{domain.upper()}",
        person.ahv_number,
        digits,
        " ".join(digits),
    ]
    others = [
        *(f"{email}.", f"{local}+tag@{domain}", f"{local}.@{domain}", f"\u200b{email}", f"{email}\u202e"),
        *(email.replace("e", "\u0435", 1), email.replace("@", "\uff20"), email.replace("@", "%40"), f"{email}\x00"),
        *(_wide(digits), f"{digits}0", f"'{email}'", f"{email}' OR '1'='1", f"{email},{email}", f"<{email}>"),
    ]
    refused = "SELECT count(*) FROM audit_event WHERE event = 'password' AND outcome = 'refused' AND account_id = :a"

    for name in [*same, *others] * 2:
        assert _sign_in(each_target, name, WRONG) in {422, 429}, name

    assert each_target.rows(refused, a=account)[0][0] == 10, "what was looked at"
    for name in (*same, *others):
        assert _sign_in(each_target, name, person.password) in {422, 429}, name


def _wide(text: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) for char in text)


def _sign_in(target: Target, name: str, password: str) -> int:
    browser = target.browser()
    return browser.press(browser.open("/signin"), username=name, password=password).status_code


# --- V24: headers nobody should believe ------------------------------------------------------------------------------

HEADERS: list[dict[str, str | bytes]] = [
    {"X-Forwarded-For": "a"},
    {"X-Forwarded-For": ""},
    {"X-Forwarded-For": "203.0.113.9, 203.0.113.9"},
    {"X-Forwarded-For": "1." * 5000},
    {"X-Forwarded-For": b"\xff\xfe\x80"},
    {"X-Forwarded-Proto": "gopher", "X-Forwarded-Host": "a b", "X-Forwarded-Port": "-1"},
    {"Forwarded": 'for=;;;by="', "X-Real-IP": "203.0.113.9"},
    {"Forwarded": "for=" + "x" * 10_000},
    {"User-Agent": ""},
    {"User-Agent": "<script>" * 1250},
    {"User-Agent": b"\xff\xfe\x80"},
    {"Accept-Language": ";q=x,*;q=9,,,"},
    {"Accept-Language": "fr;q=" + "9" * 10_000},
    {"Accept-Language": b"\xff\xfe\x80"},
    {"Cookie": "idp_session=; idp_browser=; idp_language=../../etc/passwd; =; ;;"},
    {"Cookie": "idp_session=" + "x" * 10_000},
    {"Referer": "javascript:alert(1)", "Origin": "null"},
    {"Authorization": "Bearer x", "Proxy-Authorization": "Basic x"},
]


def test_v24_no_header_makes_a_step_go_away(target: Target) -> None:
    """CVE-2024-47070: the same decisions as without, at every step, and never a 500."""
    person, _ = target.enrolled()
    account = target.account_of(person)

    usual = _decisions(target, person, {})
    assert usual == [303, 200, 422, 303, "two_factor", 200, True]
    for header in HEADERS:
        assert _decisions(target, person, header) == usual, header
    came_from = target.rows("SELECT DISTINCT address FROM audit_event WHERE account_id = :a", a=account)
    assert all(str(address).startswith("127.") for (address,) in came_from), came_from


def test_v24_cookies_that_are_no_text_open_nothing(target: Target) -> None:
    """The server in front leaves such a header out: nobody is signed in, and no visit belongs to this browser."""
    browser = target.browser()
    url = browser.open("/signin").url
    page = browser.get(url, headers={"Cookie": b"idp_session=\xff\xfe; idp_browser=\xff"}, timeout=60)  # type: ignore[dict-item]

    assert page.status_code == 400
    assert "<form" not in page.text


def _decisions(target: Target, person: Person, headers: dict[str, Any]) -> list[Any]:
    """What is decided on the way to the second factor."""
    browser, extra = target.browser(), dict(headers)
    cookies = extra.pop("Cookie", None)
    if cookies is not None:  # beside the real ones, before and after which they stand

        def with_cookies(request: Any) -> Any:
            own = request.headers.get("Cookie", "")
            junk = cookies if isinstance(cookies, bytes) else cookies.encode("latin-1")
            request.headers["Cookie"] = own.encode() + (b"; " if own else b"") + junk
            return request

        browser.auth = with_cookies
    browser.headers.update(extra)
    asked = browser.look("/authorize", **target.request_of())
    assert "Location" in asked.headers, (headers, asked.status_code, asked.text[:300])
    form = Page(browser.look(asked.headers["Location"]))
    refused = browser.press(form, username=person.email, password=WRONG)
    right = browser.press(form, username=person.email, password=person.password)
    assert "Location" in right.headers, (headers, form.status, refused.status_code, right.status_code)
    page = Page(browser.look(right.headers["Location"]))
    where = right.headers["Location"].split("/")[3]
    return [
        *(asked.status_code, form.status, refused.status_code, right.status_code, where, page.status),
        is_nobody(target, browser),
    ]


# --- V25: who has an account -----------------------------------------------------------------------------------------


def masked(response: requests.Response, *typed: str) -> tuple[Any, ...]:
    """The answer without what is new each time, and without what the person typed."""
    text = response.text
    for each in typed:
        text = text.replace(each, "NAME")
    text = re.sub(r"/i/[\w-]+", "/i/VISIT", text)
    text = re.sub(r'"[0-9a-f]{64}"', '"CSRF"', text)
    text = re.sub(r"\d+ secondes", "N secondes", text)
    text = re.sub(r'data-session="\d+"', 'data-session="N"', text)
    location = re.sub(r"/i/[\w-]+", "/i/VISIT", response.headers.get("Location", ""))
    ever_new = {"date", "set-cookie", "content-length", "location", "x-request-id"}
    kept = {name: value for name, value in response.headers.items() if name.lower() not in ever_new}
    return response.status_code, location, kept, sorted(cookie.name for cookie in response.cookies), text


def people_of_all_kinds(target: Target) -> dict[str, Person]:
    """Who has an account, whose is closed, who has only a letter, who left, and nobody."""
    member, closed = target.enrolled("sms")[0], target.enrolled("sms")[0]
    target.change("UPDATE account SET disabled_at = created_at WHERE id = :a", a=target.account_of(closed))
    nobody, letter = target.person(), target.person()
    nobody.ahv_number = "756.9999.9999.91"
    letter.email, nobody.email = "letter.only@example.org", "nobody.atall@example.org"
    return {"member": member, "closed": closed, "letter": letter, "nobody": nobody}


def test_v25_no_page_tells_who_has_an_account(target: Target) -> None:
    """CVE-2026-4633, CVE-2026-23511: sign-in by both names up to the pause, and the way to a new password."""
    people = people_of_all_kinds(target)

    seen: dict[str, list[Any]] = {name: [] for name in people}
    for name, person in people.items():
        for typed in (person.email, person.ahv_number):
            browser = target.browser()
            page = browser.open("/signin")
            seen[name] += [masked(browser.press(page, username=typed, password=WRONG), typed) for _ in range(5)]
    assert seen["member"] == seen["closed"] or _differs(seen), "both names of a person are one: three tries are left"
    one_name = {name: answers[:5] for name, answers in seen.items()}
    assert one_name["member"] == one_name["letter"] == one_name["nobody"] or _differs(one_name)

    asked = {}
    for name, person in people.items():
        browser = target.browser()
        first = browser.press(browser.open("/password/forgot"), username=person.email)
        page = Page(browser.look(first.headers["Location"]))
        wrong = [browser.press(page, code="000000") for _ in range(5)]
        again = browser.press(page, 1, action="resend")
        asked[name] = [masked(each, person.email) for each in (first, page.response, *wrong, again)]
    assert asked["member"] == asked["closed"] == asked["letter"] == asked["nobody"] or _differs(asked)


def test_v25_step_one_of_the_enrolment_tells_nobody_anything(target: Target) -> None:
    """Unknown number, wrong birth date, wrong code, somebody else's code, an account with a wrong code: one answer."""
    known, other, member = target.person(), target.person(), target.member()[0]
    wrong_code = other.code
    tries = {
        "unknown number": ("756.9999.9999.91", known.birth_date, known.code),
        "wrong birth date": (known.ahv_number, "28.03.1948", known.code),
        "somebody else's code": (known.ahv_number, known.birth_date, wrong_code),
        "an account, a wrong code": (member.ahv_number, member.birth_date, wrong_code),
    }
    seen = {}
    for name, (number, born, code) in tries.items():
        browser = target.browser()
        response = browser.press(browser.open("/enrol"), id=number, dob=born, act=code, terms="1")
        seen[name] = [masked(response, number, born, code)]

    assert all(each == seen["unknown number"] for each in seen.values()) or _differs(seen)
    assert seen["unknown number"][0][0] == 422


def _differs(seen: dict[str, list[Any]]) -> bool:
    """Fail with the first difference, which a comparison of pages hides."""
    names = list(seen)
    for name in names[1:]:
        for number, (one, two) in enumerate(zip(seen[names[0]], seen[name], strict=True)):
            for first, second in zip(one, two, strict=True):
                if first == second:
                    continue
                lines = (
                    [(a, b) for a, b in zip(first.splitlines(), second.splitlines(), strict=False) if a != b][:3]
                    if isinstance(first, str)
                    else (first, second)
                )
                raise AssertionError(f"{names[0]} and {name}, answer {number}: {lines}")
    return False
