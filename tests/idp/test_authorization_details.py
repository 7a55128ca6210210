"""Rich authorization requests of other parties' applications: shown wholly, allowed to the letter (RFC 9396)."""

import json
import secrets
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from oidc import Configure
from oidc import a_client
from oidc import an_account
from oidc import answer
from oidc import authorize
from oidc import basic
from oidc import change
from oidc import id_token_claims
from oidc import is_error
from oidc import redeem
from oidc import refresh
from oidc import sign_in
from oidc import userinfo
from pydantic import ValidationError

from idp import authorization_details as details
from idp import consents
from idp.db import db
from idp.db import transaction
from idp.details_type import DetailsType
from idp.models import Account
from idp.models import Client
from idp.models import ConsentDetail
from idp.provider import provider
from idp.settings import Settings


def words(text: str) -> dict[str, str]:
    return {language: f"{text} {language}" for language in ("de", "fr", "it", "en")}


TYPES = (
    DetailsType(
        type="payment",
        title=words("Payment"),
        fields={"amount.value": words("Amount"), "amount.currency": words("Currency"), "to": words("To")},
    ),
    DetailsType(type="reading"),
)
PAYMENT = {"type": "payment", "amount": {"value": "120.50", "currency": "CHF"}, "to": "Musterverein"}


@pytest.fixture
def client(app: Flask, configure: Configure) -> Client:
    configure(authorization_details_types=TYPES)
    return a_client(first_party=False, authorization_details_types=["payment", "reading"])


def asked(browser: FlaskClient, client: Client, *given: Any, **more: str) -> dict[str, str]:
    return answer(authorize(browser, client, prompt="none", authorization_details=json.dumps(given), **more))


def allow(account: Account, client: Client, *given: Any, scope: str = "openid") -> None:
    account_id, client_id = account.id, client.client_id
    db.session.rollback()
    with transaction():
        consents.allow(client_id, account_id, scope.split(), given)


@pytest.fixture
def account(browser: FlaskClient, client: Client) -> Account:
    account = an_account()
    sign_in(browser, account)
    return account


def test_details_that_were_allowed_are_granted(browser: FlaskClient, client: Client, account: Account) -> None:
    allow(account, client, PAYMENT)

    body = redeem(browser, asked(browser, client, PAYMENT)["code"]).json

    assert body["authorization_details"] == [PAYMENT]


@pytest.mark.parametrize("mode", ["fragment", "jwt"])
def test_details_are_told_by_the_token_endpoint_and_not_in_the_browser(
    browser: FlaskClient, client: Client, account: Account, configure: Configure, mode: str
) -> None:
    """RFC 9396 §4, §7: the authorization response is not extended, the token response is.

    Left out rather than written as JSON: a client expects no such parameter there, and what somebody pays to whom does
    not belong into the browser's history. Who has no code may introspect the token (§9.2).
    """
    configure(authorization_details_types=TYPES, implicit=True)
    change(client, response_types=["code token"], grant_types=["authorization_code", "implicit"])
    allow(account, client, PAYMENT)

    given = asked(browser, client, PAYMENT, response_type="code token", response_mode=mode)
    told = given if mode == "fragment" else provider.keys.verify(given["response"], typ=["JWT"])

    assert "authorization_details" not in told
    by_introspection = browser.post("/introspect", data={"token": told["access_token"]}, headers=basic()).json
    assert by_introspection["authorization_details"] == [PAYMENT]
    assert redeem(browser, told["code"]).json["authorization_details"] == [PAYMENT]


@pytest.mark.parametrize(
    "other",
    [
        {**PAYMENT, "amount": {"value": "120.51", "currency": "CHF"}},
        {**PAYMENT, "amount": {"value": 120.5, "currency": "CHF"}},
        {"type": "payment", "to": "Musterverein"},
        {**PAYMENT, "to": ["Musterverein"]},
    ],
)
def test_other_details_are_asked_anew(browser: FlaskClient, client: Client, account: Account, other: Any) -> None:
    allow(account, client, PAYMENT)

    assert asked(browser, client, PAYMENT, other)["error"] == "consent_required"


def test_scopes_alone_allow_no_details(browser: FlaskClient, client: Client, account: Account) -> None:
    allow(account, client)

    assert asked(browser, client, PAYMENT)["error"] == "consent_required"


def test_the_order_of_members_makes_no_difference(browser: FlaskClient, client: Client, account: Account) -> None:
    """RFC 8259 §4: an object is unordered."""
    allow(account, client, PAYMENT)

    assert "code" in asked(browser, client, dict(reversed(PAYMENT.items())))


def test_what_another_client_may_is_nothing_here(browser: FlaskClient, client: Client, account: Account) -> None:
    allow(account, a_client("other", first_party=False), PAYMENT)
    allow(account, client)

    assert asked(browser, client, PAYMENT)["error"] == "consent_required"


