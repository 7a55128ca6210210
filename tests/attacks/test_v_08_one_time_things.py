"""Codes and tokens in the wrong hands: rows V8 to V11."""

import re
from collections.abc import Callable
from functools import cache

import pytest
import requests
from oidc import VERIFIER
from places import places
from places import staff_assertion
from places import things
from proofs import assertion
from target import ACCESS_TOKEN
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


def test_v10_2_12_the_address_of_a_flow_is_worth_nothing_in_another_browser(target: Target) -> None:
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


# --- V11, and 2.23: every one-time thing and every token in the place of every other ----------------------------------


@pytest.fixture(scope="module")
def things_of() -> Callable[[Target], dict[str, str]]:
    """One of each thing that is worth something once or for a while, none of them used; made once a provider."""
    return cache(things)


def test_v11_2_23_nothing_passes_for_something_else(
    each_target: Target, things_of: Callable[[Target], dict[str, str]]
) -> None:
    """CVE-2026-4282, CVE-2026-4325: the whole matrix; only the diagonal would do something, and it is left out."""
    given = things_of(each_target)

    failed = [
        f"{thing} at {name}"
        for name, place in places(each_target, given).items()
        for thing, value in given.items()
        if thing not in place.own and not place.refuses(value)
    ]

    assert failed == []


def test_v11_the_control_each_exchange_takes_its_own(
    target: Target, things_of: Callable[[Target], dict[str, str]]
) -> None:
    """What the matrix leaves out at the grants where one token is traded for another works."""
    token = {"subject_token": things_of(target)["access token"], "subject_token_type": ACCESS_TOKEN}
    actor = {"actor_token": token["subject_token"], "actor_token_type": ACCESS_TOKEN}

    answers = [target.exchange(**token), target.exchange(**token, **actor), target.bring(staff_assertion(target))]

    assert [answer.status_code for answer in answers] == [200, 200, 200], [answer.text for answer in answers]


def test_v11_introspection_knows_tokens_and_nothing_else(
    each_target: Target, things_of: Callable[[Target], dict[str, str]]
) -> None:
    given = things_of(each_target)

    living = {name for name, thing in given.items() if thing and each_target.is_active(thing)}

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
