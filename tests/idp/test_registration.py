"""Clients that register, read, change and remove themselves (RFC 7591, RFC 7592)."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from typing import get_args

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jws
from joserfc.jwk import ECKey
from joserfc.jwk import OKPKey
from listener import Listener
from listener import certificate
from listener import listener
from oidc import Configure
from oidc import a_client
from oidc import an_account
from oidc import answer
from oidc import authorize
from oidc import basic
from oidc import change
from oidc import consent
from oidc import is_error
from oidc import redeem
from oidc import refresh
from oidc import sign_in
from oidc import userinfo
from werkzeug.test import TestResponse

from idp import client_secrets
from idp import endings
from idp import initial_access_tokens
from idp import registration
from idp.client_auth import METHODS
from idp.client_fields import AuthMethod
from idp.clock import epoch
from idp.clock import now
from idp.db import db
from idp.grants import authorization_code
from idp.models import AuditEvent
from idp.models import Client
from idp.models import Consent
from idp.models import InitialAccessToken
from idp.models import RefreshFamily
from idp.provider import provider
from keys import algorithms

CALLBACK = "https://rp.example/cb"
GOOD: dict[str, Any] = {"client_name": "Portal", "redirect_uris": [CALLBACK]}
IMPLICIT = {"grant_types": ["authorization_code", "implicit"]}
PUBLIC = algorithms.generate("ES256").as_dict(private=False)
ISSUER = "https://statements.example"
ISSUER_KEY = ECKey.generate_key("P-256")


@pytest.fixture
def is_open(configure: Configure) -> None:
    """The conformance profile: open, and without a ceiling for machines."""
    configure(profile="conformance")


@pytest.fixture
def server(configure: Configure) -> Iterator[Listener]:
    """A web server of the client's that may be called."""
    configure(profile="conformance", fetch_private_hosts=("localhost",), fetch_ca_file=certificate())
    with listener() as server:
        yield server


def register(browser: FlaskClient, token: str | None = None, **changes: Any) -> TestResponse:
    values = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return browser.post("/register", json=values, headers=bearer(token) if token else {})


def registered(browser: FlaskClient, **changes: Any) -> dict[str, Any]:
    response = register(browser, **changes)
    assert response.status_code == 201, response.text
    return dict(response.json)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def manage(browser: FlaskClient, known: dict[str, Any], method: str, **more: Any) -> TestResponse:
    path = known["registration_client_uri"].removeprefix(provider.settings.issuer)
    return browser.open(path, method=method, headers=bearer(known["registration_access_token"]), **more)


def client(client_id: str) -> Client | None:
    db.session.rollback()
    return db.session.get(Client, client_id, populate_existing=True)


