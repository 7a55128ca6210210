"""Discovery and JWKS: what this provider says of itself is true, and the same under any Host."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from oidc import EVERY_SCOPE
from oidc import a_client
from oidc import an_account
from oidc import authorize
from oidc import redeem
from oidc import sign_in

from idp import client_auth
from idp.clock import now
from idp.db import db
from idp.grants import GRANTS
from idp.grants.jwt_bearer import JwtBearerGrant
from keys import encryption
from keys.algorithms import from_jwk

ISSUER = "http://localhost:8400"
WELL_KNOWN = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}


def test_both_specifications_read_the_same_document(app: Flask, browser: FlaskClient) -> None:
    """OIDC Discovery §4.2, RFC 8414 §3.2"""
    first, second = (browser.get(path) for path in WELL_KNOWN)

    assert first.status_code == second.status_code == 200
    assert first.content_type == second.content_type == "application/json"
    assert first.json == second.json


def test_what_must_be_there_is_there(app: Flask, browser: FlaskClient) -> None:
    """OIDC Discovery §3; protocol.md A.3.2 and A.3.3."""
    metadata = browser.get(WELL_KNOWN[0]).json

    assert metadata["issuer"] == ISSUER
    assert metadata["subject_types_supported"] == ["public", "pairwise"]
    assert "RS256" in metadata["id_token_signing_alg_values_supported"]
    assert {"client_secret_basic", "client_secret_post"} <= set(metadata["token_endpoint_auth_methods_supported"])
    assert metadata["scopes_supported"] == EVERY_SCOPE.split()
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert "RS256" in metadata["request_object_signing_alg_values_supported"]
    assert "none" not in metadata["request_object_signing_alg_values_supported"]
    assert {"sub", "name", "email", "person_number", "acr", "auth_time"} <= set(metadata["claims_supported"])
    assert metadata["backchannel_token_delivery_modes_supported"] == ["poll", "ping"]  # CIBA Core §4
    assert "ES256" in metadata["backchannel_authentication_request_signing_alg_values_supported"]
    assert metadata["backchannel_user_code_parameter_supported"] is False


def test_only_claims_that_somebody_here_knows_are_named(app: Flask, browser: FlaskClient) -> None:
    """OIDC Discovery §3: `claims_supported`."""
    stated = browser.get(WELL_KNOWN[0]).json["claims_supported"]

    assert {"address", "name", "person_number", "phone_number_verified", "factors_changed_at"} <= set(stated)
    assert not {"nickname", "birthdate", "picture", "gender", "website"} & set(stated)
    assert len(stated) == len(set(stated))


def test_every_endpoint_named_is_there(app: Flask, browser: FlaskClient) -> None:
    metadata = browser.get(WELL_KNOWN[0]).json
    endpoints = {name: uri for name, uri in metadata.items() if name.endswith(("_endpoint", "_uri"))}
    rules = {rule.rule for rule in app.url_map.iter_rules()}

    for uri in endpoints.values():
        assert uri.startswith(f"{ISSUER}/")
        assert uri.removeprefix(ISSUER) in rules
    assert set(endpoints) >= {
        *("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"),
        *("introspection_endpoint", "revocation_endpoint", "end_session_endpoint"),
    }


def test_what_is_named_works_and_what_works_is_named(app: Flask, browser: FlaskClient) -> None:
    """Security row 2.5: what is refused is not in discovery either."""
    metadata = browser.get(WELL_KNOWN[0]).json
    client = a_client()
    sign_in(browser, an_account())

    assert metadata["response_types_supported"] == ["code"]
    believed = [
        grant.GRANT_TYPE for grant in GRANTS if grant is not JwtBearerGrant
    ]  # nobody's word, as nobody is named
    assert metadata["grant_types_supported"] == believed
    assert metadata["token_endpoint_auth_methods_supported"] == client_auth.offered()
    assert "none" not in metadata["introspection_endpoint_auth_methods_supported"]
    for mode in ("query", "form_post", "fragment", "jwt", "query.jwt", "form_post.jwt", "fragment.jwt", "web_message"):
        response = authorize(browser, client, response_mode=mode)
        worked = response.status_code == 200 or "error" not in response.headers["Location"]
        assert worked == (mode in metadata["response_modes_supported"])
    for prompt in metadata["prompt_values_supported"]:
        assert "error=invalid_request" not in authorize(browser, client, prompt=prompt).headers.get("Location", "")


@pytest.mark.parametrize("path", [*WELL_KNOWN, "/jwks"])
def test_no_host_header_changes_what_is_said(app: Flask, browser: FlaskClient, path: str) -> None:
    """Security row 2.29, V26."""
    headers = {"Host": "evil.test", "X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "http", "Forwarded": "host=x"}

    assert browser.get(path, headers=headers).data == browser.get(path).data


def test_the_key_set_shows_public_halves_only(app: Flask, browser: FlaskClient) -> None:
    """RFC 7517 §4; security row 2.29."""
    keys = browser.get("/jwks").json["keys"]

    assert {key["alg"] for key in keys if key["use"] == "sig"} >= {"RS256", "ES256"}
    assert len({key["kid"] for key in keys}) == len(keys)
    for key in keys:
        assert PRIVATE.isdisjoint(key)
        assert not from_jwk(key).is_private


def test_what_requests_can_be_encrypted_with_is_named_and_there_is_a_key_for_it(
    app: Flask, browser: FlaskClient
) -> None:
    """OIDC Discovery §3; RFC 7517 §4.2: who signs does not open, and each key says which it does."""
    metadata, keys = browser.get(WELL_KNOWN[0]).json, browser.get("/jwks").json["keys"]

    assert metadata["request_object_encryption_alg_values_supported"] == list(encryption.ALGORITHMS)
    assert metadata["request_object_encryption_enc_values_supported"] == list(encryption.ENCODINGS)
    assert sorted(key["kty"] for key in keys if key["use"] == "enc") == ["EC", "RSA"]
    assert [key["use"] for key in keys] == sorted((key["use"] for key in keys), reverse=True), "those that sign first"


@pytest.mark.parametrize("path", [*WELL_KNOWN, "/jwks"])
def test_clients_may_keep_them_for_a_while(app: Flask, browser: FlaskClient, path: str) -> None:
    """Less than the day a key is shown before it signs; security row 2.30."""
    control = browser.get(path).headers["Cache-Control"]

    assert control.startswith("public, max-age=")
    assert 60 <= int(control.partition("=")[2]) <= 3600


# CORS

BROWSER_PATHS = [*WELL_KNOWN, "/jwks", "/userinfo", "/token", "/revoke", "/par"]
SPA = "https://spa.example"


def an_spa(**values: object) -> None:
    a_client(
        "spa",
        **{
            "application_type": "browser",
            "token_endpoint_auth_method": "none",
            "redirect_uris": [f"{SPA}/cb"],
            **values,
        },
    )


@pytest.mark.parametrize("path", BROWSER_PATHS)
def test_a_registered_browser_application_may_read_the_answers(app: Flask, browser: FlaskClient, path: str) -> None:
    an_spa()

    preflight = browser.options(path, headers={"Origin": SPA, "Access-Control-Request-Method": "POST"})
    response = (
        browser.get(path, headers={"Origin": SPA})
        if path not in ("/token", "/revoke", "/par")
        else browser.post(path, headers={"Origin": SPA})
    )

    assert preflight.status_code == 200
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    for each in (preflight, response):
        assert each.headers["Access-Control-Allow-Origin"] == SPA
        assert "Access-Control-Allow-Credentials" not in each.headers
        assert "Origin" in each.headers["Vary"]


@pytest.mark.parametrize(
    "origin", ["null", "https://evil.test", "https://spa.example.evil.test", "http://spa.example", "*"]
)
@pytest.mark.parametrize("path", BROWSER_PATHS)
def test_nobody_elses_page_may(app: Flask, browser: FlaskClient, path: str, origin: str) -> None:
    """Security rows 2.25 and 2.51: no wildcard, only registered origins."""
    an_spa()

    for response in (browser.options(path, headers={"Origin": origin}), browser.post(path, headers={"Origin": origin})):
        assert "Access-Control-Allow-Origin" not in response.headers


def test_a_web_application_or_a_disabled_one_opens_nothing(app: Flask, browser: FlaskClient) -> None:
    a_client(redirect_uris=["https://rp.example/cb"])
    an_spa(disabled_at=now())

    for origin in ("https://rp.example", SPA):
        assert "Access-Control-Allow-Origin" not in browser.get("/jwks", headers={"Origin": origin}).headers


@pytest.mark.parametrize("path", ["/authorize", "/introspect", "/logout"])
def test_the_other_endpoints_are_not_for_scripts(app: Flask, browser: FlaskClient, path: str) -> None:
    an_spa()

    assert "Access-Control-Allow-Origin" not in browser.options(path, headers={"Origin": SPA}).headers


def test_a_browser_application_can_redeem_its_code(app: Flask, browser: FlaskClient) -> None:
    an_spa()
    sign_in(browser, an_account())
    from idp.server import find_client

    client = find_client("spa")
    assert client is not None
    code = authorize(browser, client).headers["Location"].partition("code=")[2].partition("&")[0]

    response = redeem(browser, code, headers={"Origin": SPA}, client_id="spa", redirect_uri=f"{SPA}/cb")

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == SPA
    db.session.rollback()
