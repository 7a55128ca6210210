"""Token exchange: less than what was presented, for the same person, and gone with it (RFC 8693)."""

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
from oidc import code_for
from oidc import consent
from oidc import id_token_claims
from oidc import is_error
from oidc import redeem
from oidc import sign_in
from oidc import tokens_for
from oidc import userinfo
from proofs import OTHER
from proofs import dpop
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from idp import endings
from idp import tokens
from idp.clock import now
from idp.db import db
from idp.models import Account
from idp.models import AuditEvent
from idp.models import Client
from idp.protected_resource import ProtectedResource

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
API, FILES, LEDGER = "https://api.example.ch", "https://files.example.ch/v1", "https://ledger.example.ch"
SCOPE = "openid offline_access benefits.read files.read files.write"


@pytest.fixture
def account(browser: FlaskClient) -> Account:
    account = an_account()
    sign_in(browser, account)
    return account


@pytest.fixture
def portal(app: Flask, configure: Configure, account: Account) -> Client:
    """The application that people use; what it calls is described by the operator."""
    described = (
        ProtectedResource(uri=API, scopes=("benefits.read",), introspection_client="api", seconds=100),
        ProtectedResource(uri=FILES, scopes=("files.read", "files.write"), introspection_client="files"),
    )
    configure(resources=described)
    return a_client(scope=SCOPE.split(), resources=[API, FILES])


@pytest.fixture
def api(portal: Client) -> Client:
    """A service that is called with the portal's tokens, and calls the files with its own."""
    a_client("files", grant_types=["client_credentials"], scope=[])
    return a_client("api", grant_types=[GRANT], scope=["files.read"], resources=[FILES])


def exchange(
    browser: FlaskClient, token: str, *, by: str = "api", headers: dict[str, str] | None = None, **form: Any
) -> TestResponse:
    sent = {"grant_type": GRANT, "subject_token": token, "subject_token_type": ACCESS_TOKEN, **form}
    kept = MultiDict({name: value for name, value in sent.items() if value is not None})
    return browser.post("/token", data=kept, headers={**basic(by), **(headers or {})})


def facts(browser: FlaskClient, token: str, by: str = "api") -> dict[str, Any]:
    return dict(browser.post("/introspect", data={"token": token}, headers=basic(by)).json)


def test_a_service_calls_on_in_the_name_of_the_person(browser: FlaskClient, portal: Client, api: Client) -> None:
    """RFC 8693 §2.2.1, §4.1: no refresh token, no ID token; the narrower audience and scope, and who acts."""
    subject = tokens_for(browser, portal, scope=SCOPE)["access_token"]

    body = exchange(browser, subject, resource=FILES).json

    assert set(body) == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert body["issued_token_type"] == ACCESS_TOKEN
    assert body["scope"] == "files.read"
    told, before = facts(browser, body["access_token"]), facts(browser, subject, "portal")
    assert told["aud"] == FILES
    assert told["sub"] == before["sub"]
    assert told["client_id"] == "api"
    assert told["act"] == {"sub": "api"}
    assert (told["acr"], told["auth_time"]) == (before["acr"], before["auth_time"])
    assert facts(browser, body["access_token"], "files")["active"] is True
    event = db.session.query(AuditEvent).filter_by(event="token_exchange").one()
    assert event.client_id == "api"


def test_a_resource_can_be_named_by_the_client_it_is(browser: FlaskClient, portal: Client, api: Client) -> None:
    """RFC 8693 §2.1: `audience`."""
    subject = tokens_for(browser, portal, scope=SCOPE)["access_token"]

    body = exchange(browser, subject, audience="files").json

    assert facts(browser, body["access_token"])["aud"] == FILES


def test_a_signed_token_says_who_acts(browser: FlaskClient, portal: Client, api: Client) -> None:
    change(api, access_token_format="jwt")
    subject = tokens_for(browser, portal, scope=SCOPE)["access_token"]

    stated = id_token_claims(exchange(browser, subject, resource=FILES).json["access_token"])

    assert stated["act"] == {"sub": "api"}
    assert (stated["aud"], stated["client_id"], stated["scope"]) == (FILES, "api", "files.read")