def said_again(known: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What a client sends to change something: all of it, without what only the provider says."""
    issued = ("registration_access_token", "registration_client_uri", "client_secret_expires_at")
    kept = {name: value for name, value in known.items() if name not in (*issued, "client_id_issued_at")}
    return {name: value for name, value in {**kept, **changes}.items() if value is not None}


# Registering


@pytest.mark.usefixtures("is_open")
def test_a_client_registers_and_is_told_everything_that_is_registered(browser: FlaskClient) -> None:
    """RFC 7591 §3.2.1"""
    response = register(browser)

    assert response.status_code == 201
    assert response.content_type == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    told = response.json
    assert told["client_secret_expires_at"] == 0
    assert abs(told["client_id_issued_at"] - epoch()) < 60
    assert told["registration_client_uri"] == f"http://localhost:8400/register/{told['client_id']}"
    assert told["redirect_uris"] == [CALLBACK]
    assert told["response_types"] == ["code"]
    assert told["grant_types"] == ["authorization_code"]
    assert told["token_endpoint_auth_method"] == "client_secret_basic"
    assert told["id_token_signed_response_alg"] == "RS256"
    assert told["application_type"] == "web"
    assert told["scope"] == "openid profile email address phone"


@pytest.mark.usefixtures("is_open")
def test_neither_secret_nor_token_is_kept_in_clear(browser: FlaskClient) -> None:
    told = registered(browser)

    row = client(told["client_id"])
    kept = " ".join(str(getattr(row, column.key)) for column in Client.__table__.columns)
    assert told["client_secret"] not in kept
    assert told["registration_access_token"] not in kept
    assert row is not None
    assert client_secrets.is_right(row, told["client_secret"])


@pytest.mark.usefixtures("is_open")
def test_a_registered_client_signs_somebody_in(browser: FlaskClient) -> None:
    told = registered(browser, grant_types=["authorization_code", "refresh_token"])
    row = client(told["client_id"])
    assert row is not None
    account = an_account()
    sign_in(browser, account)
    consent(account, row, "openid")

    given = answer(authorize(browser, row))

    tokens = redeem(browser, given["code"], headers=basic(told["client_id"], told["client_secret"]))
    assert tokens.status_code == 200, tokens.text


@pytest.mark.usefixtures("is_open")
def test_a_registered_client_has_no_privilege_of_an_operator(browser: FlaskClient) -> None:
    """RFC 7591 §5: what a client says of itself is not to be trusted; unknown members are ignored (§2)."""
    told = registered(
        browser,
        first_party=True,
        is_default=True,
        default=True,
        require_pkce=False,
        profile="fapi2",
        audience="member",
        resources=["https://api.example"],
        token_exchange_audiences=["portal"],
        access_token_format="jwt",
        secret_file="/tmp/x",
        disabled=True,
        client_id="portal",
        client_secret="chosen",
        secret_hashes=["x"],
        scope="openid pension",
    )

    row = client(told["client_id"])
    assert row is not None
    assert (row.first_party, row.is_default, row.require_pkce, row.profile) == (False, False, True, "standard")
    assert (row.audience, row.resources, row.token_exchange_audiences) == (None, [], [])
    assert row.access_token_format == "opaque"
    assert row.client_id != "portal"
    assert row.scope == ["openid"]
    assert row.is_active
    assert told["client_secret"] != "chosen"
    assert not {"first_party", "profile", "resources", "require_pkce"} & told.keys()


@pytest.mark.usefixtures("is_open")
def test_a_list_of_scopes_brings_no_more_than_a_text_does(browser: FlaskClient) -> None:
    """RFC 7591 §2: the scope is one text; the fund's own scopes are for an operator to give."""
    known = registered(browser)

    refused = register(browser, scope=["openid", "pension"])
    changed = manage(browser, known, "PUT", json=said_again(known, scope=["openid", "pension"]))

    assert is_error(refused, "invalid_client_metadata")
    assert is_error(changed, "invalid_client_metadata")
    row = client(known["client_id"])
    assert row is not None
    assert "pension" not in row.scope


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize(
    ("method", "more", "has_secret"),
    [
        ("client_secret_basic", {}, True),
        ("client_secret_post", {}, True),
        ("client_secret_jwt", {}, True),
        ("private_key_jwt", {"jwks": {"keys": [PUBLIC]}}, False),
        ("none", {}, False),
    ],
)
def test_only_who_needs_a_secret_gets_one(
    browser: FlaskClient, method: str, more: dict[str, Any], has_secret: bool
) -> None:
    told = registered(browser, token_endpoint_auth_method=method, **more)

    row = client(told["client_id"])
    assert row is not None
    assert ("client_secret" in told) == ("client_secret_expires_at" in told) == has_secret
    assert bool(row.secret_hashes) == has_secret
    assert len(told.get("client_secret", "x" * 43)) >= (64 if method == "client_secret_jwt" else 43)  # RFC 7518 §3.2
    assert client_secrets.living(row) == ((told["client_secret"],) if method == "client_secret_jwt" else ())


@pytest.mark.usefixtures("is_open")
def test_the_name_is_kept_in_each_language(browser: FlaskClient) -> None:
    """RFC 7591 §2.2"""
    names = {"client_name": "Portal", "client_name#de-CH": "Pforte", "client_name#ja": "x", "client_name#fr": None}

    told = registered(browser, **names)

    row = client(told["client_id"])
    assert row is not None
    assert row.client_name == {"de": "Pforte", "fr": "Portal", "it": "Portal", "en": "Portal"}
    assert told["client_name"] == "Portal"
    assert told["client_name#de"] == "Pforte"


@pytest.mark.usefixtures("is_open")
def test_who_gives_no_name_is_called_by_where_it_lives(browser: FlaskClient) -> None:
    assert registered(browser, client_name=None)["client_name"] == "rp.example"


@pytest.mark.usefixtures("is_open")
def test_everything_of_the_protocol_can_be_registered(browser: FlaskClient) -> None:
    said = {
        **{name: f"https://rp.example/{name}" for name in ("client_uri", "logo_uri", "policy_uri", "tos_uri")},
        "contacts": ["admin@rp.example"],
        "application_type": "web",
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "PS256",
        "jwks": {"keys": [PUBLIC]},
        "grant_types": ["authorization_code", "implicit", "refresh_token"],
        "response_types": ["code", "code id_token token"],
        "request_uris": ["https://rp.example/request#GkurKxf5T0Y-mnPFCHqWOMiZi4VS138cQO_V7PZHAdM"],
        "request_object_signing_alg": "ES256",
        "request_object_encryption_alg": "RSA-OAEP-256",
        "request_object_encryption_enc": "A256GCM",
        "require_signed_request_object": True,
        "require_pushed_authorization_requests": True,
        "default_max_age": 3600,
        "require_auth_time": True,
        "default_acr_values": ["urn:vpk:acr:two-factor"],
        "subject_type": "pairwise",
        "id_token_signed_response_alg": "ES256",
        "id_token_encrypted_response_alg": "ECDH-ES",
        "id_token_encrypted_response_enc": "A256GCM",
        "userinfo_signed_response_alg": "RS256",
        "authorization_signed_response_alg": "RS256",
        "introspection_signed_response_alg": "RS256",
        "dpop_bound_access_tokens": True,
        "initiate_login_uri": "https://rp.example/login",
        "post_logout_redirect_uris": ["https://rp.example/bye"],
        "backchannel_logout_uri": "https://rp.example/backchannel",
        "backchannel_logout_session_required": True,
        "frontchannel_logout_uri": "https://rp.example/frontchannel",
        "frontchannel_logout_session_required": True,
        "software_id": "4NRB1-0XZABZI9E6-5SM3R",
        "software_version": "1.0",
    }

    told = registered(browser, **said)

    assert {name: told[name] for name in said} == said


@pytest.mark.usefixtures("is_open")
def test_an_encryption_without_encoding_has_the_usual_one(browser: FlaskClient) -> None:
    """OIDC Registration §2: A128CBC-HS256."""
    told = registered(browser, jwks={"keys": [PUBLIC]}, userinfo_encrypted_response_alg="ECDH-ES")

    assert told["userinfo_encrypted_response_enc"] == "A128CBC-HS256"


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize("curve", ["X25519", "X448"])
def test_a_key_that_only_encrypts_can_be_registered(browser: FlaskClient, curve: str) -> None:
    """RFC 8037 §3.2"""
    public = OKPKey.generate_key(curve).as_dict(private=False)

    told = registered(browser, jwks={"keys": [public]}, id_token_encrypted_response_alg="ECDH-ES")

    assert told["jwks"] == {"keys": [public]}
    assert "jwks" in refused(browser, count=1, jwks={"keys": [{**public, "x": "AA"}]})


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (["token id_token"], ["id_token token"]),
        (["token code"], ["code token"]),
        (["id_token code", "code id_token"], ["code id_token"]),
        (["token id_token code"], ["code id_token token"]),
    ],
)
def test_the_words_of_a_response_type_have_no_order(browser: FlaskClient, said: list[str], kept: list[str]) -> None:
    """OAuth 2.0 Multiple Response Types §3"""
    assert registered(browser, response_types=said, **IMPLICIT)["response_types"] == kept


