"""Assertions of other issuers: believed once, of those the operator trusts, for what the operator says (RFC 7523)."""

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from oidc import Configure
from oidc import a_client
from oidc import an_account
from oidc import basic
from oidc import change
from oidc import consent
from oidc import is_error
from oidc import userinfo
from proofs import sign as sign_anything
from pydantic import ValidationError
from werkzeug.test import TestResponse

from idp import assertions
from idp.assertion_issuer import AssertionIssuer
from idp.clock import epoch
from idp.clock import now
from idp.models import Account
from idp.models import Client
from idp.protected_resource import ProtectedResource
from idp.provider import provider
from keys import algorithms

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ISSUER = "http://localhost:8400"
STAFF = "https://staff.example.ch"
API = "https://api.example.ch"
KEY = algorithms.generate("ES256")
OTHER = algorithms.generate("ES256")
TRUSTED = AssertionIssuer(
    jwks={"keys": [KEY.as_dict(private=False)]}, clients=("desk",), scopes=("benefits.read", "benefits.write")
)


@pytest.fixture
def trust(configure: Configure) -> Callable[..., None]:
    """Say whom the operator trusts."""
    resource = ProtectedResource(uri=API, scopes=("benefits.read", "benefits.write"))

    def trust_issuer(issuer: AssertionIssuer = TRUSTED) -> None:
        configure(assertion_issuers={STAFF: issuer}, resources=(resource,))

    return trust_issuer


@pytest.fixture
def account(app: Flask) -> Account:
    return an_account()


@pytest.fixture
def desk(trust: Callable[..., None], account: Account) -> Client:
    """The clerks' application."""
    trust()
    provider.store.born()  # older assertions are refused: what was seen before the store was made, nobody knows
    return a_client("desk", grant_types=[GRANT], scope=["benefits.read"], resources=[API])


def assertion(account: Account, *, key: Any = KEY, header: dict[str, Any] | None = None, **changes: Any) -> str:
    claims = {
        "iss": STAFF,
        "sub": account.id,
        "aud": ISSUER,
        "exp": epoch() + 300,
        "iat": epoch(),
        "jti": secrets.token_urlsafe(8),
        **changes,
    }
    kept = {name: value for name, value in claims.items() if value is not None}
    return algorithms.sign(kept, key, {"alg": "ES256", "kid": KEY.kid, **(header or {})})


def send(browser: FlaskClient, text: str, *, by: str = "desk", **form: Any) -> TestResponse:
    return browser.post("/token", data={"grant_type": GRANT, "assertion": text, **form}, headers=basic(by))


def test_a_trusted_issuer_vouches_for_a_person(browser: FlaskClient, desk: Client, account: Account) -> None:
    """RFC 7523 §2.1: an access token alone, which says neither when nor how the person signed in."""
    response = send(browser, assertion(account))

    assert set(response.json) == {"access_token", "token_type", "expires_in", "scope"}
    assert response.json["scope"] == "benefits.read"
    asked = browser.post("/introspect", data={"token": response.json["access_token"]}, headers=basic("desk")).json
    assert (asked["sub"], asked["aud"], asked["client_id"]) == (account.id, API, "desk")
    assert not {"auth_time", "acr"} & set(asked)
    assert userinfo(browser, response.json["access_token"]).status_code == 403


@pytest.mark.parametrize("aud", [ISSUER, f"{ISSUER}/token", [ISSUER]])
def test_it_names_us_by_issuer_or_token_endpoint(
    browser: FlaskClient, desk: Client, account: Account, aud: Any
) -> None:
    assert send(browser, assertion(account, aud=aud)).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"sub": "nobody"},
        {"sub": None},
        {"sub": {"a": 1}},
        {"aud": None},
        {"aud": "https://other.example"},
        {"aud": [ISSUER, "https://other.example"]},
        {"aud": []},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 1},
        {"exp": 9999999999},
        {"iat": 9999999999},
        {"nbf": 9999999999},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 600},
    ],
)
def test_what_is_not_fresh_or_not_for_us_is_refused(
    browser: FlaskClient, desk: Client, account: Account, changes: dict[str, Any]
) -> None:
    assert is_error(send(browser, assertion(account, **changes)), "invalid_grant")


def test_a_key_that_is_not_the_issuers_signs_nothing(browser: FlaskClient, desk: Client, account: Account) -> None:
    """Security rows V16, V17."""
    stated = assertion(account)
    claims = stated.split(".")[1]
    forged = [
        assertion(account, key=OTHER),
        assertion(account, key=OTHER, header={"jwk": OTHER.as_dict(private=False)}),
        f"eyJhbGciOiJub25lIn0.{claims}.",
        f"{stated[:-4]}AAAA",
        stated.rsplit(".", 1)[0] + ".",
        sign_anything({"kid": KEY.kid}, b"{}", KEY, "ES256"),
        "a.b.c",
        "x",
    ]

    for text in forged:
        assert is_error(send(browser, text), "invalid_grant"), text


