"""Resources: whom access tokens are for, what they look like, and what a resource may demand."""

import base64
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from oidc import Configure
from oidc import a_client
from oidc import an_account
from oidc import answer
from oidc import authorize
from oidc import basic
from oidc import change
from oidc import code_for
from oidc import consent
from oidc import id_token_claims
from oidc import is_error
from oidc import redeem
from oidc import refresh
from oidc import sign_in
from oidc import tokens_for
from oidc import userinfo
from proofs import ES256
from proofs import dpop
from proofs import presented
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from idp import assurance
from idp import tokens
from idp.clock import now
from idp.db import db
from idp.details_type import DetailsType
from idp.models import Account
from idp.models import Client
from idp.protected_resource import ProtectedResource
from idp.provider import provider
from idp.settings import BadSetting
from idp.settings import load

ISSUER = "http://localhost:8400"
USERINFO = f"{ISSUER}/userinfo"
API, FILES, LEDGER = "https://api.example.ch", "https://files.example.ch/v1", "urn:example:ledger"
SCOPE = "openid email offline_access benefits.read files.write"
PAYMENT = {"type": "payment", "amount": {"value": "5", "currency": "CHF"}, "locations": [API]}
READING = {"type": "reading", "actions": ["list"]}


@pytest.fixture
def describe(configure: Configure) -> Callable[..., None]:
    """The resources of one test, and other settings."""

    def so(*described: dict[str, Any], **settings: Any) -> None:
        configure(resources=tuple(ProtectedResource(**each) for each in described), **settings)

    return so


@pytest.fixture
def client(browser: FlaskClient, describe: Callable[..., None]) -> Client:
    """A client for three resources of which the operator has described two."""
    describe(
        {"uri": API, "scopes": ["benefits.read"], "access_token_format": "jwt", "seconds": 120},
        {"uri": FILES, "scopes": ["files.write", "email"]},
    )
    sign_in(browser, an_account())
    return a_client(
        scope=SCOPE.split(),
        resources=[API, FILES, LEDGER],
        authorization_details_types=["payment", "reading"],
    )


def decoded(token: str) -> dict[str, Any]:
    part = token.split(".", maxsplit=1)[0]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


# Resource indicators


def test_a_token_for_a_resource_is_for_nobody_else(browser: FlaskClient, client: Client) -> None:
    """RFC 8707 §2: audience and scope are those of the resource; userinfo is another one."""
    body = tokens_for(browser, client, scope=SCOPE, resource=API)

    stated = id_token_claims(body["access_token"])
    assert stated["aud"] == API
    assert body["scope"] == stated["scope"] == "benefits.read"
    assert body["expires_in"] == stated["exp"] - stated["iat"] == 120
    assert "id_token" in body
    assert userinfo(browser, body["access_token"]).status_code in {401, 403}


def test_a_token_for_a_resource_of_all_scopes_is_not_for_userinfo(browser: FlaskClient, client: Client) -> None:
    """The scope openid alone does not open userinfo: the audience must fit."""
    body = tokens_for(browser, client, scope=SCOPE, resource=LEDGER)

    response = userinfo(browser, body["access_token"])

    assert "openid" in body["scope"].split()
    assert response.status_code == 401
    assert response.json["error"] == "invalid_token"


def test_without_a_resource_the_scopes_tell_whom_it_is_for(browser: FlaskClient, client: Client) -> None:
    body = tokens_for(browser, client, scope="openid benefits.read")

    assert set(id_token_claims(body["access_token"])["aud"]) == {API, USERINFO}
    assert userinfo(browser, body["access_token"]).status_code == 200
    assert tokens_for(browser, client, scope="openid")["access_token"].count(".") == 0


@pytest.mark.parametrize("resource", ["https://other.example", f"{API}/", f"{API}#x", "x", API.upper()])
def test_a_resource_that_is_not_the_clients_is_refused(browser: FlaskClient, client: Client, resource: str) -> None:
    """RFC 8707 §2: invalid_target, at both endpoints."""
    assert answer(authorize(browser, client, resource=resource))["error"] == "invalid_target"
    assert is_error(redeem(browser, code_for(browser, client), resource=resource), "invalid_target")