# What is refused


def refused(browser: FlaskClient, error: str = "invalid_client_metadata", count: int = 0, **changes: Any) -> str:
    response = register(browser, **changes)
    assert is_error(response, error), response.text
    assert db.session.query(Client).count() == count
    return str(response.json["error_description"])


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize(
    "uri",
    [
        *("http://rp.example/cb", "https://*.rp.example/cb", "https://rp.example/cb#x", "https://u:p@rp.example/cb"),
        *("javascript://x/%0aalert(1)", "data:text/html,x", "ch.fund.app:/cb", "https://rp.example/../cb", ""),
        *("https://rp.example/cb\x00", "https://rp.example/cb?code=1", "//rp.example/cb", "https://rp.example\\@evil/"),
    ],
)
def test_an_unsound_redirect_address_is_refused(browser: FlaskClient, uri: str) -> None:
    """RFC 7591 §3.2.2; security row V7."""
    description = refused(browser, "invalid_redirect_uri", redirect_uris=[CALLBACK, uri])

    assert description == "redirect_uris: the value cannot be registered"


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize(
    "field",
    [
        *("client_uri", "logo_uri", "policy_uri", "tos_uri", "jwks_uri", "initiate_login_uri"),
        *("backchannel_logout_uri", "frontchannel_logout_uri", "sector_identifier_uri"),
        *("request_uris", "post_logout_redirect_uris", "backchannel_client_notification_endpoint"),
    ],
)
@pytest.mark.parametrize(
    "uri", ["http://rp.example/x", "javascript:alert(1)", "https://*.example/", "https://u@rp.example/", " ", 7]
)
def test_an_unsound_address_of_any_kind_is_refused_and_its_field_named(
    browser: FlaskClient, field: str, uri: object
) -> None:
    description = refused(browser, **{field: [uri] if field.endswith("uris") else uri})

    assert description.startswith(f"{field}: ")


def test_with_an_https_issuer_no_address_on_the_own_machine_is_called(
    browser: FlaskClient, configure: Configure
) -> None:
    configure(profile="conformance", issuer="https://op.test")

    refused(browser, initiate_login_uri="http://localhost/login")


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"grant_types": 5}, "grant_types"),
        ({"grant_types": []}, "grant_types"),
        ({"grant_types": ["password"]}, "grant_types"),
        ({"response_types": ["token"]}, "response_types"),
        ({"response_types": ["code code"]}, "response_types"),
        ({"response_types": "code"}, "response_types"),
        ({"response_types": ["code id_token"]}, "grant type implicit"),
        ({"grant_types": ["implicit"], "response_types": ["code"]}, "grant type authorization_code"),
        ({"response_types": []}, "response_types"),
        ({"client_name": 5}, "client_name"),
        ({"client_name": {"de": ""}}, "client_name"),
        ({"client_name": "x" * 81}, "client_name"),
        ({"client_name": "\x00"}, "client_name"),
        ({"client_name#de": ["x"]}, "client_name"),
        ({"client_name": "\ud800"}, "client_name"),
        ({"contacts": ["a\x00b"]}, "contacts"),
        ({"contacts": "a@b.example"}, "contacts"),
        ({"scope": 5}, "scope"),
        ({"scope": ["\ud800"]}, "scope"),
        ({"scope": "email"}, "openid"),
        ({"application_type": "toaster"}, "application_type"),
        ({"application_type": "browser"}, "none"),
        ({"token_endpoint_auth_method": "client_secret"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "needs jwks"),
        ({"token_endpoint_auth_method": "self_signed_tls_client_auth"}, "needs jwks"),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "exactly one"),
        (
            {
                "token_endpoint_auth_method": "tls_client_auth",
                "tls_client_auth_san_dns": "a.example",
                "tls_client_auth_san_ip": "192.0.2.1",
            },
            "exactly one",
        ),
        ({"tls_client_auth_san_dns": "a.example"}, "only tls_client_auth"),
        ({"token_endpoint_auth_signing_alg": "none"}, "token_endpoint_auth_signing_alg"),
        ({"token_endpoint_auth_signing_alg": "HS256"}, "token_endpoint_auth_signing_alg"),
        ({"jwks": {"keys": []}}, "jwks"),
        ({"jwks": []}, "jwks"),
        ({"jwks": {"keys": [PUBLIC] * 21}}, "jwks"),
        ({"jwks": {"keys": [{"kty": "oct", "k": "eA"}]}}, "jwks"),
        ({"jwks": {"keys": [PUBLIC]}, "jwks_uri": "https://rp.example/jwks"}, "not both"),
        ({"id_token_signed_response_alg": "none"}, "id_token_signed_response_alg"),
        ({"id_token_signed_response_alg": "HS256"}, "id_token_signed_response_alg"),
        ({"userinfo_signed_response_alg": "none"}, "userinfo_signed_response_alg"),
        ({"authorization_signed_response_alg": "none"}, "authorization_signed_response_alg"),
        ({"introspection_signed_response_alg": "HS256"}, "introspection_signed_response_alg"),
        ({"request_object_signing_alg": "none"}, "request_object_signing_alg"),
        ({"request_object_signing_alg": "HS256"}, "request_object_signing_alg"),
        ({"request_object_signing_alg": "RS256"}, "needs jwks"),
        ({"request_object_encryption_alg": "RSA1_5", "jwks": {"keys": [PUBLIC]}}, "request_object_encryption_alg"),
        ({"request_object_encryption_alg": "dir", "jwks": {"keys": [PUBLIC]}}, "request_object_encryption_alg"),
        ({"request_object_encryption_alg": "A128KW"}, "request_object_encryption_alg"),
        ({"request_object_encryption_alg": "RSA-OAEP"}, "needs jwks"),
        ({"request_object_encryption_enc": "A128GCM"}, "needs request_object_encryption_alg"),
        ({"id_token_encrypted_response_alg": "RSA1_5", "jwks": {"keys": [PUBLIC]}}, "id_token_encrypted_response_alg"),
        ({"id_token_encrypted_response_alg": "dir", "jwks": {"keys": [PUBLIC]}}, "id_token_encrypted_response_alg"),
        ({"id_token_encrypted_response_alg": "RSA-OAEP"}, "needs jwks"),
        ({"id_token_encrypted_response_enc": "A128GCM"}, "needs id_token_encrypted_response_alg"),
        (
            {
                "userinfo_encrypted_response_alg": "RSA-OAEP",
                "userinfo_encrypted_response_enc": "x",
                "jwks": {"keys": [PUBLIC]},
            },
            "userinfo_encrypted_response_enc",
        ),
        ({"subject_type": "secret"}, "subject_type"),
        ({"default_max_age": -1}, "default_max_age"),
        ({"default_max_age": 10**30}, "default_max_age"),
        ({"default_acr_values": ["x"]}, "default_acr_values"),
        ({"require_auth_time": "perhaps"}, "require_auth_time"),
        ({"frontchannel_logout_uri": "https://other.example/"}, "frontchannel_logout_uri"),
        (
            {
                "subject_type": "pairwise",
                "redirect_uris": [CALLBACK, "https://other.example/cb"],
            },
            "sector_identifier_uri",
        ),
        ({"software_id": ""}, "software_id"),
        ({"registration_access_token": "x"}, "only the provider"),
    ],
)
def test_wrong_metadata_are_refused_with_a_constant_sentence(
    browser: FlaskClient, changes: dict[str, Any], field: str
) -> None:
    """RFC 7591 §3.2.2; protocol.md C.2 item 13."""
    assert field in refused(browser, **changes)


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uris": 5}, "invalid_redirect_uri"),
        ({"redirect_uris": "https://rp.example/cb"}, "invalid_redirect_uri"),
        ({"redirect_uris": [None]}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": None}, "invalid_redirect_uri"),
        ({"redirect_uris": [f"https://rp.example/{n}" for n in range(51)]}, "invalid_redirect_uri"),
    ],
)
def test_without_a_sound_redirect_address_nobody_registers(
    browser: FlaskClient, changes: dict[str, Any], error: str
) -> None:
    refused(browser, error, **changes)