def test_it_ends_with_the_consent_of_a_client_on_its_way(
    browser: FlaskClient, account: Account, portal: Client, api: Client
) -> None:
    token = exchange(browser, tokens_for(browser, portal, scope=SCOPE)["access_token"]).json["access_token"]
    assert facts(browser, token)["active"] is True

    endings.end_consent(account.id, "portal")

    assert facts(browser, token) == {"active": False}


def test_a_chain_of_services_is_kept_and_ends(browser: FlaskClient, portal: Client, api: Client) -> None:
    change(api, scope=["benefits.read", "files.read"], resources=[API, FILES])
    token = tokens_for(browser, portal, scope=SCOPE)["access_token"]

    for _ in range(5):
        token = exchange(browser, token).json["access_token"]

    told = facts(browser, token)["act"]
    assert told["act"]["act"]["act"]["act"] == {"sub": "api"}
    change(portal, disabled_at=now())
    assert facts(browser, token) == {"active": False}
    change(portal, disabled_at=None)
    assert is_error(exchange(browser, token), "invalid_request")


@pytest.mark.parametrize("scope", ["files.write", "benefits.read files.read", "openid", "offline_access", "unknown"])
def test_nothing_comes_out_that_did_not_go_in(browser: FlaskClient, portal: Client, api: Client, scope: str) -> None:
    """Neither what the client may not have, nor what the token does not allow."""
    subject = tokens_for(browser, portal, scope="openid benefits.read files.read")["access_token"]

    assert is_error(exchange(browser, subject, scope=scope), "invalid_scope")


@pytest.mark.parametrize("target", [{"resource": LEDGER}, {"audience": "ledger"}, {"resource": API}])
def test_a_target_that_is_not_open_is_refused(
    browser: FlaskClient, portal: Client, api: Client, target: dict[str, str]
) -> None:
    subject = tokens_for(browser, portal, scope=SCOPE)["access_token"]

    assert is_error(exchange(browser, subject, **target), "invalid_target")


def test_a_token_for_others_stays_with_them(browser: FlaskClient, portal: Client, api: Client) -> None:
    """A service exchanges what it was called with, and nothing that it has found."""
    a_client("stranger", grant_types=[GRANT], scope=["files.read"], resources=[FILES])
    subject = tokens_for(browser, portal, scope=SCOPE)["access_token"]
    for_files = tokens_for(browser, portal, scope=SCOPE, resource=FILES)["access_token"]

    assert is_error(exchange(browser, subject, by="stranger"), "invalid_request")
    assert is_error(exchange(browser, for_files), "invalid_request")


def test_services_can_be_named_both_ways_at_once(browser: FlaskClient, portal: Client, api: Client) -> None:
    """RFC 8693 §2.1: `audience` beside `resource` adds to it."""
    change(api, resources=[API, FILES], scope=["benefits.read", "files.read"])
    subject = tokens_for(browser, portal, scope=SCOPE)["access_token"]

    body = exchange(browser, subject, resource=API, audience="files").json

    assert set(facts(browser, body["access_token"])["aud"]) == {API, FILES}


def test_what_was_for_one_resource_does_not_become_for_another(
    browser: FlaskClient, portal: Client, api: Client
) -> None:
    for_api = tokens_for(browser, portal, scope=SCOPE, resource=API)["access_token"]

    assert is_error(exchange(browser, for_api, resource=FILES), "invalid_target")