def test_a_token_request_chooses_among_the_resources_granted(browser: FlaskClient, client: Client) -> None:
    """RFC 8707 §2.2"""
    query = {"resource": [API, FILES]}
    first = redeem(browser, code_for(browser, client, scope=SCOPE, **query), resource=FILES).json

    assert first["scope"] == "email files.write"
    second = refresh(browser, first["refresh_token"], resource=API).json
    assert second["scope"] == "benefits.read"
    both = refresh(browser, second["refresh_token"]).json
    assert set(id_token_claims(both["access_token"])["aud"]) == {API, FILES}
    assert set(both["scope"].split()) == {"email", "benefits.read", "files.write"}


def test_a_token_request_cannot_widen_what_was_granted(browser: FlaskClient, client: Client) -> None:
    """RFC 8707 §2.2; and a refresh token is not lost by it."""
    assert is_error(redeem(browser, code_for(browser, client, resource=API), resource=FILES), "invalid_target")
    first = tokens_for(browser, client, scope=SCOPE, resource=API)

    assert is_error(refresh(browser, first["refresh_token"], resource=FILES), "invalid_target")
    assert refresh(browser, first["refresh_token"]).status_code == 200


def test_userinfo_can_be_named_wherever_openid_was_granted(browser: FlaskClient, client: Client) -> None:
    first = tokens_for(browser, client, scope=SCOPE, resource=API)

    second = refresh(browser, first["refresh_token"], resource=USERINFO).json

    assert userinfo(browser, second["access_token"]).status_code == 200


def test_a_resource_that_was_withdrawn_is_granted_no_more(browser: FlaskClient, client: Client) -> None:
    """A token for nothing would be one for anything."""
    first = tokens_for(browser, client, scope=SCOPE, resource=API)
    change(client, resources=[FILES])

    assert is_error(refresh(browser, first["refresh_token"]), "invalid_target")


def test_scopes_of_resources_are_for_applications_of_the_fund(browser: FlaskClient, client: Client) -> None:
    """Nobody is asked to agree to what no page has words for."""
    change(client, first_party=False)
    consent(db.session.query(Account).one(), client, "openid benefits.read")

    assert tokens_for(browser, client, scope="openid benefits.read")["scope"] == "openid"


# JWT access tokens


def test_a_signed_token_says_what_resources_need(browser: FlaskClient, client: Client) -> None:
    """RFC 9068 §2"""
    change(client, access_token_format="jwt")
    body = redeem(browser, code_for(browser, client, scope="openid email"), headers={**basic(), **dpop()}).json

    header, stated = decoded(body["access_token"]), id_token_claims(body["access_token"])

    assert header["typ"] == "at+jwt"
    assert header["alg"] == "ES256"
    assert stated["iss"] == ISSUER
    assert stated["aud"] == USERINFO
    assert stated["client_id"] == "portal"
    assert stated["sub"] == id_token_claims(body["id_token"])["sub"]
    assert stated["scope"] == "openid email"
    assert stated["acr"] == assurance.TWO_FACTOR
    assert stated["cnf"] == {"jkt": ES256.thumbprint()}
    assert {"jti", "iat", "exp", "auth_time"} <= set(stated)
    assert not {"email", "nonce", "sid"} & set(stated)
    assert browser.get("/userinfo", headers=presented(body["access_token"])).status_code == 200


def test_a_signed_token_can_be_revoked(browser: FlaskClient, client: Client) -> None:
    """RFC 7009; protocol.md A.3.3.7: a check at userinfo and at introspection."""
    change(client, access_token_format="jwt")
    token = tokens_for(browser, client)["access_token"]
    assert userinfo(browser, token).status_code == 200
    assert introspect(browser, token).json["active"] is True

    browser.post("/revoke", data={"token": token}, headers=basic())

    assert userinfo(browser, token).status_code == 401
    assert introspect(browser, token).json == {"active": False}