@pytest.mark.usefixtures("is_open")
def test_http_is_not_for_tokens_in_the_address(browser: FlaskClient) -> None:
    """OIDC Registration §2, application_type"""
    http = ["http://localhost/cb"]

    refused(browser, "invalid_redirect_uri", redirect_uris=http, response_types=["id_token"], **IMPLICIT)

    assert registered(browser, redirect_uris=http)


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize(
    "grant", ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange", "refresh_token implicit"]
)
def test_grants_without_a_person_are_for_an_operator_to_give(browser: FlaskClient, grant: str) -> None:
    assert "grant_types" in refused(browser, grant_types=["authorization_code", grant])


def test_implicit_is_refused_where_the_policy_does_not_offer_it(browser: FlaskClient, configure: Configure) -> None:
    configure(registration="open", implicit=False)
    refused(browser, response_types=["code id_token"], **IMPLICIT)

    configure(registration="open", implicit=True)
    assert registered(browser, response_types=["code id_token"], **IMPLICIT)


@pytest.mark.usefixtures("is_open")
def test_a_private_key_is_refused_and_not_repeated(browser: FlaskClient) -> None:
    private = algorithms.generate("ES256").as_dict(private=True)

    description = refused(browser, jwks={"keys": [private]})

    assert str(private["d"]) not in description


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize(
    "name",
    [
        *("myVPK", "MYVPK", "my VPK – login", "ｍｙＶＰＫ", "Valora Pension-Fund support"),
        *("my VРК", "m у V P K", "mỿVPK", "rnyVPK", "my ᏙᏢᏦ", "ᴍʏᴠᴘᴋ", "my\u3164VPK", "Va1ora Pensi0n Fund"),
    ],
)
def test_nobody_who_comes_by_itself_bears_the_name_of_the_fund(browser: FlaskClient, name: str) -> None:
    """RFC 7591 §5: a name can be chosen to deceive."""
    assert "client_name" in refused(browser, client_name=name)
    assert "client_name" in refused(browser, **{"client_name#it": name})


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize("name", ["Рортаl", "Βank", "bаnk of Bern", "µTorrent", "ՏBB"])
def test_nobody_who_comes_by_itself_mixes_scripts_in_a_word(browser: FlaskClient, name: str) -> None:
    """RFC 7591 §5, UTS 39 §5.2: a letter of another script is there to be taken for one of this."""
    assert "client_name" in refused(browser, client_name=name)
    assert "client_name" in refused(browser, **{"client_name#it": name})


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize(
    "name",
    [
        *("Société Générale", "Ångström & Söhne", "Straße 24", "cʼest ici", "O2", "myPortal", "VPN"),
        *(
            "Яндекс Почта",
            "Йод",
            "Shop Магазин",
            "Shop/Магазин",
            "Ελλάδα",
            "עברית",
            "한국은행",
            "नमस्ते",
            "LINEヤフー",
            "東京カード",
        ),
    ],
)
def test_a_plain_name_of_any_script_is_kept(browser: FlaskClient, name: str) -> None:
    """RFC 7591 §2.2"""
    assert registered(browser, client_name=name)["client_name"] == name