@pytest.mark.parametrize(
    "given",
    [
        {**PAYMENT, "standing_order": True},
        {**PAYMENT, "amount": {"value": "120.50", "currency": "CHF", "limit": "9000"}},
        {"type": "payment", "amount": "120.50"},
        {"type": "payment", "amount.value": "120.50"},
        {"type": "payment", "to": {"name": "Musterverein"}},
        {"type": "payment", "to": [{"name": "Musterverein"}]},
        {"type": "payment", "to": [["Musterverein"]]},
        {"type": "payment", "to": {}},
        {"type": "payment", "to": None},
        {"type": "payment", "to": "Muster\u202everein"},
        {"type": "payment", "to": "Muster\nverein"},
        {"type": "reading"},
    ],
)
def test_what_cannot_be_shown_is_refused_to_others(
    browser: FlaskClient, client: Client, account: Account, given: dict[str, Any]
) -> None:
    """RFC 9396 §5: members that the type does not have, and types without words."""
    assert asked(browser, client, given)["error"] == "invalid_authorization_details"


def test_applications_of_the_fund_may_ask_for_more(browser: FlaskClient, client: Client, account: Account) -> None:
    change(client, first_party=True)

    assert "code" in asked(browser, client, {**PAYMENT, "standing_order": True}, {"type": "reading"})


def test_a_refresh_ends_with_the_consent(browser: FlaskClient, client: Client, account: Account) -> None:
    allow(account, client, PAYMENT, scope="openid offline_access")
    body = redeem(browser, asked(browser, client, PAYMENT, scope="openid offline_access")["code"]).json
    db.session.rollback()
    db.session.query(ConsentDetail).delete()
    db.session.commit()

    assert is_error(refresh(browser, body["refresh_token"]), "invalid_grant")


def test_a_withdrawal_takes_the_details_along(browser: FlaskClient, client: Client, account: Account) -> None:
    account_id = account.id
    allow(account, client, PAYMENT)
    db.session.rollback()

    consents.withdraw("portal", account_id, operator="tests", reason="tests")

    assert db.session.query(ConsentDetail).count() == 0
    assert asked(browser, client, PAYMENT)["error"] == "consent_required"


def test_nothing_of_the_details_is_kept_in_clear(client: Client, account: Account) -> None:
    allow(account, client, PAYMENT)

    row = db.session.query(ConsentDetail).one()

    assert row.type == "payment"
    assert "Muster" not in repr(vars(row))
    assert len(row.fingerprint) == 43


def test_they_are_shown_in_the_operators_words_and_order(client: Client) -> None:
    given = {"to": ["A", "B"], "type": "payment", "amount": {"currency": "CHF", "value": 5}}

    assert details.shown(given, "it") == (
        "Payment it",
        [("Amount it", [5]), ("Currency it", ["CHF"]), ("To it", ["A", "B"])],
    )
    assert details.shown({"type": "reading"}, "it") is None


def test_userinfo_does_not_tell_them(browser: FlaskClient, client: Client, account: Account) -> None:
    allow(account, client, PAYMENT)
    body = redeem(browser, asked(browser, client, PAYMENT)["code"]).json

    assert "Musterverein" not in json.dumps(id_token_claims(body["id_token"]))
    assert "Musterverein" not in userinfo(browser, body["access_token"]).text


def a_reader(format_: str = "opaque") -> Client:
    """An application of the fund, whose details need not be shown."""
    return a_client("fund", authorization_details_types=["reading"], access_token_format=format_)


@pytest.mark.parametrize("text", ["a" * 5000, "\u00e9" * 700, "\U0001f600" * 400])
def test_details_that_no_token_could_carry_are_refused(browser: FlaskClient, account: Account, text: str) -> None:
    """RFC 9396 §5; RFC 6750 §2.1: an access token is sent in a header."""
    given = asked(browser, a_reader(), {"type": "reading", "of": text})

    assert given["error"] == "invalid_authorization_details"


def test_the_longest_details_make_a_token_that_can_be_used(browser: FlaskClient, account: Account) -> None:
    """RFC 9396 §9.1"""
    bare = len(json.dumps([{"type": "reading", "of": ""}]))
    detail = {"type": "reading", "of": "a" * (details.MAX_LENGTH - bare)}
    code = asked(browser, a_reader("jwt"), detail)["code"]

    token = redeem(browser, code, headers=basic("fund")).json["access_token"]

    assert userinfo(browser, token).status_code == 200


def read(value: object) -> tuple[DetailsType, ...]:
    given: Any = value
    return Settings(
        environment="development",
        issuer="http://localhost:8400",
        secret=secrets.token_urlsafe(48),
        authorization_details_types=given,
    ).authorization_details_types


def test_a_type_is_a_name_or_a_description() -> None:
    names = read(["reading", {"type": "payment", "title": words("Payment"), "fields": {"to": words("To")}}])

    assert [each.type for each in names] == ["reading", "payment"]
    assert names[0].title is None
    assert names[1].fields["to"].fr == "To fr"


@pytest.mark.parametrize(
    "wrong",
    [
        ["payment", "payment"],
        [{"type": "payment", "title": {"fr": "Paiement"}}],
        [{"type": "payment", "fields": {"to": words("To")}}],
        [{"type": "payment", "title": words("Payment"), "fields": {"to": {**words("To"), "de": ""}}}],
        [{"type": "payment", "titel": words("Payment")}],
        [""],
    ],
)
def test_a_description_is_whole_or_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="authorization_details_types"):
        read(wrong)
