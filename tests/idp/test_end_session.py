"""Signing out: at once for a genuine hint, after a question otherwise, and never to an unchecked address."""

import re
from typing import Any

import pytest
from addresses import VARIANTS
from flask import Flask
from flask.testing import FlaskClient
from oidc import CALLBACK
from oidc import a_client
from oidc import an_account
from oidc import answer
from oidc import authorize
from oidc import change
from oidc import code_for
from oidc import id_token_claims
from oidc import is_error
from oidc import redeem
from oidc import sign_in
from oidc import tokens_for
from oidc import userinfo
from werkzeug.test import TestResponse

from idp import session as sessions
from idp.clock import now
from idp.db import db
from idp.models import AuditEvent
from idp.models import Client
from idp.provider import provider
from keys import algorithms

BACK = "https://rp.example/cb"
"""The same as in `addresses`, so that its variants are variants of this."""


@pytest.fixture
def client(app: Flask) -> Client:
    return a_client(post_logout_redirect_uris=[BACK])


@pytest.fixture
def given(browser: FlaskClient, client: Client) -> dict[str, Any]:
    """The tokens of a signed-in browser."""
    sign_in(browser, an_account())
    return tokens_for(browser, client)


def logout(browser: FlaskClient, **params: Any) -> TestResponse:
    return browser.get("/logout", query_string=params)


def is_signed_in(browser: FlaskClient) -> bool:
    client = db.session.get(Client, "portal")
    assert client is not None
    return "code" in answer(authorize(browser, client, prompt="none"))


def asks(response: TestResponse) -> bool:
    return response.status_code == 200 and 'action="/signout"' in response.text and "Location" not in response.headers


def field(page: str, name: str) -> str | None:
    found = re.search(f'<input type="hidden" name="{name}" value="([^"]*)">', page)
    return found[1].replace("&amp;", "&") if found else None


# RP-initiated


def test_a_genuine_hint_signs_out_at_once_and_leads_back(browser: FlaskClient, given: dict[str, Any]) -> None:
    """OIDC RP-Initiated Logout §2, §3"""
    state = "x" * 128

    response = logout(browser, id_token_hint=given["id_token"], post_logout_redirect_uri=BACK, state=state)

    assert response.status_code == 303
    assert response.headers["Location"] == f"{BACK}?state={state}"
    assert not is_signed_in(browser)


def test_without_a_state_none_is_sent_back(browser: FlaskClient, given: dict[str, Any]) -> None:
    """OIDC RP-Initiated Logout §3; protocol.md A.3.5."""
    response = logout(browser, id_token_hint=given["id_token"], post_logout_redirect_uri=BACK)

    assert response.headers["Location"] == BACK


def test_the_session_is_over_on_the_server(app: Flask, browser: FlaskClient, given: dict[str, Any]) -> None:
    """Security row 2.36: the old cookie is worth nothing."""
    cookie = browser.get_cookie("idp_session").value

    response = logout(browser, id_token_hint=given["id_token"])

    assert "idp_session=;" in response.headers["Set-Cookie"]
    browser.set_cookie("idp_session", cookie)
    assert not is_signed_in(browser)
    with app.test_request_context(headers={"Cookie": f"idp_session={cookie}"}):
        assert sessions.current() is None


def test_access_tokens_and_pending_codes_of_the_session_are_dead(
    browser: FlaskClient, client: Client, given: dict[str, Any]
) -> None:
    """Security row 2.36."""
    code = code_for(browser, client)

    logout(browser, id_token_hint=given["id_token"])

    assert userinfo(browser, given["access_token"]).status_code == 401
    assert is_error(redeem(browser, code), "invalid_grant")


def test_an_expired_hint_still_counts(browser: FlaskClient, given: dict[str, Any]) -> None:
    """OIDC RP-Initiated Logout §2: the OP SHOULD accept ID tokens whose exp has passed; security row 2.38."""
    claims = id_token_claims(given["id_token"])
    expired = provider.keys.sign({**claims, "iat": claims["iat"] - 7200, "exp": claims["iat"] - 3600}, alg="ES256")

    assert logout(browser, id_token_hint=expired, post_logout_redirect_uri=BACK).headers["Location"] == BACK
    assert not is_signed_in(browser)


def test_whoever_is_signed_out_already_is_led_back_too(browser: FlaskClient, given: dict[str, Any]) -> None:
    params = {"id_token_hint": given["id_token"], "post_logout_redirect_uri": BACK}
    logout(browser, **params)

    assert logout(browser, **params).headers["Location"] == BACK


def test_a_sign_out_is_recorded(browser: FlaskClient, given: dict[str, Any]) -> None:
    logout(browser, id_token_hint=given["id_token"])

    db.session.rollback()
    line = db.session.query(AuditEvent).filter_by(event="sign_out").one()
    assert line.account_id == id_token_claims(given["id_token"])["sub"]


# Where it never leads


