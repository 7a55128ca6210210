"""Messages, forms and ends of accounts and clients: rows V26 to V29."""

import socket
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from live import Person
from target import CALLBACK
from target import Browser
from target import Target
from target import answer
from target import at_once
from target import close
from target import leave
from walk import Page
from walk import e164
from walk import next_totp

EVIL = {
    "Host": "evil.test",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Server": "evil.test",
    "X-Forwarded-Prefix": "//evil.test",
    "X-Host": "evil.test",
    "Forwarded": "host=evil.test;proto=https",
    "X-Original-URL": "//evil.test/",
    "X-Rewrite-URL": "//evil.test/",
    "Origin": "https://evil.test",
    "Referer": "https://evil.test/",
}

# --- V26: the host that a request names ------------------------------------------------------------------------------


class Lying(Browser):
    """A browser whose every request names another host; addresses of that host are not followed."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().request(*args, **kwargs)
        for each in (*response.history, response):
            assert "evil.test" not in each.headers.get("Location", ""), each.url
            assert "evil.test" not in each.text, each.url
            assert "evil.test" not in str(each.headers).replace("form-action", "")
        return response


def test_v26_no_message_and_no_page_takes_its_host_from_a_request(target: Target) -> None:
    """CVE-2025-64101: every mail and SMS of an enrolment, a sign-in, a pause and a new password."""
    person, browser = target.person(), Lying(target.live)
    browser.headers.update(EVIL)

    page = browser.until_confirmation(browser.open("/enrol"), person, "sms")
    page = browser.answer(page, code=browser.confirmation(page, person, "sms"))
    assert "/done" in page.url
    forgetful = Lying(target.live)
    forgetful.headers.update(EVIL)
    asked = forgetful.answer(forgetful.open("/password/forgot"), username=person.email)
    asked = forgetful.answer(asked, code=target.live.code(person.email, after=2))
    guess = forgetful.open("/signin")
    for _ in range(10):
        forgetful.press(guess, username=person.email, password="Falsch-2026 nein")

    mails, texts = target.live.messages(person.email), target.live.messages(e164(person.phone))
    assert Counter(each["name"] for each in mails) == {"enrol_code": 1, "activated": 1, "reset_code": 1, "locked": 1}
    assert len(texts) == 2
    assert "evil.test" not in str([*mails, *texts])
    host = urlsplit(target.issuer).hostname
    assert all(f"@{host} #" in each["text"] for each in texts), "the line that ties the code to our address"


@pytest.mark.parametrize(
    "line", ["/.well-known/openid-configuration", "http://evil.test/.well-known/openid-configuration"]
)
def test_v26_the_issuer_is_what_was_configured(target: Target, line: str) -> None:
    """Also where the request line holds the whole address, and whatever else is said."""
    right = requests.get(f"{target.issuer}/.well-known/openid-configuration", timeout=60).json()
    where = urlsplit(target.issuer)

    with socket.create_connection((where.hostname, where.port), timeout=60) as connection:
        sent = "".join(f"{name}: {value}\r\n" for name, value in {**EVIL, "Connection": "close"}.items())
        connection.sendall(f"GET {line} HTTP/1.1\r\n{sent}\r\n".encode())
        received = b"".join(iter(lambda: connection.recv(65536), b""))

    head, _, body = received.decode().partition("\r\n\r\n")
    assert "evil.test" not in received.decode()
    assert head.startswith("HTTP/1.1 4") or requests.models.complexjson.loads(body) == right


# --- V27: codes that were mailed, and the letter's -------------------------------------------------------------------


def test_v27_a_mailed_code_is_for_its_person_and_its_visit(each_target: Target) -> None:
    """CVE-2026-37982, CVE-2023-26481: another's visit, another's name beside it, another signed in, once more."""
    (anna, _), (bruno, signed_in) = each_target.enrolled("sms"), each_target.enrolled("sms")
    mine = signed_in.twin()  # Bruno is signed in while Anna's password is being replaced
    theirs = each_target.browser()
    page = mine.answer(mine.open("/password/forgot"), username=anna.email)
    code = each_target.live.code(anna.email, after=2)
    other = theirs.answer(theirs.open("/password/forgot"), username=bruno.email)
    each_target.live.code(bruno.email, after=2)

    assert theirs.press(other, code=code).status_code == 422, "not in Bruno's visit"
    first = mine.press(page, code=code, username=bruno.email, account_id=each_target.account_of(bruno))
    assert first.status_code == 303
    before = len(each_target.live.messages(e164(bruno.phone)))
    step = Page(mine.look(first.headers["Location"]))
    assert "/code" in step.url
    assert len(each_target.live.messages(e164(bruno.phone))) == before, "the second factor asked for is Anna's"
    sms = each_target.live.code(e164(anna.phone), after=1)
    form = mine.answer(step, code=sms, username=bruno.email)
    new = "Ganz-Neu 2026!"
    done = mine.press(form, password=new, password2=new, username=bruno.email, account_id="x")
    assert done.status_code == 303

    for again in (page, step, form):
        response = mine.press(again, code=code, password="Noch-Neuer 2026!", password2="Noch-Neuer 2026!")
        assert response.status_code in {303, 400, 422}
    assert theirs.press(other, code=code).status_code in {422, 429}
    assert password_opens(each_target, anna, new)
    assert not password_opens(each_target, anna, "Noch-Neuer 2026!")
    assert password_opens(each_target, bruno, bruno.password), "nothing of Bruno's has changed"
    assert not password_opens(each_target, bruno, new)


def password_opens(target: Target, person: Person, password: str) -> bool:
    browser = target.browser()
    response = browser.press(browser.open("/signin"), username=person.email, password=password)
    assert response.status_code in {303, 422}
    return response.status_code == 303


def test_v27_a_mailed_code_has_one_effect_in_ten_hands(each_target: Target) -> None:
    person, _ = each_target.enrolled("sms")
    browser = each_target.browser()
    page = browser.answer(browser.open("/password/forgot"), username=person.email)
    code = each_target.live.code(person.email, after=2)
    action, fields = page.form()
    cookies = browser.cookies.get_dict()

    def send() -> int:
        data = {**fields, "code": code}
        return requests.post(action, data=data, cookies=cookies, allow_redirects=False, timeout=90).status_code

    assert set(at_once([send] * 10)) == {303}, "a second press is led where the first one went"
    used = "SELECT count(*) FROM one_time_code WHERE holder = :h AND used_at IS NOT NULL AND purpose = 'password_reset'"
    visit = page.url.split("/i/")[1].split("/")[0]
    assert each_target.rows(used, h=visit)[0][0] == 1
    assert len(each_target.live.messages(e164(person.phone))) <= 2, "one SMS of the enrolment, one of this"


def test_v27_a_letter_opens_once(each_target: Target) -> None:
    """Used again it shows that there is an account, to who has the whole letter, and makes no second one."""
    person, _ = each_target.enrolled()
    account = each_target.account_of(person)

    page = each_target.browser()
    response = page.press(page.open("/enrol"), id=person.ahv_number, dob=person.birth_date, act=person.code, terms="1")

    assert "account-exists" in response.headers["Location"]
    shown = Page(page.look(response.headers["Location"]))
    assert person.email not in shown.text
    assert each_target.account_of(person) == account


# --- V28: fields nobody asked for ------------------------------------------------------------------------------------

EXTRA = {
    **dict.fromkeys(("email_verified", "phone_verified", "verified", "email_proven", "mfa_required", "admin"), "true"),
    **dict.fromkeys(("email_verified_at", "disabled_at", "sessions_valid_after", "created_at"), "2020-01-01"),
    **{
        "role": "admin",
        "person_id": "1",
        "pensioner_id": "1",
        "account_id": "1",
        "sub": "1",
        "ahv": "756.9999.9999.91",
    },
    **{"proofs": '[{"method": "pwd"}]', "answers": "{}", "email_code": "true", "second_factor": "sms", "factor": "sms"},
    **{"goal": "consent", "person_number": "1", "entitlement": "x", "status": "active", "first_name": "Eve"},
}


def test_v28_fields_nobody_asked_for_prove_nothing_and_change_nothing(target: Target) -> None:
    """CVE-2026-27946: on every form of the enrolment; each step stays due until it is really answered."""
    person, browser = target.person(), target.browser()
    register = "SELECT * FROM pensioner WHERE person_number = :n"
    before = target.rows(register, n=person.person_number)[0]._mapping

    page = browser.answer(
        browser.open("/enrol"), id=person.ahv_number, dob=person.birth_date, act=person.code, terms="1", **EXTRA
    )
    assert "user-data" in page.url
    mine = {"email": person.email, "password": person.password, "password2": person.password}
    page = browser.answer(page, **mine, **EXTRA)
    assert "confirm-email" in page.url, "the address is not proven by a word"
    assert browser.press(page, code="000000", **EXTRA).status_code == 422
    page = browser.answer(page, code=target.live.code(person.email), **EXTRA)
    page = browser.answer(page, method="sms", **EXTRA)
    page = browser.answer(page, phone=person.phone, **EXTRA)
    assert "confirm-second-factor" in page.url, "nor is the telephone"
    page = browser.answer(page, code=target.live.code(e164(person.phone)), **EXTRA)
    assert "/done" in page.url
    browser.press(page, **EXTRA)

    after = target.rows(register, n=person.person_number)[0]._mapping
    changed = {name for name in after if after[name] != before[name]}
    assert changed <= {"account_id", "enrolled_at", "updated_at"}
    account = target.rows("SELECT * FROM account WHERE id = :a", a=target.account_of(person))[0]._mapping
    assert account["disabled_at"] is None
    assert not str(account["created_at"]).startswith("2020")
    told = target.userinfo(target.tokens(browser, scope="openid profile email phone")["access_token"]).json()
    assert told["email"] == person.email
    assert told.get("given_name") != "Eve"


def test_v28_a_code_proves_the_address_it_was_sent_to(target: Target) -> None:
    """CVE-2026-9087: sent to the first address, entered after it was changed to the second."""
    person, browser = target.person(), target.browser()
    page = browser.identify(browser.open("/enrol"), person)
    form = page
    mine = {"password": person.password, "password2": person.password}
    browser.answer(form, email=person.email, **mine)
    first = target.live.code(person.email)
    second = f"second.{person.email}"

    page = browser.answer(form, email=second, **mine)

    assert "confirm-email" in page.url
    assert browser.press(page, code=first).status_code == 422
    assert browser.press(page, code=first, email=person.email).status_code == 422
    assert browser.press(page, code=target.live.code(second)).status_code == 303


def test_v28_a_client_that_registers_itself_gives_itself_nothing(target: Target) -> None:
    """What only an operator decides, and what only the provider says."""
    wished = {
        **{"first_party": True, "profile": "fapi2", "require_pkce": False, "minimum_acr": "x", "is_default": True},
        **{"default": True, "disabled": False, "audience": "employer", "access_token_format": "jwt"},
        **{
            "resources": ["https://api.example"],
            "secret_hashes": ["x"],
            "registration_token_hash": "x",
            "role": "admin",
        },
    }
    said = {"redirect_uris": [CALLBACK], "client_name": "Quiet", "scope": "openid pension profile"}

    answered = target.register({**said, **wished, "client_secret": "known", "client_id": "myvpk"})

    assert answered.status_code == 201
    told = answered.json()
    assert told["client_id"] != "myvpk"
    assert told["client_secret"] != "known"
    assert "pension" not in told["scope"].split()
    row = target.rows("SELECT * FROM client WHERE client_id = :c", c=told["client_id"])[0]._mapping
    assert not row["first_party"]
    assert not row["is_default"]
    assert row["require_pkce"]
    assert row["profile"] == "standard"
    assert target.register({**said, "registration_access_token": "mine"}).status_code == 400


# --- V29: what has ended ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [leave, close])
def test_v29_with_the_account_everything_of_it_has_ended(each_target: Target, end: Callable[..., None]) -> None:
    """CVE-2025-29928, CVE-2025-14559, CVE-2024-47000: every way that was open a second ago."""
    target = each_target
    person, browser = target.enrolled()
    tokens, code = target.tokens(browser), target.code(browser)
    half, page = target.at_second_factor(person)
    forgetful = target.browser()
    asked = forgetful.answer(forgetful.open("/password/forgot"), username=person.email)
    mailed = target.live.code(person.email, after=2)
    assert target.is_active(tokens["access_token"])

    end(target, person)

    assert answer(target.authorize(browser, prompt="none"))["error"] in {"login_required", "access_denied"}
    assert "code" not in answer(target.authorize(browser))
    assert target.userinfo(tokens["access_token"]).status_code == 401
    assert not target.is_active(tokens["access_token"])
    assert not target.is_active(tokens["refresh_token"])
    assert target.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert target.redeem(code).json()["error"] == "invalid_grant"
    over = half.press(page, code=next_totp(person))
    assert "code=" not in over.headers.get("Location", "")
    assert answer(target.authorize(half, prompt="none"))["error"] == "login_required"
    went = forgetful.press(asked, code=mailed)
    assert went.status_code in {303, 400, 422}
    page = forgetful.open(asked.url)
    assert "/new" not in page.url
    fresh = target.browser()
    last = fresh.press(fresh.open("/signin"), username=person.email, password=person.password)
    assert last.status_code in {403, 422}, "and nobody signs in to it again"


def test_v29_who_leaves_on_the_way_gets_no_account(each_target: Target) -> None:
    """A half-done enrolment, and one that was kept for tomorrow."""
    person, browser = each_target.person(), each_target.browser()
    page = browser.until_confirmation(browser.open("/enrol"), person, "totp")
    code = browser.confirmation(page, person, "totp")

    leave(each_target, person)

    response = browser.press(page, code=code)
    assert "/done" not in response.headers.get("Location", "")
    assert each_target.account_of(person) == "None"
    again = each_target.browser()
    refused = again.press(again.open("/enrol"), id=person.ahv_number, dob=person.birth_date, act=person.code, terms="1")
    assert refused.status_code == 422


def test_v29_a_client_that_is_disabled_is_out_at_once(each_target: Target) -> None:
    """CVE-2026-2733, CVE-2026-9705: pending codes and visits, refresh and access tokens, what it pushed."""
    target, browser = each_target, each_target.signed_in()
    tokens, code = target.tokens(browser, "ending"), target.code(browser, "ending")
    pushed = target.post("/par", "ending", **target.request_of("ending")).json()["request_uri"]
    person, _ = target.enrolled()
    visitor = target.browser()
    form = Page(visitor.get(f"{target.issuer}/authorize", params=target.request_of("ending"), timeout=60))
    page = visitor.answer(form, username=person.email, password=person.password)
    assert "two_factor" in page.url

    target.live.idp("clients", "disable", "ending")

    for path, sent in (
        ("/token", {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}),
        ("/token", {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}),
        ("/introspect", {"token": tokens["access_token"]}),
        ("/revoke", {"token": tokens["refresh_token"]}),
        ("/par", target.request_of("ending")),
    ):
        refused = target.post(path, "ending", **sent)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client"), path
    assert target.userinfo(tokens["access_token"]).status_code == 401
    assert browser.look("/authorize", client_id="ending", request_uri=pushed).status_code == 400
    assert target.authorize(browser, "ending").status_code == 400
    late = visitor.press(page, code=next_totp(person))
    assert late.status_code == 400
    assert "Location" not in late.headers


def test_v29_a_disabled_client_does_not_bring_itself_back(target: Target) -> None:
    """CVE-2026-9705: its registration token is as disabled as it is."""
    made = target.register({"redirect_uris": [CALLBACK], "client_name": "Once"}).json()
    headers = {"Authorization": f"Bearer {made['registration_access_token']}"}
    address = f"{target.issuer}/register/{made['client_id']}"
    body = {"client_id": made["client_id"], "redirect_uris": [CALLBACK], "disabled_at": None, "disabled": False}
    assert requests.get(address, headers=headers, timeout=60).status_code == 200

    target.live.idp("clients", "disable", made["client_id"])

    for method, sent in (("GET", None), ("PUT", body), ("DELETE", None)):
        assert requests.request(method, address, headers=headers, json=sent, timeout=60).status_code == 401
    row = target.rows("SELECT disabled_at FROM client WHERE client_id = :c", c=made["client_id"])
    assert row[0][0] is not None