def test_whatever_discovery_offers_can_be_registered() -> None:
    assert {method.NAME for method in METHODS} <= set(get_args(AuthMethod))


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("", "application/json"),
        ("[]", "application/json"),
        ("5", "application/json"),
        ("null", "application/json"),
        ('"x"', "application/json"),
        ("{", "application/json"),
        ("\xff", "application/json"),
        ("[" * 50_000, "application/json"),
        ('{"a":' * 10_000, "application/json"),
        ('{"default_max_age": NaN}', "application/json"),
        ('{"redirect_uris": [], "redirect_uris": ["https://rp.example/cb"]}', "application/json"),
        (json.dumps(GOOD), "application/x-www-form-urlencoded"),
        (json.dumps(GOOD), "text/plain"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(browser: FlaskClient, body: str, kind: str) -> None:
    response = browser.post("/register", data=body.encode("latin-1"), content_type=kind)

    assert is_error(response, "invalid_client_metadata")


@pytest.mark.usefixtures("is_open")
def test_a_body_is_bounded(browser: FlaskClient) -> None:
    response = register(browser, software_comment="x" * 70_000)

    assert response.status_code == 413
    assert response.json == {"error": "invalid_request"}


# Who may


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_closed_there_is_nothing_here(browser: FlaskClient, method: str) -> None:
    path = "/register" if method == "POST" else "/register/portal"

    assert browser.open(path, method=method, json=GOOD).status_code == 404
    assert db.session.query(Client).count() == 0


def test_an_initial_access_token_opens_as_often_as_it_says(browser: FlaskClient, configure: Configure) -> None:
    """RFC 7591 §3"""
    configure(registration="token")
    token = initial_access_tokens.issue("the developers", uses=2, life=timedelta(days=1))

    without = [register(browser), register(browser, "wrong"), register(browser, "é"), register(browser, "x" * 500)]
    statuses = [register(browser, token).status_code for _ in range(3)]

    for response in without:
        assert is_error(response, "invalid_token", 401)
        assert response.headers["WWW-Authenticate"].startswith("Bearer ")
    assert statuses == [201, 201, 401]


def test_what_is_refused_spends_nothing(browser: FlaskClient, configure: Configure) -> None:
    configure(registration="token")
    token = initial_access_tokens.issue("the developers", uses=1, life=timedelta(days=1))

    assert register(browser, token, redirect_uris=["http://x.example/"]).status_code == 400
    assert register(browser, token).status_code == 201


def test_an_initial_access_token_ends(browser: FlaskClient, configure: Configure) -> None:
    configure(registration="token")
    old = initial_access_tokens.issue("a", uses=9, life=timedelta(minutes=1))
    revoked = initial_access_tokens.issue("b", uses=9, life=timedelta(days=1))
    row = db.session.query(InitialAccessToken).filter_by(note="b").one()
    assert initial_access_tokens.revoke(row.id)

    with time_machine.travel(now() + timedelta(minutes=2)):
        answers = [register(browser, old), register(browser, revoked)]

    assert [response.status_code for response in answers] == [401, 401]


def test_an_initial_access_token_is_kept_as_a_fingerprint(app: Flask) -> None:
    token = initial_access_tokens.issue("a", uses=1, life=timedelta(days=1))

    row = db.session.query(InitialAccessToken).one()
    assert token not in (row.id, row.fingerprint)


def test_the_last_use_is_for_one(app: Flask, configure: Configure) -> None:
    configure(registration="token")
    token = initial_access_tokens.issue("a", uses=1, life=timedelta(days=1))

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: register(app.test_client(), token).status_code, range(8)))

    assert sorted(statuses) == [201] + [401] * 7


def test_an_open_door_has_a_ceiling_for_each_address(browser: FlaskClient, configure: Configure) -> None:
    configure(registration="open")

    statuses = [register(browser).status_code for _ in range(21)]
    last = register(browser)

    assert statuses == [201] * 20 + [429]
    assert last.json == {"error": "temporarily_unavailable"}
    assert "Retry-After" in last.headers


@pytest.mark.parametrize(("policy", "is_named"), [("closed", False), ("token", True), ("open", True)])
def test_discovery_names_the_endpoint_only_where_it_is_one(policy: str, is_named: bool) -> None:
    from application import make_app

    app = make_app(database_url="sqlite://", registration=policy)

    document = app.test_client().get("/.well-known/openid-configuration").json

    assert ("registration_endpoint" in document) == is_named


def test_a_registration_is_in_the_journal(browser: FlaskClient, is_open: None) -> None:
    told = registered(browser)
    manage(browser, told, "PUT", json=said_again(told))
    manage(browser, told, "DELETE")

    lines = db.session.query(AuditEvent).order_by(AuditEvent.sequence).all()
    assert [line.event for line in lines] == ["client_registered", "client_changed", "client_removed"]


# Sector identifiers


