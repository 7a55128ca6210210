"""Codes at the token endpoint: redeemed once, by the right client, with everything they are bound to."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from oidc import CALLBACK
from oidc import VERIFIER
from oidc import a_client
from oidc import an_account
from oidc import authorize
from oidc import basic
from oidc import change
from oidc import code_for
from oidc import id_token_claims
from oidc import is_error
from oidc import redeem
from oidc import refresh
from oidc import request_of
from oidc import sign_in
from oidc import tokens_for
from oidc import userinfo
from trips import Trips

from idp import assurance
from idp import endings
from idp.clock import epoch
from idp.clock import now
from idp.db import db
from idp.grants import authorization_code
from idp.models import AuditEvent
from idp.models import RefreshFamily
from idp.provider import provider
from keys.algorithms import left_half_hash
from keys.algorithms import read_header

OFFLINE = "openid offline_access"


def events(name: str) -> int:
    db.session.rollback()
    return db.session.query(AuditEvent).filter_by(event=name).count()


def test_a_code_brings_tokens(app: Flask, browser: FlaskClient) -> None:
    """RFC 6749 §5.1, OIDC Core §3.1.3.3"""
    sign_in(browser, an_account())

    response = redeem(browser, code_for(browser, a_client()))

    body = response.json
    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Pragma"] == "no-cache"
    assert set(body) == {"access_token", "token_type", "expires_in", "scope", "id_token"}
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 300, "openid")
    assert len(body["access_token"]) == 43


def test_the_answer_says_which_scopes_were_granted(app: Flask, browser: FlaskClient) -> None:
    """RFC 6749 §5.1: the scope, if different from the one requested."""
    sign_in(browser, an_account())

    body = tokens_for(browser, a_client(scope=["openid", "email"]), scope="email openid phone unknown")

    assert body["scope"] == "openid email"


# The ID token


def test_the_id_token_says_who_when_and_how(app: Flask, browser: FlaskClient) -> None:
    """OIDC Core §2, §3.1.3.6; security row 2.28."""
    account = an_account()
    session = sign_in(browser, account, at=epoch() - 60)

    body = tokens_for(browser, a_client(post_logout_redirect_uris=["https://rp.example/bye"]))
    claims = id_token_claims(body["id_token"])

    moment = epoch()
    assert claims["iss"] == "http://localhost:8400"
    assert claims["sub"] == account.id
    assert claims["aud"] == "portal"
    assert claims["nonce"] == "nonce-1"
    assert claims["auth_time"] == session.proofs[0].at
    assert claims["acr"] == assurance.TWO_FACTOR
    assert claims["amr"] == ["mfa", "pwd", "sms"]
    assert claims["sid"] == session.sid
    assert claims["at_hash"] == left_half_hash(body["access_token"], "ES256")
    assert moment - 5 <= claims["iat"] <= moment
    assert claims["exp"] - claims["iat"] == 600
    assert "azp" not in claims


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_the_id_token_is_signed_as_the_client_registered(app: Flask, browser: FlaskClient, alg: str) -> None:
    """Decision 6; OIDC Core §10.1: the header names the key."""
    sign_in(browser, an_account())

    token = tokens_for(browser, a_client(id_token_signed_response_alg=alg))["id_token"]

    header = read_header(token)
    assert header["alg"] == alg
    assert header["kid"] in [key["kid"] for key in provider.keys.jwks()["keys"]]
    assert id_token_claims(token)["aud"] == "portal"


def test_claims_of_scopes_are_not_in_the_id_token(app: Flask, browser: FlaskClient) -> None:
    """OIDC Core §5.4: they go to userinfo where an access token is issued."""
    sign_in(browser, an_account())

    token = tokens_for(browser, a_client(), scope="openid profile email phone pension")["id_token"]

    protocol = {"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash"}
    assert set(id_token_claims(token)) == protocol


@pytest.mark.parametrize(
    ("registered", "is_named"),
    [
        ({}, False),
        ({"post_logout_redirect_uris": ["https://rp.example/bye"]}, True),
        ({"backchannel_logout_uri": "https://rp.example/out"}, True),
        ({"frontchannel_logout_uri": "https://rp.example/out"}, True),
    ],
)
def test_the_session_is_named_to_clients_that_take_part_in_logout(
    app: Flask, browser: FlaskClient, registered: dict[str, Any], is_named: bool
) -> None:
    """Front-Channel Logout §3, Back-Channel Logout §2.1: others can do nothing with `sid`."""
    sign_in(browser, an_account())

    token = tokens_for(browser, a_client(**registered))["id_token"]

    assert ("sid" in id_token_claims(token)) == is_named


def test_without_a_nonce_the_id_token_has_none(app: Flask, browser: FlaskClient) -> None:
    sign_in(browser, an_account())

    assert "nonce" not in id_token_claims(tokens_for(browser, a_client(), nonce=None)["id_token"])


def test_a_claim_asked_for_is_in_the_id_token(app: Flask, browser: FlaskClient) -> None:
    """OIDC Core §5.5"""
    sign_in(browser, an_account())
    claims = json.dumps({"id_token": {"email": {"essential": True}, "phone_number": None}})

    allowed = id_token_claims(tokens_for(browser, a_client(), claims=claims)["id_token"])

    assert allowed["email"] == "anna@example.ch"
    assert allowed["phone_number"] == "+41791234567"


def test_a_claim_the_client_may_not_have_is_not(app: Flask, browser: FlaskClient) -> None:
    """Security row 2.33."""
    sign_in(browser, an_account())
    claims = json.dumps({"id_token": {"email": None, "sub": None}, "userinfo": {"email": None}})

    body = tokens_for(browser, a_client(scope=["openid", "phone"]), claims=claims)

    assert "email" not in id_token_claims(body["id_token"])
    assert "email" not in userinfo(browser, body["access_token"]).json


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (None, assurance.TWO_FACTOR),
        (assurance.TWO_FACTOR, assurance.TWO_FACTOR),
        (assurance.PASSWORD, assurance.PASSWORD),
        (f"{assurance.PASSWORD} {assurance.TWO_FACTOR} {assurance.PHISHING_RESISTANT}", assurance.TWO_FACTOR),
        ("1 2", assurance.TWO_FACTOR),
    ],
)
def test_the_acr_told_is_one_asked_for_and_never_more_than_was_done(
    app: Flask, browser: FlaskClient, asked: str | None, told: str
) -> None:
    """OIDC Core §3.1.2.1, §5.5.1.1; security row 2.10."""
    sign_in(browser, an_account())

    assert id_token_claims(tokens_for(browser, a_client(), acr_values=asked)["id_token"])["acr"] == told


# Once


def test_a_code_cannot_be_redeemed_twice(app: Flask, browser: FlaskClient) -> None:
    """RFC 6749 §4.1.2: the client MUST NOT use the authorization code more than once; security row 2.17."""
    sign_in(browser, an_account())
    code = code_for(browser, a_client())
    redeem(browser, code)

    response = redeem(browser, code)

    assert is_error(response, "invalid_grant")


@pytest.mark.parametrize("later", [0, 30, 200, 1000])
def test_a_replay_ends_what_the_first_redemption_brought(app: Flask, browser: FlaskClient, later: int) -> None:
    """RFC 6749 §4.1.2: SHOULD revoke all tokens previously issued; Authlib gap 17."""
    sign_in(browser, an_account())
    code = code_for(browser, a_client(), scope=OFFLINE)
    first = redeem(browser, code).json
    assert userinfo(browser, first["access_token"]).status_code == 200

    with time_machine.travel(now() + timedelta(seconds=later)):
        redeem(browser, code)

        assert userinfo(browser, first["access_token"]).status_code == 401
        assert is_error(refresh(browser, first["refresh_token"]), "invalid_grant")
    assert events("code_reused") == 1


def test_a_replay_is_known_even_when_the_store_has_forgotten_the_code(app: Flask, browser: FlaskClient) -> None:
    """Decision 3: refresh families are in SQL; security row V13."""
    sign_in(browser, an_account())
    code = code_for(browser, a_client(), scope=OFFLINE)
    first = redeem(browser, code).json
    provider.store.delete("code", authorization_code._key(code))

    replay = redeem(browser, code)

    assert is_error(replay, "invalid_grant")
    assert is_error(refresh(browser, first["refresh_token"]), "invalid_grant")


def test_fifty_redemptions_at_once_bring_one_success(app: Flask, browser: FlaskClient) -> None:
    """Security row 2.18; CVE-2026-1035; Authlib gap 17: query, issue, delete."""
    sign_in(browser, an_account())
    code = code_for(browser, a_client(), scope=OFFLINE)
    db.session.remove()
    start = threading.Barrier(50)

    def race(_number: int) -> tuple[int, dict[str, str]]:
        mine = app.test_client()
        start.wait()
        response = redeem(mine, code)
        return response.status_code, response.json

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(race, range(50)))

    won = [body for status, body in answers if status == 200]
    lost = [body for status, body in answers if status != 200]
    assert len(won) == 1
    assert {body["error"] for body in lost} == {"invalid_grant"}
    # RFC 6749 §4.1.2: a code that was presented twice has leaked, and its tokens are dead
    assert userinfo(browser, won[0]["access_token"]).status_code == 401
    assert is_error(refresh(browser, won[0]["refresh_token"]), "invalid_grant")
    db.session.rollback()
    assert db.session.query(RefreshFamily).one().ended_at is not None


def test_a_code_lives_for_a_minute(app: Flask, browser: FlaskClient) -> None:
    """RFC 6749 §4.1.2; security row 2.18."""
    sign_in(browser, an_account())
    client = a_client()

    with time_machine.travel(now(), tick=False) as clock:
        young, old = code_for(browser, client), code_for(browser, client)
        clock.shift(59)
        in_time = redeem(browser, young)
        clock.shift(2)
        too_late = redeem(browser, old)

    assert in_time.status_code == 200
    assert is_error(too_late, "invalid_grant")


# Bound


@pytest.mark.parametrize(
    "change",
    [lambda code: code[:-1], lambda code: code + "A", lambda code: code.swapcase(), lambda code: "", str.upper],
)
def test_a_code_must_be_whole(app: Flask, browser: FlaskClient, change: object) -> None:
    """CVE-2026-27840; security row 2.18."""
    sign_in(browser, an_account())
    code = code_for(browser, a_client())

    response = redeem(browser, change(code))  # type: ignore[operator]

    assert response.status_code == 400
    assert response.json["error"] in {"invalid_grant", "invalid_request"}
    assert redeem(browser, code).status_code == 200


@pytest.mark.parametrize("redirect_uri", [None, "https://rp.example/other", CALLBACK + "/", "https://evil.test"])
def test_the_redirect_uri_must_be_the_one_of_the_request(
    app: Flask, browser: FlaskClient, redirect_uri: str | None
) -> None:
    """RFC 6749 §4.1.3"""
    sign_in(browser, an_account())
    client = a_client(redirect_uris=[CALLBACK, "https://rp.example/other"])
    code = code_for(browser, client)

    assert is_error(redeem(browser, code, redirect_uri=redirect_uri), "invalid_grant")


def test_the_code_of_a_withdrawn_address_is_void(app: Flask, browser: FlaskClient) -> None:
    """Security row 2.70."""
    sign_in(browser, an_account())
    client = a_client()
    code = code_for(browser, client)

    change(client, redirect_uris=["https://rp.example/new"])

    assert is_error(redeem(browser, code), "invalid_grant")


def test_a_native_application_may_choose_its_port(app: Flask, browser: FlaskClient) -> None:
    """RFC 8252 §7.3"""
    sign_in(browser, an_account())
    client = a_client(application_type="native", redirect_uris=["http://127.0.0.1/cb"])
    uri = "http://127.0.0.1:51004/cb"

    code = code_for(browser, client, redirect_uri=uri)

    assert redeem(browser, code, redirect_uri=uri).status_code == 200


def test_a_code_is_for_its_client_only(app: Flask, browser: FlaskClient) -> None:
    """CVE-2026-55672; security rows V8 and 2.18."""
    sign_in(browser, an_account())
    code = code_for(browser, a_client())
    a_client("thief")

    stolen = redeem(browser, code, headers=basic("thief"))

    assert is_error(stolen, "invalid_grant")
    assert events("code_of_another_client") == 1


@pytest.mark.parametrize(
    "verifier",
    [None, "", VERIFIER[:-1], VERIFIER + "A", VERIFIER.swapcase(), "a" * 43, "\u00e9" * 43, "a" * 5000, "a\n" * 30],
)
def test_the_verifier_must_fit_the_challenge(app: Flask, browser: FlaskClient, verifier: str | None) -> None:
    """RFC 7636 §4.6; CVE-2024-23647."""
    sign_in(browser, an_account())
    code = code_for(browser, a_client())

    assert is_error(redeem(browser, code, code_verifier=verifier), "invalid_grant")


def test_a_verifier_without_a_challenge_is_refused(app: Flask, browser: FlaskClient) -> None:
    """RFC 9700 §4.8.2; security rows 2.20 and V9(c)."""
    sign_in(browser, an_account())
    client = a_client(require_pkce=False)
    without = {"code_challenge": None, "code_challenge_method": None}

    downgraded = redeem(browser, code_for(browser, client, **without))
    plain = redeem(browser, code_for(browser, client, **without), code_verifier=None)

    assert is_error(downgraded, "invalid_grant")
    assert plain.status_code == 200


# What has changed since


def test_the_code_of_a_disabled_account_is_void(app: Flask, browser: FlaskClient) -> None:
    """Security row V29."""
    account = an_account()
    sign_in(browser, account)
    code = code_for(browser, a_client())

    change(account, disabled_at=now())

    assert is_error(redeem(browser, code), "invalid_grant")


def test_the_code_from_before_an_end_all_is_void(app: Flask, browser: FlaskClient) -> None:
    """Decision 11; security row 2.40."""
    account = an_account()
    sign_in(browser, account)
    code = code_for(browser, a_client())

    change(account, sessions_valid_after=now())

    assert is_error(redeem(browser, code), "invalid_grant")


def test_the_code_of_a_session_that_was_signed_out_is_void(app: Flask, browser: FlaskClient) -> None:
    """Security row 2.36: pending codes."""
    session = sign_in(browser, an_account())
    code = code_for(browser, a_client())

    endings.end_session(session.sid)

    assert is_error(redeem(browser, code), "invalid_grant")


def test_a_client_without_the_grant_cannot_use_it(app: Flask, browser: FlaskClient) -> None:
    """RFC 6749 §5.2: unauthorized_client."""
    sign_in(browser, an_account())
    client = a_client()
    code = code_for(browser, client)

    change(client, grant_types=["refresh_token"])

    assert is_error(redeem(browser, code), "unauthorized_client")


def test_a_scope_taken_from_the_client_is_not_granted_any_more(app: Flask, browser: FlaskClient) -> None:
    sign_in(browser, an_account())
    client = a_client()
    code = code_for(browser, client, scope="openid email offline_access")

    change(client, scope=["openid"])

    body = redeem(browser, code).json
    assert body["scope"] == "openid"
    assert "refresh_token" not in body


# The endpoint


@pytest.mark.parametrize("grant", ["password", "implicit", "urn:x", "AUTHORIZATION_CODE", '"\\é'])
def test_other_grants_are_not_supported(app: Flask, browser: FlaskClient, grant: str) -> None:
    """RFC 6749 §5.2; security row 2.5."""
    a_client()

    assert is_error(browser.post("/token", data={"grant_type": grant}, headers=basic()), "unsupported_grant_type")


def test_a_missing_grant_type_is_an_invalid_request(app: Flask, browser: FlaskClient) -> None:
    """RFC 6749 §5.2; Authlib gap 21."""
    a_client()

    assert is_error(browser.post("/token", data={"code": "x"}, headers=basic()), "invalid_request")


def test_only_a_posted_form_is_read(app: Flask, browser: FlaskClient) -> None:
    """RFC 6749 §3.2; Authlib gap 9; security row 2.26."""
    sign_in(browser, an_account())
    client = a_client()
    code = code_for(browser, client)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }

    assert browser.get("/token", query_string=form, headers=basic()).status_code == 405
    assert is_error(browser.post("/token", query_string=form, headers=basic()), "invalid_request")
    assert is_error(browser.post("/token", json=form, headers=basic()), "invalid_request")
    mixed = browser.post("/token?grant_type=authorization_code", data=form, headers=basic())
    assert is_error(mixed, "invalid_request")
    assert redeem(browser, code).status_code == 200


@pytest.mark.parametrize("name", ["grant_type", "code", "redirect_uri", "code_verifier", "client_id", "foo"])
def test_no_parameter_may_be_repeated(app: Flask, browser: FlaskClient, name: str) -> None:
    """RFC 6749 §3.2: parameters MUST NOT be included more than once; Authlib gap 9."""
    sign_in(browser, an_account())
    code = code_for(browser, a_client())

    assert is_error(redeem(browser, code, **{name: ["x", "x"]}), "invalid_request")  # type: ignore[arg-type]
    assert redeem(browser, code).status_code == 200


def test_too_much_is_refused_quickly(app: Flask, browser: FlaskClient) -> None:
    """Security rows V18 and 2.27."""
    a_client()

    endless = browser.post("/token", data={"grant_type": "x" * 10_000_000}, headers=basic())
    many = browser.post("/token", data={f"p{n}": "1" for n in range(10_000)}, headers=basic())

    assert endless.status_code == 413
    assert endless.json["error"] == "invalid_request"
    assert is_error(many, "invalid_request")


def test_a_store_that_is_away_is_neither_yes_nor_no(
    app: Flask, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fail closed, and say when to come again; security row V15."""
    from idp.store import StoreUnavailable

    def away(*_args: object, **_kwargs: object) -> None:
        raise StoreUnavailable

    sign_in(browser, an_account())
    code = code_for(browser, a_client())
    monkeypatch.setattr(provider.store, "take", away)

    response = redeem(browser, code)

    assert response.status_code == 503
    assert response.json == {"error": "temporarily_unavailable"}
    assert int(response.headers["Retry-After"]) > 0


