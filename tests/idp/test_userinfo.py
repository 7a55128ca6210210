"""UserInfo: the claims behind an access token, and every way not to get them."""

import json
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from oidc import a_client
from oidc import an_account
from oidc import change
from oidc import refresh
from oidc import sign_in
from oidc import tokens_for
from oidc import userinfo
from trips import Trips

from idp import endings
from idp import tokens
from idp.claims import SCOPES
from idp.clock import now
from idp.provider import provider


@pytest.fixture
def token(app: Flask, browser: FlaskClient) -> str:
    """An access token with e-mail and telephone."""
    sign_in(browser, an_account())
    return str(tokens_for(browser, a_client(), scope="openid email phone")["access_token"])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_the_token_opens_the_claims_of_its_scopes(browser: FlaskClient, token: str) -> None:
    """OIDC Core §5.3.2, §5.4"""
    response = userinfo(browser, token)

    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert set(response.json) == {"sub", "email", "email_verified", "phone_number", "phone_number_verified"}
    assert response.json["email"] == "anna@example.ch"
    assert response.json["email_verified"] is True


@pytest.mark.parametrize("way", ["get", "post with header", "post with form"])
def test_the_token_may_come_three_ways(browser: FlaskClient, token: str, way: str) -> None:
    """OIDC Core §5.3.1, RFC 6750 §2.1, §2.2; Authlib gap 15."""
    response = {
        "get": lambda: browser.get("/userinfo", headers=bearer(token)),
        "post with header": lambda: browser.post("/userinfo", headers=bearer(token)),
        "post with form": lambda: browser.post("/userinfo", data={"access_token": token}),
    }[way]()

    assert response.status_code == 200
    assert response.json["email"] == "anna@example.ch"


def test_without_a_token_only_the_scheme_is_told(app: Flask, browser: FlaskClient) -> None:
    """RFC 6750 §3.1: the response SHOULD NOT include an error code."""
    for response in (browser.get("/userinfo"), browser.post("/userinfo"), browser.post("/userinfo", data={"x": "1"})):
        assert response.status_code == 401
        offers = response.headers.getlist("WWW-Authenticate")
        assert [offer.split()[0] for offer in offers] == ["Bearer", "DPoP"]
        assert not any("error" in offer for offer in offers)


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer " + "A" * 43,
        "Bearer \u00e9",
        "Bearer " + "x" * 10_000,
        "Basic " + "A" * 43,
        "bearer {token}",
        "BEARER {token}",
        "Bearer\t{token}",
        "Bearer  {token}",
        "Bearer {token} ",
        "Bearer {token}, Bearer {token}",
        "Bearer {token}x",
        "{token}",
        "DPoP {token}",
    ],
)
def test_other_spellings_open_nothing(browser: FlaskClient, token: str, header: str) -> None:
    """RFC 6750 §2.1; CVE-2026-0707; security row 2.26."""
    sent = header.replace("{token}", token)
    response = browser.get("/userinfo", headers={"Authorization": sent})
    if sent.endswith("} ") or sent.rstrip() != sent:
        assert response.status_code in {200, 401}  # servers trim a header's value (RFC 9110 §5.5)
        return

    assert response.status_code == 401
    assert 'error="invalid_token"' in "".join(response.headers.getlist("WWW-Authenticate"))
    assert response.json["error"] == "invalid_token"


def test_a_token_in_the_address_is_refused(browser: FlaskClient, token: str) -> None:
    """RFC 9700 §4.3.2; security row 2.26."""
    for response in (
        browser.get("/userinfo", query_string={"access_token": token}),
        browser.get("/userinfo", query_string={"access_token": token}, headers=bearer(token)),
        browser.post("/userinfo", query_string={"access_token": token}),
    ):
        assert response.status_code == 400
        assert response.json["error"] == "invalid_request"
        assert 'error="invalid_request"' in response.headers["WWW-Authenticate"]


def test_a_token_sent_twice_is_refused(browser: FlaskClient, token: str) -> None:
    """RFC 6750 §2: clients MUST NOT use more than one method."""
    both = browser.post("/userinfo", data={"access_token": token}, headers=bearer(token))
    twice = browser.post("/userinfo", data={"access_token": [token, token]})
    broken = browser.post(
        "/userinfo", data=b"access_token=%ff", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )

    assert [each.status_code for each in (both, twice, broken)] == [400, 400, 400]


def test_a_token_in_a_json_body_is_not_read(browser: FlaskClient, token: str) -> None:
    assert browser.post("/userinfo", json={"access_token": token}).status_code == 401


@pytest.mark.parametrize("change", [lambda token: token[:-1], lambda token: token + "A", str.swapcase, str.lower])
def test_a_token_must_be_whole(browser: FlaskClient, token: str, change: object) -> None:
    """CVE-2026-27840"""
    assert userinfo(browser, change(token)).status_code == 401  # type: ignore[operator]