def test_a_sector_document_must_list_every_redirect_address(browser: FlaskClient, server: Listener) -> None:
    """OIDC Core §8.1, OIDC Registration §5; security row 2.32."""
    uris = [CALLBACK, "https://other.example/cb"]
    sector = {"subject_type": "pairwise", "redirect_uris": uris, "sector_identifier_uri": f"{server.url}/sector"}

    for document in ([CALLBACK], {"a": uris}, "x", [], [[]]):
        server.body = json.dumps(document).encode()
        assert "sector_identifier_uri" in refused(browser, **sector)
    server.status = 404
    assert "sector_identifier_uri" in refused(browser, **sector)

    server.status, server.body = 200, json.dumps([*uris, "https://third.example/"]).encode()
    assert registered(browser, **sector)["subject_type"] == "pairwise"


@pytest.mark.parametrize("redirects", [[CALLBACK], None])
def test_nobody_joins_the_sector_of_others_without_their_redirects(
    browser: FlaskClient, server: Listener, redirects: list[str] | None
) -> None:
    """OIDC Core §8.1: the redirect addresses are the proof, and a device has its answer without them."""
    server.body = json.dumps([CALLBACK]).encode()
    device = "urn:ietf:params:oauth:grant-type:device_code"
    grants = ["authorization_code", device] if redirects else [device]
    pairwise = {"subject_type": "pairwise", "grant_types": grants, "redirect_uris": redirects}

    assert "subject_type" in refused(browser, **pairwise, sector_identifier_uri=f"{server.url}/sector")
    assert register(browser, **pairwise).status_code == (400 if redirects else 201), "alone it is a sector of its own"


# Managing (RFC 7592)


@pytest.mark.usefixtures("is_open")
def test_a_client_reads_itself(browser: FlaskClient) -> None:
    told = registered(browser, logo_uri="https://rp.example/logo.png")

    response = manage(browser, told, "GET")

    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    secret = ("client_secret", "client_secret_expires_at")
    assert response.json == {name: value for name, value in told.items() if name not in secret}


@pytest.mark.usefixtures("is_open")
def test_a_client_says_everything_anew(browser: FlaskClient) -> None:
    """RFC 7592 §2.2: what is left out is gone."""
    told = registered(browser, logo_uri="https://rp.example/logo.png", contacts=["a@rp.example"])
    said = said_again(told, redirect_uris=["https://rp.example/new"], logo_uri=None)

    response = manage(browser, told, "PUT", json=said)

    assert response.status_code == 200, response.text
    row = client(told["client_id"])
    assert row is not None
    assert row.redirect_uris == ["https://rp.example/new"]
    assert row.logo_uri is None
    assert row.contacts == ["a@rp.example"]
    assert "client_secret" not in response.json
    assert client_secrets.is_right(row, told["client_secret"])
    assert manage(browser, told, "GET").json == response.json


SIGNED_IN = {"grant_types": ["authorization_code", "refresh_token"], "scope": "openid offline_access"}


@dataclass(frozen=True)
class Held:
    """What a client that registered itself has of a person who signed in to it."""

    told: dict[str, Any]
    access_token: str
    refresh_token: str
    code: str

    @property
    def proof(self) -> dict[str, str]:
        return basic(self.told["client_id"], self.told["client_secret"])


def signed_in(browser: FlaskClient, **changes: Any) -> Held:
    """A person signs in at a client that has just registered itself, and its page asks for a second code."""
    told = registered(browser, **SIGNED_IN, **changes)
    row, account = client(told["client_id"]), an_account()
    assert row is not None
    sign_in(browser, account)
    consent(account, row, SIGNED_IN["scope"])
    given = tokens_of(browser, told)
    return Held(told, given["access_token"], given["refresh_token"], next_code(browser, told))


def next_code(browser: FlaskClient, told: dict[str, Any]) -> str:
    row = client(told["client_id"])
    assert row is not None
    return answer(authorize(browser, row, scope=SIGNED_IN["scope"], prompt="none"))["code"]


def tokens_of(browser: FlaskClient, told: dict[str, Any]) -> dict[str, Any]:
    proof = basic(told["client_id"], told["client_secret"])
    return dict(redeem(browser, next_code(browser, told), headers=proof, redirect_uri=told["redirect_uris"][0]).json)


def all_has_ended(browser: FlaskClient, held: Held) -> None:
    token = {"token": held.access_token}
    assert userinfo(browser, held.access_token).status_code == 401
    assert browser.post("/introspect", data=token, headers=held.proof).json == {"active": False}
    assert is_error(refresh(browser, held.refresh_token, headers=held.proof), "invalid_grant")
    assert is_error(redeem(browser, held.code, headers=held.proof), "invalid_grant")
    assert db.session.query(RefreshFamily).filter_by(end_reason=None).count() == 0


def all_lives(browser: FlaskClient, held: Held) -> None:
    assert userinfo(browser, held.access_token).status_code == 200
    assert refresh(browser, held.refresh_token, headers=held.proof).status_code == 200
    assert redeem(browser, held.code, headers=held.proof).status_code == 200


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uris": ["https://victim.example/cb"]},
        {"subject_type": "public"},
        {"subject_type": "public", "redirect_uris": [CALLBACK, "https://victim.example/cb"]},
    ],
)
def test_who_would_know_people_by_other_names_begins_anew(browser: FlaskClient, changes: dict[str, Any]) -> None:
    """OIDC Core §8.1: no token of one sector tells the names of another; security row 2.32."""
    held = signed_in(browser, subject_type="pairwise")

    assert manage(browser, held.told, "PUT", json=said_again(held.told, **changes)).status_code == 200

    all_has_ended(browser, held)


