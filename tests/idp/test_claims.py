"""Claims: what a client may see of a person (idp/claims.py)."""

from collections.abc import Collection
from collections.abc import Mapping
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from oidc import EVERY_SCOPE
from oidc import a_client
from oidc import an_account
from oidc import id_token_claims
from oidc import sign_in
from oidc import tokens_for
from oidc import userinfo

from idp import claims
from idp.claims_source import NoClaims
from idp.db import db
from idp.models import Account
from idp.models import Authenticator
from idp.provider import provider


class Fund:
    """A source that would say anything, if it were asked."""

    asked = 0
    wanted: set[str]

    names = frozenset({"name", "given_name", "person_number", "entitlement"})

    def claims(self, account: Account, wanted: Collection[str]) -> Mapping[str, Any]:
        self.asked += 1
        self.wanted = set(wanted)
        return {
            "name": "Anna Muster",
            "given_name": "Anna",
            "nickname": "",
            "website": None,
            "person_number": "P-1",
            "entitlement": "retired",
            "ahv": "756.9217.0769.85",
            "sub": "another",
            "iss": "https://evil.test",
            "aud": "another",
            "exp": 0,
            "email": "another@example.ch",
            "enrolled_at": 0,
        }


@pytest.fixture
def fund(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Fund:
    source = Fund()
    monkeypatch.setattr(app.extensions["idp"], "claims_source", source)
    return source


@pytest.fixture
def told(app: Flask, browser: FlaskClient, fund: Fund) -> Any:
    account = an_account()
    sign_in(browser, account)
    client = a_client()
    db.session.refresh(account)

    def of(scope: str, **changes: Any) -> dict[str, Any]:
        return dict(userinfo(browser, tokens_for(browser, client, scope=scope, **changes)["access_token"]).json)

    return of


def test_each_scope_opens_its_claims(told: Any) -> None:
    """OIDC Core §5.4"""
    assert set(told("openid")) == {"sub"}
    assert set(told("openid profile")) == {"sub", "name", "given_name"}
    assert set(told("openid email")) == {"sub", "email", "email_verified"}
    assert set(told("openid phone")) == {"sub", "phone_number", "phone_number_verified"}
    pension = {"sub", "person_number", "entitlement", "enrolled_at", "factors_changed_at"}
    assert set(told("openid pension")) == pension


def test_what_the_account_knows_itself_nobody_overwrites(told: Any) -> None:
    stated = told(EVERY_SCOPE)

    account = db.session.query(Account).one()
    assert stated["email"] == "anna@example.ch"
    assert stated["sub"] == account.id
    assert stated["enrolled_at"] == int(account.created_at.timestamp())
    assert stated["factors_changed_at"] == int(account.factors_changed_at.timestamp())


def test_the_number_of_the_person_is_never_a_claim(told: Any) -> None:
    """Security row 2.28: no AHV number, in no scope."""
    assert "756" not in str(told(EVERY_SCOPE, claims='{"userinfo": {"ahv": null}, "id_token": {"ahv": null}}'))


def test_a_source_cannot_overwrite_the_id_token(browser: FlaskClient, fund: Fund) -> None:
    """Authlib gap 6: iss, aud, exp returned by a source replaced ours."""
    account = an_account()
    sign_in(browser, account)
    asked = '{"id_token": {"sub": null, "iss": null, "aud": null, "exp": null, "acr": null, "name": null}}'

    stated = id_token_claims(tokens_for(browser, a_client(), claims=asked)["id_token"])

    assert stated["iss"] == "http://localhost:8400"
    assert stated["aud"] == "portal"
    assert stated["sub"] == account.id
    assert stated["exp"] > stated["iat"]
    assert stated["name"] == "Anna Muster"


def test_the_source_is_asked_only_when_something_of_it_is_wanted(told: Any, fund: Fund) -> None:
    told("openid email phone")
    assert fund.asked == 0

    told("openid profile")
    assert fund.asked == 1
    assert "name" in fund.wanted
    assert not {"sub", "address", "person_number"} & fund.wanted


def test_without_a_phone_there_is_no_phone_number(app: Flask) -> None:
    account, client = an_account(), a_client()
    db.session.query(Authenticator).delete()
    db.session.commit()

    assert set(claims.for_userinfo(account, client, ["openid", "phone"], None)) == {"sub"}


def test_an_app_is_no_phone(app: Flask) -> None:
    account, client = an_account(), a_client()
    db.session.query(Authenticator).delete()
    db.session.add(Authenticator(account_id=account.id, kind="totp", data={"secret": "x"}))
    db.session.commit()

    assert set(claims.for_userinfo(account, client, ["openid", "phone"], None)) == {"sub"}


def test_a_source_that_knows_nothing_is_enough(app: Flask) -> None:
    account, client = an_account(), a_client()
    provider_source, app.extensions["idp"].claims_source = provider.claims_source, NoClaims()
    try:
        stated = claims.for_userinfo(account, client, EVERY_SCOPE.split(), None)
    finally:
        app.extensions["idp"].claims_source = provider_source

    assert set(stated) == {
        *("sub", "email", "email_verified", "phone_number", "phone_number_verified"),
        *("enrolled_at", "factors_changed_at"),
    }
