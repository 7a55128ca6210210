"""Codes and tokens in the wrong hands: rows V8 to V11."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest
import requests
from oidc import VERIFIER
from proofs import assertion
from target import Browser
from target import Target
from target import answer
from walk import Page

# --- V8: the client a code or token was issued to --------------------------------------------------------------------


@pytest.mark.parametrize("thief", ["other", "keyed", "posting", "native"])
def test_v08_another_client_gets_nothing_for_a_code(each_target: Target, thief: str) -> None:
    """CVE-2026-55672: whoever steals the code proves who it is, and still gets nothing."""
    code = each_target.code(each_target.signed_in(), scope="openid offline_access")
    address = each_target.request_of("web")["redirect_uri"]
    refusals = "SELECT count(*) FROM audit_event WHERE event = 'code_of_another_client' AND client_id = :c"
    before = each_target.rows(refusals, c=thief)[0][0]

    answer = each_target.redeem(code, thief, redirect_uri=address)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert "token" not in str(answer.json().keys())
    assert each_target.rows(refusals, c=thief)[0][0] == before + 1
    assert each_target.redeem(code).json()["error"] == "invalid_grant", "the code is over: its owner asks again"


def test_v08_another_client_gets_nothing_for_a_refresh_token(each_target: Target) -> None:
    token = each_target.tokens(each_target.signed_in())["refresh_token"]
    refusals = "SELECT count(*) FROM audit_event WHERE event = 'refresh_token_of_another_client'"
    before = each_target.rows(refusals)[0][0]

    for thief in ("other", "keyed", "native"):
        answer = each_target.refresh(token, thief)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
        assert not each_target.is_active(token, "other")
        assert each_target.post("/revoke", thief, token=token).status_code == 200

    assert each_target.rows(refusals)[0][0] == before + 3
    assert each_target.refresh(token).status_code == 200, "the owner's token lives"


# --- V9: PKCE --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verifier", [None, "", "x" * 43, VERIFIER[:-1], VERIFIER + "A", VERIFIER.swapcase()])
def test_v09_a_code_needs_its_verifier(target: Target, verifier: str | None) -> None:
    """CVE-2023-48228: a verifier that is left out is a wrong one; and no second try with the right one."""
    for client in ("web", "native", "exempt"):
        code = target.code(target.signed_in(), client)

        answer = target.redeem(code, client, code_verifier=verifier)

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant"), client
        assert target.redeem(code, client).status_code == 400


def test_v09_no_client_leaves_the_challenge_out(target: Target) -> None:
    """CVE-2024-23647: at the endpoint, by POST, and pushed."""
    without = {"code_challenge": None, "code_challenge_method": None}
    browser = target.signed_in()

    for client in ("web", "native", "keyed", "posting", "third", "query", "named"):
        for changes in (without, {"code_challenge": None}, {"code_challenge_method": None}, {"code_challenge": ""}):
            answered = answer(target.authorize(browser, client, **changes))
            assert answered["error"] == "invalid_request", (client, changes)
            assert "code" not in answered
            pushed = target.post("/par", client, **target.request_of(client, **changes))
            assert (pushed.status_code, pushed.json()["error"]) == (400, "invalid_request"), (client, changes)


def test_v09_who_is_exempt_cannot_mix_the_two_ways(target: Target) -> None:
    """A verifier for a code without challenge is a downgrade that somebody in the middle has made (RFC 9700 §2.1.1)."""
    browser, without = target.signed_in(), {"code_challenge": None, "code_challenge_method": None}

    mixed = target.redeem(target.code(browser, "exempt", **without), "exempt")
    assert (mixed.status_code, mixed.json()["error"]) == (400, "invalid_grant")
    assert answer(target.authorize(browser, "exempt", **without, nonce=None))["error"] == "invalid_request"
    right = target.redeem(target.code(browser, "exempt", **without), "exempt", code_verifier=None)
    assert right.status_code == 200


# --- V10: the browser a flow was begun in ----------------------------------------------------------------------------


def test_v10_the_address_of_a_flow_is_worth_nothing_in_another_browser(target: Target) -> None:
    """CVE-2022-39222: at every step of a sign-in, and after it; without cookies and with those of another visit."""
    person, _ = target.enrolled()
    victim, robber = target.browser(), target.browser()
    robber.open("/signin")
    page = Page(victim.get(f"{target.issuer}/authorize", params=target.request_of(), timeout=60))
    addresses = [page.url]
    steps: list[Callable[[Page], Page]] = [
        lambda page: victim.answer(page, username=person.email, password=person.password),
        lambda page: Page(victim.press(page, code=victim.factor_code(person))),
    ]

    for step in steps:
        for url in addresses:
            assert_worth_nothing(target, robber, url, page)
        page = step(page)
        addresses.append(page.url)
    given = answer(page.response)
    assert "code" in given, page.text[:500]
    for url in addresses:
        assert_worth_nothing(target, robber, url, None)
    assert target.redeem(given["code"]).status_code == 200


def assert_worth_nothing(target: Target, robber: Browser, url: str, page: Page | None) -> None:
    """Neither looking at it, nor at where it stands, nor sending its own form brings anything."""
    interaction = url.split("/i/")[1].split("/", maxsplit=1)[0]
    for browser in (robber, target.browser()):
        for address in (url, f"/i/{interaction}", f"/i/{interaction}/cancel"):
            assert_closed(browser.look(address))
        if page is not None:
            assert_closed(browser.press(page, username="x@example.org", password="x", code="123456"))


def assert_closed(response: requests.Response) -> None:
    assert response.status_code == 400, (response.url, response.status_code)
    assert "Location" not in response.headers
    assert "code=" not in response.text


# --- V11: every one-time thing in the place of every other -----------------------------------------------------------


@pytest.fixture(scope="module")
def things(target: Target) -> dict[str, str]:
    """One of each thing that is worth something once or for a while, none of them used."""
    browser = target.signed_in()
    tokens, person = target.tokens(browser), target.person()
    visitor = target.browser()
    page = visitor.identify(visitor.open("/enrol"), person)
    _, fields = page.form()
    page = visitor.answer(page, email=person.email, password=person.password, password2=person.password)
    pushed = target.post("/par", "web", **target.request_of()).json()["request_uri"]
    posted = browser.post(f"{target.issuer}/authorize", data=target.request_of(), allow_redirects=False, timeout=60)
    logout = browser.post(f"{target.issuer}/logout", data={"state": "x"}, allow_redirects=False, timeout=60)
    device = target.post("/device_authorization", "device", scope="openid").json()
    managed = target.register({"redirect_uris": ["https://rp.example/cb"], "client_name": "A client"}).json()
    return {
        "code": target.code(browser),
        "access token": tokens["access_token"],
        "refresh token": tokens["refresh_token"],
        "ID token": tokens["id_token"],
        "pushed request": pushed,
        "its handle": pushed.rpartition(":")[2],
        "posted request": _handle(posted),
        "posted logout": _handle(logout),
        "device code": device["device_code"],
        "user code": device["user_code"],
        "mail code": target.live.code(person.email),
        "activation code": person.code,
        "CSRF token": fields["csrf_token"],
        "visit": page.url.split("/i/")[1].split("/")[0],
        "session": browser.cookies["idp_session"],
        "browser": visitor.cookies["idp_browser"],
        "client assertion": assertion("keyed", aud=target.issuer)["client_assertion"],
        "registration token": managed["registration_access_token"],
        "initial access token": target.initial_token(),
        "client secret": target.secret("web"),
        "nothing": "x" * 43,
        "nobody": "",
    }


def _handle(response: requests.Response) -> str:
    return parse_qs(urlsplit(response.headers["Location"]).query)["handle"][0]


def test_v11_nothing_passes_for_something_else(target: Target, things: dict[str, str]) -> None:
    """CVE-2026-4282, CVE-2026-4325: the whole matrix; only the diagonal would do something, and it is left out."""
    places: dict[str, tuple[str, Callable[[str], bool]]] = {
        "token: code": ("code", lambda thing: _refused(target.redeem(thing))),
        "token: refresh": ("refresh token", lambda thing: _refused(target.refresh(thing))),
        "token: device": ("device code", lambda thing: _refused(_device(target, thing))),
        "token: assertion": ("client assertion", lambda thing: _refused(_asserted(target, thing))),
        "token: secret": ("client secret", lambda thing: _refused(_with_secret(target, thing))),
        "userinfo": ("access token", lambda thing: target.userinfo(thing).status_code in {400, 401}),
        "authorize: pushed": ("pushed request", lambda thing: _no_code(_authorized(target, request_uri=thing))),
        "authorize: its handle": (
            "its handle",
            lambda thing: _no_code(_authorized(target, request_uri=f"urn:ietf:params:oauth:request_uri:{thing}")),
        ),
        "authorize: handle": ("posted request", lambda thing: _no_code(_bare(target, "/authorize", handle=thing))),
        "authorize: hint": (
            "ID token",
            lambda thing: thing == "" or _no_code(_authorized(target, id_token_hint=thing)),
        ),
        "authorize: object": ("", lambda thing: thing == "" or _no_code(_authorized(target, request=thing))),
        "logout: handle": ("posted logout", lambda thing: _is_asked(target, handle=thing)),
        "logout: hint": ("ID token", lambda thing: _is_asked(target, id_token_hint=thing)),
        "register": ("initial access token", lambda thing: _registers_not(target, thing)),
        "session cookie": ("session", lambda thing: _signs_nobody_in(target, "idp_session", thing)),
        "browser cookie": ("browser", lambda thing: _opens_no_visit(target, things["visit"], "idp_browser", thing)),
        "visit": (
            "visit",
            lambda thing: thing == "" or _opens_no_visit(target, thing, "idp_browser", things["browser"]),
        ),
    }

    failed = [
        f"{thing} at {place}"
        for place, (own, is_refused) in places.items()
        for thing, value in things.items()
        if thing != own and not (own == "pushed request" and thing == "nobody") and not is_refused(value)
    ]

    assert failed == []


def test_v11_introspection_knows_tokens_and_nothing_else(target: Target, things: dict[str, str]) -> None:
    living = {name for name, thing in things.items() if thing and target.is_active(thing)}

    assert living == {"access token", "refresh token"}


def test_v11_codes_of_messages_do_not_pass_for_each_other(target: Target) -> None:
    """A code from a mail is no code from an SMS, the letter's is neither, and those of the app open no mail's step."""
    person, _ = target.enrolled("sms")
    browser, page = target.at_second_factor(person)
    sent = target.live.code("+41" + person.phone.removeprefix("0"), after=1)
    forgetful = target.browser()
    asked = forgetful.answer(forgetful.open("/password/forgot"), username=person.email)
    mailed = target.live.code(person.email, after=2)

    assert browser.answer(page, code=mailed).status == 422
    assert browser.answer(page, code=person.code).status == 422
    assert forgetful.answer(asked, code=sent).status == 422
    assert re.search(r"/two_factor/", page.url)
    assert "/signed-out" not in page.url
    assert browser.press(page, code=sent).status_code == 303


def test_v11_a_thing_that_was_used_stays_used_whatever_is_written_beside_it(target: Target) -> None:
    """CVE-2026-4325: other things of the same name do not wipe the mark that says «used»."""
    browser = target.signed_in()
    code = target.code(browser)
    assert target.redeem(code).status_code == 200
    once = assertion("keyed", aud=target.issuer)
    assert target.post("/introspect", **once, token="x").status_code == 200

    for spent in (code, once["client_assertion"]):
        for place in ("token", "code", "refresh_token", "device_code"):
            target.post("/introspect", "web", token=spent)
            target.post("/revoke", "web", token=spent)
            target.post("/token", "web", grant_type="authorization_code", **{place: spent})
        target.authorize(browser, request_uri=f"urn:ietf:params:oauth:request_uri:{spent}"[:4000])
        browser.look(f"/i/{spent[:500]}")

    assert target.redeem(code).json()["error"] == "invalid_grant"
    assert target.post("/introspect", **once, token="x").status_code == 401


def _refused(response: requests.Response) -> bool:
    return response.status_code in {400, 401} and "access_token" not in response.json()


def _device(target: Target, thing: str) -> requests.Response:
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    return target.post("/token", "device", grant_type=grant, device_code=thing)


def _asserted(target: Target, thing: str) -> requests.Response:
    proof = {**assertion("keyed"), "client_assertion": thing}
    return target.post("/token", **proof, grant_type="refresh_token", refresh_token="x")


def _with_secret(target: Target, thing: str) -> requests.Response:
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    return requests.post(f"{target.issuer}/token", data=form, auth=("web", thing), timeout=60)


def _authorized(target: Target, **changes: str) -> requests.Response:
    return target.authorize(target.signed_in(), **changes)


def _bare(target: Target, path: str, **query: str) -> requests.Response:
    return target.signed_in().look(path, **query)


def _no_code(response: requests.Response) -> bool:
    return response.status_code == 400 or "code" not in answer(response)


def _is_asked(target: Target, **query: str) -> bool:
    """The signed-in person is asked, or told of a mistake, and is not signed out without a word."""
    browser = target.signed_in()
    response = browser.look("/logout", **query)
    return response.status_code in {200, 400} and "code" in answer(target.authorize(browser, prompt="none"))


def _registers_not(target: Target, thing: str) -> bool:
    headers = {"Authorization": f"Bearer {thing}"} if thing else {}
    sent = {"redirect_uris": ["https://rp.example/cb"]}
    return target.browser().post(f"{target.issuer}/register", json=sent, headers=headers, timeout=60).status_code == 401


def _signs_nobody_in(target: Target, cookie: str, thing: str) -> bool:
    browser = target.browser()
    browser.cookies.set(cookie, thing, domain="localhost.local")
    response = browser.get(
        f"{target.issuer}/authorize",
        params=target.request_of(prompt="none"),
        headers={"Cookie": f"{cookie}={thing}"},
        allow_redirects=False,
        timeout=60,
    )
    return answer(response).get("error") == "login_required"


def _opens_no_visit(target: Target, visit: str, cookie: str, thing: str) -> bool:
    response: Any = target.browser().get(
        f"{target.issuer}/i/{visit}", headers={"Cookie": f"{cookie}={thing}"}, allow_redirects=False, timeout=60
    )
    return response.status_code in {400, 404}
