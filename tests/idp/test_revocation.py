"""Revocation: a client gives its own tokens back, and nobody else's."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from oidc import a_client
from oidc import an_account
from oidc import basic
from oidc import is_error
from oidc import refresh
from oidc import sign_in
from oidc import tokens_for
from oidc import userinfo
from werkzeug.test import TestResponse

from idp.db import db
from idp.models import AuditEvent
from idp.models import RefreshFamily
from idp.provider import provider
from idp.store import StoreUnavailable


@pytest.fixture
def given(app: Flask, browser: FlaskClient) -> dict[str, Any]:
    sign_in(browser, an_account())
    return tokens_for(browser, a_client(), scope="openid offline_access")


def revoke(browser: FlaskClient, token: str, *, headers: dict[str, str] | None = None, **more: str) -> TestResponse:
    sent = {"token": token, **more}
    return browser.post("/revoke", data=sent, headers=basic() if headers is None else headers)


def test_an_access_token_given_back_is_dead(browser: FlaskClient, given: dict[str, Any]) -> None:
    """RFC 7009 §2.1; the refresh token lives on."""
    response = revoke(browser, given["access_token"])

    assert response.status_code == 200
    assert response.json == {}
    assert response.headers["Cache-Control"] == "no-store"
    assert userinfo(browser, given["access_token"]).status_code == 401
    assert refresh(browser, given["refresh_token"]).status_code == 200


def test_a_refresh_token_takes_its_whole_family_along(browser: FlaskClient, given: dict[str, Any]) -> None:
    """RFC 7009 §2.1: SHOULD also invalidate all access tokens; security row 2.24."""
    renewed = refresh(browser, given["refresh_token"]).json

    assert revoke(browser, renewed["refresh_token"]).status_code == 200

    assert is_error(refresh(browser, renewed["refresh_token"]), "invalid_grant")
    for access_token in (given["access_token"], renewed["access_token"]):
        assert userinfo(browser, access_token).status_code == 401
    db.session.rollback()
    assert db.session.query(RefreshFamily).one().end_reason == "revoked"
    assert db.session.query(AuditEvent).filter_by(event="refresh_token_revoked").count() == 1


def test_a_rotated_refresh_token_ends_the_family_as_well(browser: FlaskClient, given: dict[str, Any]) -> None:
    renewed = refresh(browser, given["refresh_token"]).json

    revoke(browser, given["refresh_token"])

    assert is_error(refresh(browser, renewed["refresh_token"]), "invalid_grant")


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense"])
@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
def test_a_wrong_hint_changes_nothing(browser: FlaskClient, given: dict[str, Any], name: str, hint: str) -> None:
    """RFC 7009 §2.1; Authlib gap 15."""
    assert revoke(browser, given[name], token_type_hint=hint).status_code == 200
    assert userinfo(browser, given["access_token"]).status_code == 401


@pytest.mark.parametrize("token", ["x", "A" * 43, "\u00e9", "\x00", "a.b.c", "x" * 10_000])
def test_an_unknown_token_is_gone_already(app: Flask, browser: FlaskClient, token: str) -> None:
    """RFC 7009 §2.2: an invalid token is answered with 200."""
    a_client()

    response = revoke(browser, token)

    assert response.status_code == 200
    assert response.json == {}


def test_another_clients_token_is_left_alone_and_nobody_is_told(browser: FlaskClient, given: dict[str, Any]) -> None:
    """RFC 7009 §2.1; security row 2.24."""
    a_client("other")

    for name in ("access_token", "refresh_token"):
        response = revoke(browser, given[name], headers=basic("other"))
        assert (response.status_code, response.json) == (200, {})

    assert userinfo(browser, given["access_token"]).status_code == 200
    assert refresh(browser, given["refresh_token"]).status_code == 200


def test_who_gives_back_must_say_who_it_is(browser: FlaskClient, given: dict[str, Any]) -> None:
    assert is_error(revoke(browser, given["access_token"], headers={}), "invalid_client", 401)
    assert is_error(revoke(browser, given["access_token"], headers={}, client_id="portal"), "invalid_client", 401)
    assert userinfo(browser, given["access_token"]).status_code == 200


def test_a_public_client_gives_its_name(app: Flask, browser: FlaskClient) -> None:
    """RFC 7009 §2.1, §5"""
    from oidc import code_for
    from oidc import redeem

    client = a_client("spa", token_endpoint_auth_method="none", application_type="browser")
    sign_in(browser, an_account())
    body = redeem(browser, code_for(browser, client), headers={}, client_id="spa").json

    assert revoke(browser, body["access_token"], headers={}, client_id="spa").status_code == 200
    assert userinfo(browser, body["access_token"]).status_code == 401


def test_a_token_must_be_named_once_in_a_form(browser: FlaskClient, given: dict[str, Any]) -> None:
    token = given["access_token"]

    assert is_error(browser.post("/revoke", data={"x": "1"}, headers=basic()), "invalid_request")
    assert is_error(browser.post("/revoke", data={"token": [token, token]}, headers=basic()), "invalid_request")
    assert browser.get("/revoke", query_string={"token": token}, headers=basic()).status_code == 405
    assert userinfo(browser, token).status_code == 200


@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
def test_a_revocation_that_failed_is_never_called_a_success(
    browser: FlaskClient, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """CVE-2020-15223; security row V15."""

    def away(*_args: object, **_kwargs: object) -> None:
        raise StoreUnavailable

    with monkeypatch.context() as broken:
        broken.setattr(provider.store, "delete", away)
        broken.setattr(provider.store, "put", away)
        response = revoke(browser, given[name])

    assert response.status_code == 503
    assert response.json == {"error": "temporarily_unavailable"}
    assert userinfo(browser, given["access_token"]).status_code == 200