@pytest.mark.usefixtures("is_open")
def test_a_redirect_elsewhere_ends_what_a_public_client_has(browser: FlaskClient) -> None:
    """RFC 7591 §5: another host is another party."""
    held = signed_in(browser)
    both = [CALLBACK, "https://other.example/cb"]

    assert manage(browser, held.told, "PUT", json=said_again(held.told, redirect_uris=both)).status_code == 200

    all_has_ended(browser, held)


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize(
    "changes",
    [
        {"client_name": "Another"},
        {"client_name#it": "Another"},
        {"redirect_uris": [CALLBACK, "https://rp.example:8443/cb"]},
        {"logo_uri": "https://rp.example/logo.png"},
        {"client_uri": "https://rp.example/"},
        {"policy_uri": "https://rp.example/policy"},
        {"tos_uri": "https://rp.example/terms"},
    ],
)
def test_who_is_shown_as_another_asks_again(browser: FlaskClient, changes: dict[str, Any]) -> None:
    """RFC 7591 §5: what people allowed the client they saw is not for one they have not seen; security row 2.34."""
    held = signed_in(browser)

    assert manage(browser, held.told, "PUT", json=said_again(held.told, **changes)).status_code == 200

    all_has_ended(browser, held)
    row = client(held.told["client_id"])
    assert row is not None
    assert answer(authorize(browser, row, scope=SIGNED_IN["scope"], prompt="none"))["error"] == "consent_required"


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"contacts": ["a@rp.example"], "jwks": {"keys": [PUBLIC]}, "id_token_signed_response_alg": "ES256"},
        {"redirect_uris": [CALLBACK, "https://rp.example/other"]},
    ],
)
def test_who_stays_who_it_is_keeps_what_it_has(browser: FlaskClient, changes: dict[str, Any]) -> None:
    """RFC 7592 §2.2: a client says all of it again to change a part."""
    held = signed_in(browser, subject_type="pairwise")

    assert manage(browser, held.told, "PUT", json=said_again(held.told, **changes)).status_code == 200

    assert next_code(browser, held.told), "nobody is asked again"
    all_lives(browser, held)


@pytest.mark.usefixtures("is_open")
def test_nothing_that_is_given_while_a_client_becomes_another_outlives_it(
    browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the change is written, an answer is to the old one still."""
    held = signed_in(browser)

    with endings.ending_client(held.told["client_id"]):
        code = next_code(browser, held.told)
        monkeypatch.setattr(authorization_code, "_is_over", lambda *_: False)  # looked for before the mark was there
        late = redeem(browser, held.code, headers=held.proof).json
        monkeypatch.undo()

    assert userinfo(browser, late["access_token"]).status_code == 401
    assert is_error(refresh(browser, late["refresh_token"], headers=held.proof), "invalid_grant")
    assert is_error(redeem(browser, code, headers=held.proof), "invalid_grant")
    assert userinfo(browser, tokens_of(browser, held.told)["access_token"]).status_code == 200


@pytest.mark.usefixtures("is_open")
def test_of_two_changes_at_once_the_later_one_is_refused(browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a client becomes is held against what it is when the change is written."""
    told = registered(browser, subject_type="pairwise")
    read = registration._read

    def overtaken(sent: Any) -> Any:
        metadata = read(sent)
        with ThreadPoolExecutor(1) as other:
            other.submit(change_elsewhere, browser.application, told["client_id"]).result()
        return metadata

    monkeypatch.setattr(registration, "_read", overtaken)
    response = manage(browser, told, "PUT", json=said_again(told))

    assert is_error(response, "invalid_client_metadata")
    assert getattr(client(told["client_id"]), "subject_type", None) == "public"


def change_elsewhere(app: Flask, client_id: str) -> None:
    with app.app_context():
        change(client(client_id), subject_type="public")


@pytest.mark.usefixtures("is_open")
def test_another_way_to_prove_itself_brings_or_ends_the_secret(browser: FlaskClient) -> None:
    told = registered(browser)
    said = said_again(told, client_secret=None)

    to_jwt = manage(browser, told, "PUT", json={**said, "token_endpoint_auth_method": "client_secret_jwt"}).json
    row = client(told["client_id"])
    assert row is not None
    assert client_secrets.living(row) == (to_jwt["client_secret"],)

    to_post = manage(browser, told, "PUT", json={**said, "token_endpoint_auth_method": "client_secret_post"}).json
    row = client(told["client_id"])
    assert row is not None
    assert "client_secret" not in to_post
    assert row.secret_sealed is None
    assert client_secrets.is_right(row, to_jwt["client_secret"])

    manage(browser, told, "PUT", json={**said, "token_endpoint_auth_method": "none"})
    row = client(told["client_id"])
    assert row is not None
    assert row.secret_hashes == []


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "other"},
        {"client_id": 5},
        {"client_secret": "wrong"},
        {"client_secret": 5},
        {"client_secret": "é"},
        {"client_id_issued_at": 5},
        {"registration_access_token": "x"},
        {"registration_client_uri": "https://op.test/"},
        {"client_secret_expires_at": 0},
        {"redirect_uris": ["http://rp.example/"]},
        {"redirect_uris": None},
    ],
)
def test_a_wrong_change_changes_nothing(browser: FlaskClient, changes: dict[str, Any]) -> None:
    """RFC 7592 §2.2"""
    told = registered(browser)
    before = manage(browser, told, "GET").json

    response = manage(browser, told, "PUT", json=said_again(told, **changes))

    error = "invalid_redirect_uri" if "redirect_uris" in changes else "invalid_client_metadata"
    assert is_error(response, error)
    assert manage(browser, told, "GET").json == before