def test_a_token_call_makes_few_round_trips(app: Flask, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Client and account from SQL; the code taken, its ends looked at and the token put in the store."""
    sign_in(browser, an_account())
    client = a_client()
    redeem(browser, code_for(browser, client))
    code = code_for(browser, client)
    trips = Trips(app, monkeypatch)
    trips.forget()

    assert redeem(browser, code).status_code == 200

    assert trips.store == ["take code", "get_many", "put access_token"]
    assert len(trips.sql) == 2, trips.sql


def test_a_host_header_changes_nothing(app: Flask, browser: FlaskClient) -> None:
    """Security row 2.29, V26."""
    sign_in(browser, an_account())
    code = code_for(browser, a_client())

    response = redeem(browser, code, headers={**basic(), "Host": "evil.test", "X-Forwarded-Host": "evil.test"})

    assert id_token_claims(response.json["id_token"])["iss"] == "http://localhost:8400"


def test_nothing_kept_of_a_code_or_token_can_be_presented(app: Flask, browser: FlaskClient) -> None:
    """Only hashes are stored; security row 2.77."""
    sign_in(browser, an_account())
    seen: list[str] = []
    put = provider.store.put

    def watch(kind: str, key: str, value: dict[str, object], seconds: int) -> None:
        seen.append(json.dumps([kind, key, dict(value)], default=str))
        put(kind, key, value, seconds)

    provider.store.put = watch  # type: ignore[method-assign]
    try:
        code = code_for(browser, a_client(), scope=OFFLINE)
        body = redeem(browser, code).json
    finally:
        del provider.store.put

    kept = "\n".join([*seen, json.dumps([str(vars(row)) for row in db.session.query(RefreshFamily)])])
    assert len(seen) >= 2
    for secret in (code, body["access_token"], body["refresh_token"]):
        assert secret not in kept
    assert "anna@example.ch" not in kept


def test_the_authorization_request_is_read_the_same_by_both_endpoints(app: Flask, browser: FlaskClient) -> None:
    """The form of a code request posted by another site leads to the same code as its address."""
    sign_in(browser, an_account())
    client = a_client()

    followed = browser.get(browser.post("/authorize", data=request_of(client)).headers["Location"])

    code = followed.headers["Location"].partition("code=")[2].partition("&")[0]
    assert redeem(browser, code).status_code == 200
    assert authorize(browser, client).status_code == 303


def test_nothing_else_is_a_code_and_a_code_is_nothing_else(app: Flask, browser: FlaskClient) -> None:
    """CVE-2026-4282: one namespace per purpose; security rows V11 and 2.23."""
    session = sign_in(browser, an_account())
    client = a_client()
    given = tokens_for(browser, client, scope=OFFLINE)
    handle = browser.post("/authorize", data=request_of(client)).headers["Location"].partition("posted_request=")[2]
    cookie = browser.get_cookie("idp_session").value
    code = code_for(browser, client)
    others = [given["access_token"], given["refresh_token"], given["id_token"], handle, cookie, session.sid]

    for other in others:
        assert is_error(redeem(browser, other), "invalid_grant")
    assert userinfo(browser, code).status_code == 401
    assert is_error(refresh(browser, code), "invalid_grant")
    assert browser.post("/introspect", data={"token": code}, headers=basic()).json == {"active": False}
    assert browser.get(f"/authorize?posted_request={code}").status_code == 400
    assert redeem(browser, code).status_code == 200