@pytest.mark.parametrize("uri", VARIANTS)
def test_only_the_exact_registered_address_is_redirected_to(
    browser: FlaskClient, given: dict[str, Any], uri: str
) -> None:
    """OIDC RP-Initiated Logout §3; security row 2.35."""
    response = logout(browser, id_token_hint=given["id_token"], post_logout_redirect_uri=uri)

    assert response.headers.get("Location", "/signed-out") == "/signed-out"


def test_the_address_must_be_the_hinted_clients(browser: FlaskClient, given: dict[str, Any]) -> None:
    """Security row 2.35."""
    a_client("other", post_logout_redirect_uris=["https://other.example/bye"])

    response = logout(browser, id_token_hint=given["id_token"], post_logout_redirect_uri="https://other.example/bye")

    assert response.headers["Location"] == "/signed-out"


def test_a_redirect_uri_is_no_post_logout_redirect_uri(browser: FlaskClient, client: Client) -> None:
    sign_in(browser, an_account())
    hint = tokens_for(browser, client)["id_token"]
    change(client, post_logout_redirect_uris=[])

    assert logout(browser, id_token_hint=hint, post_logout_redirect_uri=CALLBACK).headers["Location"] == "/signed-out"


def test_a_disabled_client_is_not_led_back_to(browser: FlaskClient, client: Client, given: dict[str, Any]) -> None:
    change(client, disabled_at=now())

    response = logout(browser, id_token_hint=given["id_token"], post_logout_redirect_uri=BACK)

    assert response.headers["Location"] == "/signed-out"


# Who is asked first


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"state": "x"},
        {"post_logout_redirect_uri": BACK},
        {"client_id": "portal", "post_logout_redirect_uri": BACK},
        {"logout_hint": "anna", "ui_locales": "fr"},
    ],
)
def test_without_a_hint_the_person_is_asked(
    browser: FlaskClient, given: dict[str, Any], params: dict[str, str]
) -> None:
    """OIDC RP-Initiated Logout §2; security row 2.37: still signed in."""
    response = logout(browser, **params)

    assert asks(response)
    assert BACK not in response.text
    assert is_signed_in(browser)


def forged(claims: dict[str, Any]) -> list[str]:
    stranger = algorithms.generate("ES256")
    header = {"alg": "ES256", "typ": "JWT", "kid": provider.keys.jwks()["keys"][0]["kid"]}
    return [
        "x",
        "a.b.c",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.",
        algorithms.sign(claims, stranger, header),
        algorithms.sign(claims, stranger, {"alg": "ES256", "typ": "JWT", "kid": stranger.kid}),
        provider.keys.sign({**claims, "iss": "https://other.example"}, alg="ES256"),
        provider.keys.sign({**claims, "aud": ["portal"]}, alg="ES256"),
        provider.keys.sign({name: value for name, value in claims.items() if name != "aud"}, alg="ES256"),
        provider.keys.sign(claims, alg="ES256", typ="at+jwt"),
        provider.keys.sign(claims, alg="ES256", typ="logout+jwt"),
    ]


def test_nothing_but_a_genuine_id_token_is_a_hint(browser: FlaskClient, given: dict[str, Any]) -> None:
    """Authlib gap 16; security rows 2.38, V16 and V17."""
    hints = [*forged(id_token_claims(given["id_token"])), given["access_token"], given["id_token"][:-3] + "AAA"]

    for hint in hints:
        response = logout(browser, id_token_hint=hint, post_logout_redirect_uri=BACK)
        assert asks(response), hint
        assert BACK not in response.text
    assert is_signed_in(browser)


def test_a_client_id_that_is_not_the_hints_spoils_it(browser: FlaskClient, given: dict[str, Any]) -> None:
    """OIDC RP-Initiated Logout §2: the OP MUST verify that the two match."""
    a_client("other", post_logout_redirect_uris=[BACK])

    wrong = logout(browser, id_token_hint=given["id_token"], client_id="other", post_logout_redirect_uri=BACK)
    right = logout(browser, id_token_hint=given["id_token"], client_id="portal", post_logout_redirect_uri=BACK)

    assert asks(wrong)
    assert right.headers["Location"] == BACK


def test_the_hint_of_another_session_asks_first(browser: FlaskClient, client: Client, given: dict[str, Any]) -> None:
    """Security row 2.37: with another person's hint, confirmation; then back to the hinted client."""
    sign_in(browser, an_account("berta@example.ch"))

    response = logout(browser, id_token_hint=given["id_token"], post_logout_redirect_uri=BACK)

    assert asks(response)
    assert field(response.text, "target") == BACK
    assert "form-action 'self' https://rp.example;" in response.headers["Content-Security-Policy"]
    assert is_signed_in(browser)


# The page


def test_the_person_says_yes(browser: FlaskClient, given: dict[str, Any]) -> None:
    """pages.md S1, S2"""
    page = browser.get("/signout")
    assert asks(page)

    response = browser.post("/signout", data={"csrf_token": field(page.text, "csrf_token")})
    done = browser.get(response.headers["Location"])

    assert response.status_code == 303
    assert done.status_code == 200
    assert done.headers["Cache-Control"] == "no-store"
    assert not is_signed_in(browser)


