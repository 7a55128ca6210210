"""Introspection: whether a token lives, told to nobody but its own client."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from oidc import SECRET
from oidc import a_client
from oidc import an_account
from oidc import basic
from oidc import change
from oidc import is_error
from oidc import refresh
from oidc import sign_in
from oidc import tokens_for
from werkzeug.test import TestResponse

from idp import endings
from idp.clock import now
from idp.models import Account
from idp.models import Client
from idp.session import Session

SCOPE = "openid email offline_access"
INACTIVE = {"active": False}


@pytest.fixture
def client(app: Flask) -> Client:
    return a_client()


@pytest.fixture
def account(app: Flask) -> Account:
    return an_account()


@pytest.fixture
def session(browser: FlaskClient, account: Account) -> Session:
    return sign_in(browser, account)


@pytest.fixture
def given(browser: FlaskClient, client: Client, session: Session) -> dict[str, Any]:
    return tokens_for(browser, client, scope=SCOPE)


def introspect(browser: FlaskClient, token: str, *, headers: dict[str, str] | None = None, **more: str) -> TestResponse:
    sent = {"token": token, **more}
    return browser.post("/introspect", data=sent, headers=basic() if headers is None else headers)


def test_a_living_access_token_is_told_with_its_facts(
    browser: FlaskClient, account: Account, session: Session, given: dict[str, Any]
) -> None:
    """RFC 7662 §2.2"""
    response = introspect(browser, given["access_token"])

    facts = response.json
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert facts["active"] is True
    assert facts["token_type"] == "Bearer"
    assert facts["iss"] == "http://localhost:8400"
    assert facts["sub"] == account.id
    assert facts["client_id"] == "portal"
    assert facts["aud"] == "http://localhost:8400/userinfo"
    assert facts["scope"] == SCOPE
    assert facts["exp"] - facts["iat"] == 300
    assert facts["auth_time"] == session.proofs[0].at
    assert "anna" not in response.text


def test_a_living_refresh_token_is_told_too(browser: FlaskClient, given: dict[str, Any]) -> None:
    facts = introspect(browser, given["refresh_token"]).json

    assert facts["active"] is True
    assert facts["scope"] == SCOPE
    assert "token_type" not in facts


def test_a_rotated_refresh_token_is_not_active(browser: FlaskClient, given: dict[str, Any]) -> None:
    """And asking about it ends nothing."""
    successor = refresh(browser, given["refresh_token"]).json["refresh_token"]

    assert introspect(browser, given["refresh_token"]).json == INACTIVE
    assert introspect(browser, successor).json["active"] is True
    assert refresh(browser, successor).status_code == 200


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "id_token", "nonsense", "\u00e9"])
def test_a_wrong_hint_changes_nothing(browser: FlaskClient, given: dict[str, Any], hint: str) -> None:
    """RFC 7662 §2.1; Authlib gap 15: an unknown hint was an error."""
    for name in ("access_token", "refresh_token"):
        assert introspect(browser, given[name], token_type_hint=hint).json["active"] is True


@pytest.mark.parametrize("token", ["x", "A" * 43, "\u00e9", "\x00", "a.b.c", "x" * 10_000])
def test_an_unknown_token_is_not_active(browser: FlaskClient, client: Client, token: str) -> None:
    """RFC 7662 §2.2: no error, and nothing more than that."""
    response = introspect(browser, token)

    assert response.status_code == 200
    assert response.json == INACTIVE


def test_an_id_token_is_not_an_access_token(browser: FlaskClient, given: dict[str, Any]) -> None:
    """Security row 2.23."""
    assert introspect(browser, given["id_token"]).json == INACTIVE


def test_another_clients_token_is_not_told(browser: FlaskClient, given: dict[str, Any]) -> None:
    """CVE-2026-37979: introspection without audience check."""
    a_client("other")

    for name in ("access_token", "refresh_token"):
        assert introspect(browser, given[name], headers=basic("other")).json == INACTIVE


def test_who_asks_must_prove_it(browser: FlaskClient, given: dict[str, Any]) -> None:
    """RFC 7662 §2.1; security row 2.24."""
    a_client("public", token_endpoint_auth_method="none", application_type="browser")
    token = given["access_token"]

    assert is_error(introspect(browser, token, headers={}), "invalid_client", 401)
    assert is_error(introspect(browser, token, headers={}, client_id="public"), "invalid_client", 401)
    assert is_error(introspect(browser, token, headers=basic(secret="x" * 43)), "invalid_client", 401)
    by_form = introspect(browser, token, headers={}, client_id="portal", client_secret=SECRET)
    assert is_error(by_form, "invalid_client", 401)


def test_a_token_must_be_named_once_in_a_form(browser: FlaskClient, given: dict[str, Any]) -> None:
    token = given["access_token"]

    assert is_error(browser.post("/introspect", data={"x": "1"}, headers=basic()), "invalid_request")
    assert is_error(browser.post("/introspect", data={"token": [token, token]}, headers=basic()), "invalid_request")
    assert is_error(browser.post("/introspect", json={"token": token}, headers=basic()), "invalid_request")
    in_address = browser.post("/introspect", query_string={"token": token}, headers=basic())
    assert is_error(in_address, "invalid_request")
    assert browser.get("/introspect", query_string={"token": token}, headers=basic()).status_code == 405


@pytest.mark.parametrize("what", ["account", "end all", "session"])
def test_a_token_is_told_dead_as_soon_as_it_is(
    browser: FlaskClient, account: Account, session: Session, given: dict[str, Any], what: str
) -> None:
    """Security rows V29, 2.36 and 2.40."""
    if what == "account":
        change(account, disabled_at=now())
    elif what == "end all":
        change(account, sessions_valid_after=now())
    else:
        endings.end_session(session.sid)

    assert introspect(browser, given["access_token"]).json == INACTIVE
    offline = introspect(browser, given["refresh_token"]).json["active"]
    assert offline == (what == "session")  # offline access outlives the browser's session