def test_a_replayed_code_ends_its_signed_token(browser: FlaskClient, client: Client) -> None:
    """RFC 6749 §4.1.2"""
    change(client, access_token_format="jwt")
    code = code_for(browser, client)
    token = redeem(browser, code).json["access_token"]

    assert is_error(redeem(browser, code), "invalid_grant")

    assert userinfo(browser, token).status_code == 401


def test_a_signed_token_ends_in_time(browser: FlaskClient, client: Client) -> None:
    change(client, access_token_format="jwt")
    token = tokens_for(browser, client)["access_token"]

    with time_machine.travel(now(), tick=False) as clock:
        clock.shift(310)
        assert userinfo(browser, token).status_code == 401


@pytest.mark.parametrize(
    "change_", [lambda t: t[:-1], lambda t: t + "A", lambda t: f"{t}.", lambda t: t.rpartition(".")[0] + ".", str.lower]
)
def test_a_signed_token_must_be_whole(browser: FlaskClient, client: Client, change_: Callable[[str], str]) -> None:
    change(client, access_token_format="jwt")
    token = tokens_for(browser, client)["access_token"]

    assert userinfo(browser, change_(token)).status_code == 401


def test_userinfo_is_a_resource_like_another(browser: FlaskClient, client: Client) -> None:
    """RFC 9728 §7.1, RFC 8707 §2: by the name its own metadata gives; not for who does not ask for people."""
    named = browser.get("/.well-known/oauth-protected-resource/userinfo").json["resource"]

    token = tokens_for(browser, client, scope="openid email", resource=named)["access_token"]

    assert introspect(browser, token).json["aud"] == named
    assert userinfo(browser, token).status_code == 200
    change(client, grant_types=["client_credentials"])
    form = {"grant_type": "client_credentials", "resource": named}
    assert is_error(browser.post("/token", data=form, headers=basic(client.client_id)), "invalid_target")


def test_a_scope_about_people_makes_nobody_an_audience(browser: FlaskClient, describe: Callable[..., None]) -> None:
    """A resource that understands `email` hears of no token that was not asked for it by name."""
    describe({"uri": FILES, "scopes": ["email"], "introspection_client": "files"})
    sign_in(browser, an_account())
    a_client("files")
    token = tokens_for(browser, a_client(), scope="openid email")["access_token"]

    assert introspect(browser, token).json["aud"] == USERINFO
    assert introspect(browser, token, "files").json == {"active": False}


def test_a_token_we_signed_is_no_access_token_unless_it_is_one(browser: FlaskClient, client: Client) -> None:
    """Security row 2.23: a right signature and type are not enough; and it is no hint or ID token either."""
    change(client, access_token_format="jwt")
    body = tokens_for(browser, client)
    stated = id_token_claims(body["access_token"])
    forged = provider.keys.sign({**stated, "jti": "other"}, alg="ES256", typ="at+jwt")

    assert userinfo(browser, forged).status_code == 401
    assert userinfo(browser, body["id_token"]).status_code == 401
    assert answer(authorize(browser, client, id_token_hint=body["access_token"]))["error"] == "invalid_request"


def test_a_pairwise_client_is_told_its_own_name(browser: FlaskClient, client: Client) -> None:
    change(client, access_token_format="jwt", subject_type="pairwise")
    body = tokens_for(browser, client)

    assert id_token_claims(body["access_token"])["sub"] == id_token_claims(body["id_token"])["sub"]
    assert introspect(browser, body["access_token"]).json["sub"] == id_token_claims(body["id_token"])["sub"]


def introspect(browser: FlaskClient, token: str, client_id: str = "portal") -> TestResponse:
    return browser.post("/introspect", data={"token": token}, headers=basic(client_id))