@pytest.mark.usefixtures("is_open")
def test_a_removed_client_is_gone_with_everything_it_had(browser: FlaskClient) -> None:
    """RFC 7592 §2.3"""
    told = registered(browser, grant_types=["authorization_code", "refresh_token"])
    row = client(told["client_id"])
    assert row is not None
    account = an_account()
    sign_in(browser, account)
    scope = "openid offline_access"
    consent(account, row, scope)
    proof = basic(told["client_id"], told["client_secret"])
    code = answer(authorize(browser, row, scope=scope, prompt="none"))["code"]
    tokens = redeem(browser, code, headers=proof).json
    pending = answer(authorize(browser, row, scope=scope, prompt="none"))["code"]
    assert userinfo(browser, tokens["access_token"]).status_code == 200

    response = manage(browser, told, "DELETE")

    assert response.status_code == 204
    assert response.data == b""
    assert client(told["client_id"]) is None
    assert db.session.query(RefreshFamily).count() == db.session.query(Consent).count() == 0
    assert userinfo(browser, tokens["access_token"]).status_code == 401
    assert is_error(redeem(browser, pending, headers=proof), "invalid_client", 401)
    assert is_error(refresh(browser, tokens["refresh_token"], headers=proof), "invalid_client", 401)
    assert is_error(manage(browser, told, "GET"), "invalid_token", 401)


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_token_manages_its_own_client_and_no_other(browser: FlaskClient, method: str) -> None:
    """CVE-2026-9793; security row V19."""
    victim, thief = registered(browser), registered(browser)
    a_client("by-operator")
    before = manage(browser, victim, "GET").json
    path = f"/register/{victim['client_id']}"
    said = said_again(victim, redirect_uris=["https://evil.example/"])
    wrong: list[dict[str, str]] = [
        bearer(thief["registration_access_token"]),
        bearer("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."),
        bearer(""),
        bearer("é"),
        bearer("x" * 100_000),
        {"Authorization": f"Basic {victim['registration_access_token']}"},
        {"Authorization": victim["registration_access_token"]},
        {},
    ]

    answers = [browser.open(path, method=method, json=said, headers=headers) for headers in wrong]
    in_query = f"{path}?access_token={victim['registration_access_token']}"
    answers.append(browser.open(in_query, method=method, json=said))
    for other in ("by-operator", "nobody", "x" * 300, "%00"):
        token = bearer(thief["registration_access_token"])
        answers.append(browser.open(f"/register/{other}", method=method, json=said, headers=token))

    for response in answers:
        assert is_error(response, "invalid_token", 401)
    assert len({response.data for response in answers}) == 1
    assert manage(browser, victim, "GET").json == before


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_disabled_client_is_not_revived_by_its_token(browser: FlaskClient, method: str) -> None:
    """Security row 2.70."""
    told = registered(browser)
    change(client(told["client_id"]), disabled_at=now())

    response = manage(browser, told, method, json=said_again(told))

    assert is_error(response, "invalid_token", 401)
    row = client(told["client_id"])
    assert row is not None
    assert not row.is_active


# Software statements


@pytest.fixture
def statements(configure: Configure) -> None:
    keys = {"keys": [ISSUER_KEY.as_dict(private=False)]}
    configure(profile="conformance", software_statement_issuers={ISSUER: {"jwks": keys}})


def statement(key: ECKey = ISSUER_KEY, **claims: Any) -> str:
    stated = {"iss": ISSUER, "software_id": "portal-1", "client_name": "Stated", **claims}
    return jws.serialize_compact({"alg": "ES256"}, json.dumps(stated).encode(), key)


@pytest.mark.usefixtures("statements")
def test_what_a_statement_says_wins(browser: FlaskClient) -> None:
    """RFC 7591 §2.3, §3.1.1"""
    sent = statement(redirect_uris=["https://stated.example/cb"])

    own = {"client_name#de": "Mine", "software_id": "mine", "logo_uri": "https://rp.example/logo.png"}
    told = registered(browser, software_statement=sent, **own)

    assert told["client_name"] == "Stated"
    assert "client_name#de" not in told
    assert told["redirect_uris"] == ["https://stated.example/cb"]
    assert told["software_id"] == "portal-1"
    assert told["logo_uri"] == "https://rp.example/logo.png"
    assert told["software_statement"] == sent


@pytest.mark.usefixtures("statements")
@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (5, "invalid_software_statement"),
        ("", "invalid_software_statement"),
        ("a.b.c", "invalid_software_statement"),
        (statement(ECKey.generate_key("P-256")), "invalid_software_statement"),
        (statement(exp=1), "invalid_software_statement"),
        (statement(exp="soon"), "invalid_software_statement"),
        (statement(nbf=10**11), "invalid_software_statement"),
        (statement()[:-4] + "AAAA", "invalid_software_statement"),
        ("eyJhbGciOiJub25lIn0." + statement().split(".")[1] + ".", "invalid_software_statement"),
        (statement(iss="https://other.example"), "unapproved_software_statement"),
        (statement(iss=["x"]), "unapproved_software_statement"),
        (statement(redirect_uris=["http://rp.example/"]), "invalid_redirect_uri"),
    ],
)
def test_a_statement_that_is_none_is_refused(browser: FlaskClient, sent: object, error: str) -> None:
    refused(browser, error, software_statement=sent)


@pytest.mark.usefixtures("is_open")
def test_without_trusted_issuers_no_statement_is_approved(browser: FlaskClient) -> None:
    refused(browser, "unapproved_software_statement", software_statement=statement())


def test_an_issuer_may_publish_its_keys(browser: FlaskClient, server: Listener, configure: Configure) -> None:
    configure(software_statement_issuers={ISSUER: {"jwks_uri": f"{server.url}/keys"}})
    server.body = json.dumps({"keys": [ISSUER_KEY.as_dict(private=False)]}).encode()

    told = registered(browser, software_statement=statement())

    assert told["software_id"] == "portal-1"