def test_after_yes_the_browser_goes_where_the_client_asked(browser: FlaskClient, given: dict[str, Any]) -> None:
    sign_in(browser, an_account("berta@example.ch"))
    page = logout(browser, id_token_hint=given["id_token"], post_logout_redirect_uri=BACK, state="a&b").text

    response = browser.post("/signout", data={"csrf_token": field(page, "csrf_token"), "target": field(page, "target")})

    assert response.headers["Location"] == f"{BACK}?state=a%26b"


@pytest.mark.parametrize("target", ["https://evil.test", "//evil.test", "/\\evil.test", "javascript:alert(1)"])
def test_the_target_cannot_be_swapped(browser: FlaskClient, given: dict[str, Any], target: str) -> None:
    """Security row 2.47."""
    page = browser.get("/signout").text

    response = browser.post("/signout", data={"csrf_token": field(page, "csrf_token"), "target": target})

    assert response.status_code == 400
    assert "Location" not in response.headers
    assert is_signed_in(browser)


@pytest.mark.parametrize("token", [None, "", "x", "\u00e9"])
def test_a_form_of_another_site_signs_nobody_out(
    browser: FlaskClient, given: dict[str, Any], token: str | None
) -> None:
    """Security rows 2.37 and 2.46."""
    response = browser.post("/signout", data={"csrf_token": token} if token is not None else {})

    assert response.status_code == 400
    assert is_signed_in(browser)


def test_the_form_of_another_session_signs_nobody_out(browser: FlaskClient, given: dict[str, Any]) -> None:
    """Security row 2.46: a token of another session."""
    token = field(browser.get("/signout").text, "csrf_token")
    sign_in(browser, an_account("berta@example.ch"))

    assert browser.post("/signout", data={"csrf_token": token}).status_code == 400
    assert is_signed_in(browser)


def test_getting_the_page_changes_nothing(browser: FlaskClient, given: dict[str, Any]) -> None:
    """Decision 15."""
    for path in ("/signout", "/signed-out", "/logout"):
        browser.get(path)

    assert is_signed_in(browser)


def test_whoever_is_signed_out_sees_the_last_page(app: Flask, browser: FlaskClient) -> None:
    """Protocol.md A.3.5: no parameters, logged out page."""
    a_client()
    for response in (logout(browser), browser.get("/signout"), browser.post("/signout"), logout(browser, state="x")):
        assert response.headers["Location"] == "/signed-out"
    assert browser.get("/signed-out").status_code == 200


@pytest.mark.parametrize(
    ("language", "heading"), [("fr", "déconnecter"), ("de", "abmelden"), ("it", "disconnettersi"), ("en", "sign out")]
)
def test_the_page_speaks_the_language_asked_for(
    browser: FlaskClient, given: dict[str, Any], language: str, heading: str
) -> None:
    """OIDC RP-Initiated Logout §2: ui_locales."""
    page = logout(browser, ui_locales=f"xx {language}-CH {language}").text

    assert heading in re.search("<h1>(.*?)</h1>", page)[1]  # type: ignore[index]


# POST


def test_head_ends_nothing(browser: FlaskClient, given: dict[str, Any]) -> None:
    """RFC 9110 §9.2.1"""
    assert browser.head("/logout", query_string={"id_token_hint": given["id_token"]}).status_code == 405
    assert is_signed_in(browser)


def test_a_posted_request_is_answered_after_a_get(browser: FlaskClient, given: dict[str, Any]) -> None:
    """OIDC RP-Initiated Logout §2: POST MUST be supported; decision 10."""
    form = {"id_token_hint": given["id_token"], "post_logout_redirect_uri": BACK, "state": "s"}

    posted = browser.post("/logout", data=form)
    assert posted.headers["Location"].startswith("/logout?posted_request=")
    assert is_signed_in(browser)
    followed = browser.get(posted.headers["Location"])

    assert followed.headers["Location"] == f"{BACK}?state=s"
    assert not is_signed_in(browser)


def test_a_posted_request_without_a_hint_asks(browser: FlaskClient, given: dict[str, Any]) -> None:
    """Security row 2.37: an auto-submitted form signs nobody out."""
    posted = browser.post("/logout", data={"post_logout_redirect_uri": BACK})

    assert asks(browser.get(posted.headers["Location"]))
    assert is_signed_in(browser)


def test_a_request_that_cannot_be_read_is_answered_here(browser: FlaskClient, given: dict[str, Any]) -> None:
    for response in (
        logout(browser, state=["a", "b"]),
        logout(browser, id_token_hint=[given["id_token"], given["id_token"]]),
        browser.get("/logout?state=%ff"),
        logout(browser, state="x" * 17_000),
        browser.post("/logout", json={}),
    ):
        assert response.status_code == 400
        assert "text/html" in response.content_type
    assert asks(logout(browser, posted_request="unknown"))
    assert is_signed_in(browser)