def test_a_resource_may_ask_about_its_tokens_only(browser: FlaskClient, describe: Callable[..., None]) -> None:
    """RFC 7662 §4; CVE-2026-37979: not about those of others."""
    describe({"uri": API, "scopes": ["benefits.read"], "introspection_client": "api"}, {"uri": FILES})
    sign_in(browser, an_account())
    client = a_client(resources=[API, FILES], scope=SCOPE.split())
    a_client("api")
    ours = tokens_for(browser, client, scope="openid benefits.read", resource=API)["access_token"]
    others = tokens_for(browser, client, resource=FILES)["access_token"]

    facts = introspect(browser, ours, "api").json

    assert facts["active"] is True
    assert facts["aud"] == API
    assert facts["client_id"] == "portal"
    assert facts["scope"] == "benefits.read"
    assert introspect(browser, others, "api").json == {"active": False}


# Rich authorization requests


def test_details_are_told_back_and_kept(browser: FlaskClient, client: Client) -> None:
    """RFC 9396 §7, §9.1, §9.2"""
    asked = json.dumps([PAYMENT, READING])
    body = tokens_for(browser, client, scope=SCOPE, resource=API, authorization_details=asked)

    assert body["authorization_details"] == [PAYMENT, READING]
    assert id_token_claims(body["access_token"])["authorization_details"] == [PAYMENT, READING]
    assert introspect(browser, body["access_token"]).json["authorization_details"] == [PAYMENT, READING]
    again = refresh(browser, body["refresh_token"], authorization_details=json.dumps([READING])).json
    assert again["authorization_details"] == [READING]


@pytest.mark.parametrize(
    "asked",
    [
        [{**PAYMENT, "amount": {"value": "500", "currency": "CHF"}}],
        [PAYMENT, READING],
        [{"type": "other"}],
        {"type": "payment"},
        [[]],
        "x",
    ],
)
def test_a_token_request_cannot_widen_the_details(browser: FlaskClient, client: Client, asked: Any) -> None:
    """RFC 9396 §6.1"""
    code = code_for(browser, client, authorization_details=json.dumps([PAYMENT]))

    response = redeem(browser, code, authorization_details=json.dumps(asked))

    assert is_error(response, "invalid_authorization_details")


@pytest.mark.parametrize(
    "value", ["NaN", "-Infinity", "1e999", r'"\ud800"', "[" * 300 + "]" * 300, '"' + "x" * 20000 + '"']
)
def test_details_that_nobody_can_keep_are_refused(browser: FlaskClient, machine: Client, value: str) -> None:
    """RFC 8259 §6, §8.2, §9: what is no JSON for others, or has no end, is the client's mistake and never ours."""
    details = f'[{{"type": "payment", "value": {value}}}]'

    assert is_error(for_itself(browser, authorization_details=details), "invalid_authorization_details")
    change(machine, grant_types=["authorization_code"])
    given = answer(authorize(browser, machine, authorization_details=details))
    assert given["error"] in {"invalid_authorization_details", "invalid_request"}


def test_details_keep_the_type_of_what_was_allowed(browser: FlaskClient, client: Client) -> None:
    """RFC 9396 §6.1: one is not true, though some languages call them equal."""
    code = code_for(browser, client, authorization_details=json.dumps([{**PAYMENT, "times": 1}]))

    body = redeem(browser, code, authorization_details=json.dumps([{**PAYMENT, "times": True}])).json

    assert body["authorization_details"][0]["times"] is not True


def test_details_without_words_are_for_applications_of_the_fund(browser: FlaskClient, client: Client) -> None:
    """As scopes of resources: the page of consent could not show them (decision 7)."""
    change(client, first_party=False)

    given = answer(authorize(browser, client, authorization_details=json.dumps([PAYMENT])))

    assert given["error"] == "invalid_authorization_details"