def test_an_assertion_counts_once(browser: FlaskClient, desk: Client, account: Account) -> None:
    text = assertion(account)

    assert send(browser, text).status_code == 200
    assert is_error(send(browser, text), "invalid_grant")


@pytest.mark.parametrize("life", [60, 660])
def test_an_assertion_counts_once_until_nobody_would_believe_it(
    browser: FlaskClient, desk: Client, account: Account, life: int
) -> None:
    """RFC 7523 §3: `jti` is remembered as long as `exp` and a minute's leeway last, one made with it shows how long."""
    with time_machine.travel(now() + timedelta(hours=1), tick=False) as clock:
        once, unseen = (assertion(account, exp=epoch() + life) for _ in range(2))
        assert send(browser, once).status_code == 200

        clock.shift(life + 59)

        assert is_error(send(browser, once), "invalid_grant")
        assert send(browser, unseen).status_code == 200


def test_of_twenty_at_once_one_is_believed(app: Flask, desk: Client, account: Account) -> None:
    text = assertion(account)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: send(app.test_client(), text).status_code, range(20)))

    assert sorted(answers) == [200] + [400] * 19


def test_an_assertion_is_spent_last(browser: FlaskClient, desk: Client, account: Account) -> None:
    """Whoever asked for too much can ask again with it."""
    text = assertion(account)

    assert is_error(send(browser, text, scope="unknown"), "invalid_scope")
    assert send(browser, text).status_code == 200


def test_nobodys_word_replaces_the_persons(browser: FlaskClient, desk: Client, account: Account, trust: Any) -> None:
    """An application that is not the fund's gets what the person has allowed it, and no more."""
    trust(TRUSTED.model_copy(update={"scopes": ("openid", "email", "phone")}))
    change(desk, first_party=False, scope=["openid", "email", "phone"])

    assert is_error(send(browser, assertion(account), scope="openid email"), "invalid_grant")
    consent(account, desk, "openid email")
    assert send(browser, assertion(account), scope="openid email").status_code == 200
    assert is_error(send(browser, assertion(account)), "invalid_grant")


def test_only_the_named_applications_bring_them(browser: FlaskClient, desk: Client, account: Account) -> None:
    a_client("portal", grant_types=[GRANT], scope=["benefits.read"], resources=[API])
    a_client("other", scope=["benefits.read"])

    assert is_error(send(browser, assertion(account), by="portal"), "invalid_grant")
    assert is_error(send(browser, assertion(account), by="other"), "unauthorized_client")


def test_the_issuer_opens_no_more_than_the_operator_said(browser: FlaskClient, desk: Client, account: Account) -> None:
    change(desk, scope=["openid", "offline_access", "benefits.read"])

    assert send(browser, assertion(account)).json["scope"] == "benefits.read"
    for scope in ("openid", "offline_access", "benefits.write", "benefits.read unknown"):
        assert is_error(send(browser, assertion(account), scope=scope), "invalid_scope"), scope
    assert is_error(send(browser, assertion(account), resource="https://other.example"), "invalid_target")


def test_an_account_that_is_closed_is_nobody(browser: FlaskClient, desk: Client, account: Account) -> None:
    token = send(browser, assertion(account)).json["access_token"]
    account_id = account.id
    change(account, disabled_at=now())

    asked = browser.post("/introspect", data={"token": token}, headers=basic("desk")).json
    assert asked == {"active": False}
    account.id = account_id
    assert is_error(send(browser, assertion(account)), "invalid_grant")


def test_a_client_of_fapi_2_names_the_issuer_alone(desk: Client) -> None:
    change(desk, profile="fapi2")

    assert assertions.names_us(ISSUER, desk)
    assert not assertions.names_us(f"{ISSUER}/token", desk)
    assert not assertions.names_us([ISSUER], desk)


def test_discovery_says_whether_anybody_is_believed(browser: FlaskClient, trust: Callable[..., None]) -> None:
    address = "/.well-known/openid-configuration"
    assert GRANT not in browser.get(address).json["grant_types_supported"]

    trust()

    assert GRANT in browser.get(address).json["grant_types_supported"]


def test_without_assertion_there_is_nothing_to_believe(browser: FlaskClient, desk: Client) -> None:
    assert is_error(send(browser, ""), "invalid_request")


@pytest.mark.parametrize(
    "values",
    [
        {"clients": ["desk"], "scopes": ["a"]},
        {"jwks": {"keys": []}, "jwks_uri": "https://x.example", "clients": ["desk"], "scopes": ["a"]},
        {"jwks": {"keys": []}, "clients": [], "scopes": ["a"]},
        {"jwks": {"keys": []}, "clients": ["desk"], "scopes": []},
        {"jwks": {"keys": []}, "clients": ["desk"], "scopes": ["a"], "more": 1},
    ],
)
def test_a_setting_that_does_not_fit_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AssertionIssuer(**values)