def test_a_token_lives_for_five_minutes(browser: FlaskClient, token: str) -> None:
    """Decision 5."""
    with time_machine.travel(now(), tick=False) as clock:
        clock.shift(290)
        assert userinfo(browser, token).status_code == 200
        clock.shift(20)
        assert userinfo(browser, token).status_code == 401


@pytest.mark.parametrize("what", ["account", "client", "end all"])
def test_a_token_dies_at_once_with_what_it_stands_on(app: Flask, browser: FlaskClient, what: str) -> None:
    """CVE-2025-29928, CVE-2026-2733; security rows V29, 2.40 and 2.70."""
    account, client = an_account(), a_client()
    sign_in(browser, account)
    token = tokens_for(browser, client)["access_token"]
    assert userinfo(browser, token).status_code == 200

    if what == "account":
        change(account, disabled_at=now())
    elif what == "client":
        change(client, disabled_at=now())
    else:
        change(account, sessions_valid_after=now())

    assert userinfo(browser, token).status_code == 401


def test_a_token_dies_with_its_session(app: Flask, browser: FlaskClient) -> None:
    session = sign_in(browser, an_account())
    client = a_client()
    token = tokens_for(browser, client)["access_token"]

    endings.end_session(session.sid)

    assert userinfo(browser, token).status_code == 401


def test_a_token_without_openid_opens_nothing(app: Flask, browser: FlaskClient) -> None:
    """RFC 6750 §3.1: insufficient_scope."""
    sign_in(browser, an_account())
    first = tokens_for(browser, a_client(), scope="openid email offline_access")
    narrowed = refresh(browser, first["refresh_token"], scope="email").json

    response = userinfo(browser, narrowed["access_token"])

    assert "id_token" not in narrowed
    assert response.status_code == 403
    assert 'error="insufficient_scope"' in response.headers["WWW-Authenticate"]


def test_a_claim_can_be_asked_for_by_name(app: Flask, browser: FlaskClient) -> None:
    """OIDC Core §5.5"""
    sign_in(browser, an_account())
    claims = json.dumps({"userinfo": {"email": {"essential": True}, "phone_number": None}})

    token = tokens_for(browser, a_client(), claims=claims)["access_token"]

    assert set(userinfo(browser, token).json) == {"sub", "email", "phone_number"}


def test_the_subject_is_that_of_the_id_token(app: Flask, browser: FlaskClient) -> None:
    """OIDC Core §5.3.2: MUST be verified to exactly match."""
    from oidc import id_token_claims

    sign_in(browser, an_account())
    body = tokens_for(browser, a_client())

    assert userinfo(browser, body["access_token"]).json["sub"] == id_token_claims(body["id_token"])["sub"]


def test_nothing_is_told_without_its_scope(app: Flask, browser: FlaskClient) -> None:
    """Security row 2.28: no birth date, number or address without scope."""
    sign_in(browser, an_account())

    assert set(userinfo(browser, tokens_for(browser, a_client())["access_token"]).json) == {"sub"}


def test_no_scope_opens_a_protocol_claim() -> None:
    """Authlib gap 6: a source must not overwrite iss, aud or exp."""
    from idp.claims import PROTOCOL_CLAIMS

    opened = {name for names in SCOPES.values() for name in names}
    assert opened.isdisjoint(PROTOCOL_CLAIMS)


def test_other_tokens_open_nothing(app: Flask, browser: FlaskClient) -> None:
    """Security row 2.23."""
    session = sign_in(browser, an_account())
    body = tokens_for(browser, a_client(), scope="openid offline_access")
    cookie = browser.get_cookie("idp_session").value

    for token in (body["id_token"], body["refresh_token"], session.sid, cookie):
        assert userinfo(browser, token).status_code == 401


def test_a_look_up_makes_few_round_trips(
    app: Flask, browser: FlaskClient, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token and its marks from the store; account and client from SQL, and the phone where it is asked."""
    trips = Trips(app, monkeypatch)
    trips.forget()

    userinfo(browser, token)

    assert trips.store == ["get access_token", "get_many"]
    assert len(trips.sql) <= 3, trips.sql


def test_tokens_are_256_bits_and_never_the_same(app: Flask, browser: FlaskClient) -> None:
    sign_in(browser, an_account())
    client = a_client()

    drawn = {tokens_for(browser, client)["access_token"] for _ in range(5)}

    assert len(drawn) == 5
    assert all(len(token) == 43 for token in drawn)
    assert tokens.find("A" * 43) is None
    assert provider.store.get("access_token", next(iter(drawn))) is None


def test_a_mark_outlives_every_token_it_ends(app: Flask, browser: FlaskClient) -> None:
    session = sign_in(browser, an_account())
    token = tokens_for(browser, a_client())["access_token"]
    endings.end_session(session.sid)

    with time_machine.travel(now() + timedelta(seconds=provider.settings.access_token_seconds - 1)):
        assert userinfo(browser, token).status_code == 401