def test_discovery_names_the_types(browser: FlaskClient, describe: Callable[..., None]) -> None:
    """RFC 9396 §10"""
    before = browser.get("/.well-known/openid-configuration").json
    describe(
        {"uri": API, "scopes": ["benefits.read", "email"]}, authorization_details_types=(DetailsType(type="payment"),)
    )

    document = browser.get("/.well-known/openid-configuration").json

    assert "authorization_details_types_supported" not in before
    assert document["authorization_details_types_supported"] == ["payment"]
    assert document["scopes_supported"] == [*before["scopes_supported"], "benefits.read"]


# Client credentials


def for_itself(browser: FlaskClient, *, headers: dict[str, str] | None = None, **form: Any) -> TestResponse:
    sent = {"grant_type": "client_credentials", **form}
    return browser.post("/token", data=MultiDict(sent), headers=headers or basic())


@pytest.fixture
def machine(client: Client) -> Client:
    """The same client, for itself."""
    change(client, grant_types=["client_credentials"], access_token_format="jwt")
    return client


def test_a_client_gets_a_token_for_itself(browser: FlaskClient, machine: Client) -> None:
    """RFC 6749 §4.4, RFC 9068 §2.2: the subject is the client; nobody signed in."""
    body = for_itself(browser).json

    stated = id_token_claims(body["access_token"])
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert body["scope"] == "benefits.read files.write"
    assert stated["sub"] == stated["client_id"] == "portal"
    assert set(stated["aud"]) == {API, FILES}
    assert not {"auth_time", "acr", "amr"} & set(stated)
    facts = introspect(browser, body["access_token"]).json
    assert facts["sub"] == "portal"
    assert "auth_time" not in facts


def test_a_token_of_nobody_opens_no_userinfo(browser: FlaskClient, machine: Client) -> None:
    token = for_itself(browser).json["access_token"]
    planted = tokens.find(token)
    assert planted is not None
    with_openid = tokens.access(replace(planted.authorization, scope=("openid",)), planted.client)["access_token"]

    assert userinfo(browser, token).status_code == 403
    assert userinfo(browser, with_openid).status_code == 401


@pytest.mark.parametrize("scope", ["openid", "email", "benefits.read openid", "other", "offline_access"])
def test_scopes_about_people_are_not_for_a_client(browser: FlaskClient, machine: Client, scope: str) -> None:
    assert is_error(for_itself(browser, scope=scope), "invalid_scope")


def test_a_client_narrows_its_token(browser: FlaskClient, machine: Client) -> None:
    body = for_itself(browser, scope="files.write", resource=FILES, authorization_details=json.dumps([READING])).json

    assert body["scope"] == "files.write"
    assert body["authorization_details"] == [READING]
    assert is_error(for_itself(browser, resource="https://other.example"), "invalid_target")
    assert is_error(for_itself(browser, authorization_details="["), "invalid_authorization_details")


def test_a_public_client_is_nobody(browser: FlaskClient, machine: Client) -> None:
    """RFC 6749 §4.4: MUST only be used by confidential clients."""
    change(machine, token_endpoint_auth_method="none")

    response = browser.post("/token", data={"grant_type": "client_credentials", "client_id": "portal"})

    assert is_error(response, "unauthorized_client")


def test_who_is_not_registered_for_it_gets_none(browser: FlaskClient, client: Client) -> None:
    assert is_error(for_itself(browser), "unauthorized_client")


def test_a_token_of_a_client_is_bound_and_ends_with_it(browser: FlaskClient, machine: Client) -> None:
    body = for_itself(browser, headers={**basic(), **dpop()}).json

    assert body["token_type"] == "DPoP"
    assert introspect(browser, body["access_token"]).json["cnf"] == {"jkt": ES256.thumbprint()}
    change(machine, disabled_at=now())
    db.session.rollback()
    assert tokens.find(body["access_token"]) is None


def test_twenty_at_once_get_tokens_of_their_own(app: Flask, browser: FlaskClient, machine: Client) -> None:
    db.session.remove()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: for_itself(app.test_client()), range(20)))

    assert Counter(answer.status_code for answer in answers) == {200: 20}
    assert len({answer.json["access_token"] for answer in answers}) == 20