def test_a_service_calls_on_where_the_operator_lets_it(browser: FlaskClient, portal: Client, api: Client) -> None:
    """The portal's token is for the first service alone; no scope comes with the second one."""
    subject = tokens_for(browser, portal, scope=SCOPE, resource=API)["access_token"]
    assert is_error(exchange(browser, subject, resource=FILES), "invalid_target")

    change(api, token_exchange_audiences=[LEDGER], resources=[FILES, LEDGER], scope=["benefits.read", "files.read"])

    told = facts(browser, exchange(browser, subject, resource=LEDGER).json["access_token"])
    assert (told["aud"], told["scope"], told["act"]) == (LEDGER, "benefits.read", {"sub": "api"})
    assert is_error(exchange(browser, subject, resource=FILES), "invalid_target")


def test_a_token_in_its_last_second_is_no_error_of_ours(
    browser: FlaskClient, portal: Client, api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = tokens_for(browser, portal, scope=SCOPE)["access_token"]
    found = tokens.find(subject)
    assert found is not None
    monkeypatch.setattr(tokens, "find", lambda token: found)

    for seconds, statuses in ((0, {200}), (1, {400})):
        with time_machine.travel(found.expires_at - 1 + seconds, tick=False):
            assert exchange(browser, subject, resource=FILES).status_code in statuses


def test_it_ends_with_what_it_came_from(browser: FlaskClient, portal: Client, api: Client) -> None:
    """In time, and when the family is ended by a revocation (RFC 7009 §2.1)."""
    body = tokens_for(browser, portal, scope=SCOPE)
    with time_machine.travel(now().timestamp() + 60, tick=False):
        exchanged = exchange(browser, body["access_token"], resource=FILES).json
        ends = facts(browser, body["access_token"], "portal")["exp"]
        assert facts(browser, exchanged["access_token"])["exp"] == min(ends, int(now().timestamp()) + 300)
        assert exchanged["expires_in"] <= body["expires_in"] - 60
        revoked = browser.post("/revoke", data={"token": body["refresh_token"]}, headers=basic())
        assert revoked.status_code == 200
        assert facts(browser, exchanged["access_token"]) == {"active": False}


def test_it_dies_with_the_account_and_with_the_client(
    browser: FlaskClient, portal: Client, api: Client, account: Account
) -> None:
    token = exchange(browser, tokens_for(browser, portal, scope=SCOPE)["access_token"]).json["access_token"]
    assert facts(browser, token, "files")["active"] is True

    for client in (api, portal):  # whoever has it now, and who was let in by the person
        change(client, disabled_at=now())
        assert facts(browser, token, "files")["active"] is False
        change(client, disabled_at=None)
        assert facts(browser, token, "files")["active"] is True
    change(account, sessions_valid_after=now())
    assert facts(browser, token, "files")["active"] is False


@pytest.mark.parametrize("kind", ["refresh_token", "id_token", "garbage"])
def test_other_tokens_are_no_access_tokens(browser: FlaskClient, portal: Client, api: Client, kind: str) -> None:
    """Security row 2.23; RFC 8693 §2.2.2."""
    change(portal, grant_types=["authorization_code", "refresh_token", GRANT])
    token = {**tokens_for(browser, portal, scope=SCOPE), "garbage": "x" * 43}[kind]

    for stated in (ACCESS_TOKEN, ID_TOKEN, "urn:ietf:params:oauth:token-type:refresh_token"):
        assert is_error(exchange(browser, token, by="portal", subject_token_type=stated), "invalid_request")


@pytest.mark.parametrize(
    "changes",
    [
        {"subject_token": None},
        {"subject_token_type": None},
        {"subject_token_type": ID_TOKEN},
        {"requested_token_type": ID_TOKEN},
        {"actor_token": "x"},
        {"actor_token_type": ACCESS_TOKEN},
        {"actor_token": "x" * 43, "actor_token_type": ACCESS_TOKEN},
    ],
)
def test_a_malformed_request_is_refused(
    browser: FlaskClient, portal: Client, api: Client, changes: dict[str, Any]
) -> None:
    subject = tokens_for(browser, portal, scope=SCOPE)["access_token"]

    assert is_error(exchange(browser, subject, **changes), "invalid_request")


def test_the_actor_is_whoever_owns_the_token_presented(browser: FlaskClient, portal: Client, api: Client) -> None:
    """RFC 8693 §4.1: a clerk who acts; the token must be the client's own."""
    change(api, grant_types=[GRANT, "authorization_code"], response_types=["code"], scope=["openid", "files.read"])
    subject = tokens_for(browser, portal, scope=SCOPE)["access_token"]
    sign_in(browser, an_account("clerk@example.ch"))
    redeemed = redeem(browser, code_for(browser, api, scope="openid files.read"), headers=basic("api"))
    actor = redeemed.json["access_token"]
    others = tokens_for(browser, portal, scope=SCOPE)["access_token"]

    def acted(token: str) -> TestResponse:
        return exchange(browser, subject, actor_token=token, actor_token_type=ACCESS_TOKEN)

    assert facts(browser, acted(actor).json["access_token"])["act"] == {"sub": facts(browser, actor)["sub"]}
    assert is_error(acted(others), "invalid_request")


def test_a_bound_token_of_its_own_needs_its_key(browser: FlaskClient, portal: Client) -> None:
    """RFC 9449: what a thief of the token could exchange would not be bound at all."""
    change(portal, grant_types=["authorization_code", "refresh_token", GRANT])
    bound = redeem(browser, code_for(browser, portal, scope=SCOPE), headers={**basic(), **dpop()})
    subject = bound.json["access_token"]

    assert is_error(exchange(browser, subject, by="portal"), "invalid_request")
    assert is_error(exchange(browser, subject, by="portal", headers=dpop(key=OTHER)), "invalid_request")
    body = exchange(browser, subject, by="portal", headers=dpop()).json
    assert body["token_type"] == "DPoP"
    assert facts(browser, body["access_token"], "portal")["cnf"] == facts(browser, subject, "portal")["cnf"]


def test_a_bound_token_of_the_actor_needs_its_key(browser: FlaskClient, portal: Client, api: Client) -> None:
    change(api, grant_types=[GRANT, "authorization_code"], response_types=["code"], scope=["openid", "files.read"])
    subject = tokens_for(browser, portal, scope=SCOPE)["access_token"]
    code = code_for(browser, api, scope="openid")
    actor = redeem(browser, code, headers={**basic("api"), **dpop()}).json["access_token"]
    shown = {"actor_token": actor, "actor_token_type": ACCESS_TOKEN}

    assert is_error(exchange(browser, subject, **shown), "invalid_request")
    assert is_error(exchange(browser, subject, headers=dpop(key=OTHER), **shown), "invalid_request")
    assert exchange(browser, subject, headers=dpop(), **shown).status_code == 200


def test_an_application_of_others_gets_what_the_person_allowed_it(
    browser: FlaskClient, portal: Client, api: Client, account: Account
) -> None:
    """The person's word for one client is none for another."""
    change(portal, scope=["openid", "email", "benefits.read"])
    change(api, first_party=False, scope=["openid", "email", "benefits.read"], resources=[])
    subject = tokens_for(browser, portal, scope="openid email benefits.read")["access_token"]

    assert is_error(exchange(browser, subject, scope="openid email"), "invalid_request")
    assert is_error(exchange(browser, subject, scope="benefits.read"), "invalid_scope")
    consent(account, api, "openid email")
    assert exchange(browser, subject, scope="openid email").json["scope"] == "openid email"


def test_the_grant_is_the_operators_to_give(browser: FlaskClient, portal: Client) -> None:
    a_client("api", scope=["files.read"], resources=[FILES])
    subject = tokens_for(browser, portal, scope=SCOPE)["access_token"]

    assert is_error(exchange(browser, subject), "unauthorized_client")
    assert GRANT in browser.get("/.well-known/openid-configuration").json["grant_types_supported"]


def test_userinfo_stays_closed_to_a_service_without_openid(browser: FlaskClient, portal: Client, api: Client) -> None:
    token = exchange(browser, tokens_for(browser, portal, scope=SCOPE)["access_token"]).json["access_token"]

    assert userinfo(browser, token).status_code == 403