# What a resource demands of the sign-in


def challenge(response: TestResponse) -> str:
    return next(each for each in response.headers.getlist("WWW-Authenticate") if "error=" in each)


def test_a_resource_asks_for_a_recent_sign_in(browser: FlaskClient, describe: Callable[..., None]) -> None:
    """RFC 9470 §3"""
    describe({"uri": USERINFO, "max_age": 60})
    sign_in(browser, an_account())
    token = tokens_for(browser, a_client())["access_token"]
    assert userinfo(browser, token).status_code == 200

    with time_machine.travel(now(), tick=False) as clock:
        clock.shift(100)
        response = userinfo(browser, token)

    assert response.status_code == 401
    assert response.json["error"] == "insufficient_user_authentication"
    assert 'error="insufficient_user_authentication"' in challenge(response)
    assert 'max_age="60"' in challenge(response)
    assert "acr_values" not in challenge(response)


@pytest.mark.parametrize("by", ["resource", "client"])
def test_a_resource_asks_for_a_stronger_sign_in(browser: FlaskClient, describe: Callable[..., None], by: str) -> None:
    """RFC 9470 §3; the client's minimum counts for tokens that are out already, too."""
    sign_in(browser, an_account())
    client = a_client()
    token = tokens_for(browser, client)["access_token"]
    if by == "resource":
        describe({"uri": USERINFO, "acr": assurance.PHISHING_RESISTANT})
    else:
        change(client, minimum_acr=assurance.PHISHING_RESISTANT)

    response = userinfo(browser, token)

    assert response.status_code == 401
    assert f'acr_values="{assurance.PHISHING_RESISTANT}"' in challenge(response)
    assert "max_age" not in challenge(response)


def test_what_was_reached_counts_and_not_what_was_named(browser: FlaskClient, describe: Callable[..., None]) -> None:
    """A client that asked for less is told less; its person has done more."""
    describe({"uri": USERINFO, "acr": assurance.TWO_FACTOR})
    sign_in(browser, an_account())
    body = tokens_for(browser, a_client(), acr_values=assurance.PASSWORD)

    assert id_token_claims(body["id_token"])["acr"] == assurance.PASSWORD
    assert userinfo(browser, body["access_token"]).status_code == 200


# Metadata of userinfo


def test_userinfo_tells_what_it_takes(browser: FlaskClient) -> None:
    """RFC 9728 §2, §3, §5.1: the address in the challenge leads to the document of this very resource."""
    refused = browser.get("/userinfo")
    address = f"{ISSUER}/.well-known/oauth-protected-resource/userinfo"

    document = browser.get("/.well-known/oauth-protected-resource/userinfo").json

    told = refused.headers.getlist("WWW-Authenticate")
    assert told
    assert all(f'resource_metadata="{address}"' in each for each in told)
    assert document["resource"] == USERINFO
    assert document["authorization_servers"] == [ISSUER]
    assert document["bearer_methods_supported"] == ["header", "body"]
    assert "ES256" in document["dpop_signing_alg_values_supported"]


# Settings


@pytest.mark.parametrize(
    "described",
    [
        [{"scopes": ["x"]}],
        [{"uri": "api"}],
        [{"uri": f"{API}#x"}],
        [{"uri": API, "scopes": ["a b"]}],
        [{"uri": API, "scopes": ['a"']}],
        [{"uri": API, "access_token_format": "xml"}],
        [{"uri": API, "seconds": 5}],
        [{"uri": API, "seconds": 3000}],
        [{"uri": API, "acr": "gold"}],
        [{"uri": API, "max_age": -1}],
        [{"uri": API, "other": 1}],
        [{"uri": API}, {"uri": API}],
    ],
)
def test_a_wrong_description_is_said_at_the_start(described: list[dict[str, Any]]) -> None:
    with pytest.raises(BadSetting, match="IDP_RESOURCES"):
        load(issuer="https://login.fund.ch", secret="0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH", resources=described)
