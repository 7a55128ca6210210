"""ID tokens, userinfo and introspection in the form a client registered: signed, encrypted, both (OIDC Core §10)."""

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwe
from joserfc import jws
from joserfc.jwk import ECKey
from joserfc.jwk import OKPKey
from joserfc.jwk import RSAKey
from oidc import Configure
from oidc import a_client
from oidc import an_account
from oidc import answer
from oidc import authorize
from oidc import basic
from oidc import change
from oidc import code_for
from oidc import is_error
from oidc import redeem
from oidc import sign_in
from oidc import tokens_for
from werkzeug.test import TestResponse

from idp.db import db
from idp.models import RefreshFamily
from idp.provider import provider
from keys import encryption

RSA = RSAKey.generate_key(2048, {"use": "enc"}, auto_kid=True)
EC = ECKey.generate_key("P-256", {"use": "enc"}, auto_kid=True)
REGISTRY = jwe.JWERegistry(algorithms=[*encryption.ALGORITHMS, *encryption.ENCODINGS])
PAIRS = [(alg, enc) for alg in encryption.ALGORITHMS for enc in ("A128CBC-HS256", "A256GCM")]


def jwks() -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) for key in (RSA, EC)]}


def opened(token: str, alg: str) -> tuple[dict[str, Any], str]:
    key = RSA if alg.startswith("RSA") else EC
    found = jwe.decrypt_compact(token, key, registry=REGISTRY)
    assert found.plaintext is not None
    return dict(found.protected), found.plaintext.decode()


def userinfo(browser: FlaskClient, token: str) -> TestResponse:
    return browser.get("/userinfo", headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize(("alg", "enc"), PAIRS)
def test_an_id_token_is_signed_and_then_encrypted(app: Flask, browser: FlaskClient, alg: str, enc: str) -> None:
    """OIDC Core §2, §16.14: the signature is inside."""
    client = a_client(
        jwks=jwks(), id_token_encrypted_response_alg=alg, id_token_encrypted_response_enc=enc, scope=["openid"]
    )
    sign_in(browser, an_account())

    header, inside = opened(tokens_for(browser, client)["id_token"], alg)

    assert (header["alg"], header["enc"], header["cty"]) == (alg, enc, "JWT")
    assert header["kid"] in {RSA.kid, EC.kid}
    assert provider.keys.verify(inside, typ=["JWT"])["aud"] == client.client_id


def test_a_hint_may_be_encrypted_again(app: Flask, browser: FlaskClient) -> None:
    """OIDC Core §3.1.2.1: what the client opened, it may encrypt to us; what is inside is judged as ever."""
    client = a_client(jwks=jwks(), id_token_encrypted_response_alg="ECDH-ES", id_token_encrypted_response_enc="A128GCM")
    sign_in(browser, an_account())
    given = tokens_for(browser, client)["id_token"]
    _, inside = opened(given, "ECDH-ES")
    key = next(key for key in provider.keys.jwks()["keys"] if key["use"] == "enc" and key["kty"] == "RSA")

    def hinted(text: str) -> dict[str, Any]:
        hint = encryption.encrypt(text, key, alg="RSA-OAEP-256", enc="A128GCM", cty="JWT")
        return answer(authorize(browser, client, prompt="none", id_token_hint=hint))

    assert "code" in hinted(inside)
    assert hinted(inside[:-6] + "AAAAAA")["error"] == "invalid_request"
    assert hinted(json.dumps(provider.keys.verify(inside)))["error"] == "invalid_request"
    assert answer(authorize(browser, client, prompt="none", id_token_hint=given))["error"] == "invalid_request"


def test_a_key_that_only_signs_is_not_encrypted_to(app: Flask, browser: FlaskClient) -> None:
    """RFC 8037 §3: Ed25519 and X25519 are of one type, and only the second agrees on secrets."""
    signing, agreeing = (OKPKey.generate_key(curve).as_dict(private=False) for curve in ("Ed25519", "X25519"))
    client = a_client(
        jwks={"keys": [signing, agreeing]},
        id_token_encrypted_response_alg="ECDH-ES",
        id_token_encrypted_response_enc="A128GCM",
    )
    sign_in(browser, an_account())

    assert tokens_for(browser, client)["id_token"].count(".") == 4


@pytest.mark.parametrize("size", [1024, None])
def test_a_key_that_cannot_be_used_does_not_hide_a_good_one(app: Flask, browser: FlaskClient, size: int | None) -> None:
    """RFC 7518 §4.3: 2048 bits or more; RFC 7517 §5: what cannot be read is passed over."""
    nonsense = {"kty": "RSA", "n": "AQAB", "e": "AQAB"}
    bad = nonsense if size is None else RSAKey.generate_key(size).as_dict(private=False)
    client = a_client(jwks={"keys": [bad, *jwks()["keys"]]}, id_token_encrypted_response_alg="RSA-OAEP-256")
    sign_in(browser, an_account())

    header, _ = opened(tokens_for(browser, client)["id_token"], "RSA-OAEP-256")

    assert header["kid"] == RSA.kid


def test_a_code_survives_while_the_client_has_no_key(app: Flask, browser: FlaskClient) -> None:
    """RFC 9110 §15.6.4: an ID token that cannot be encrypted for now is no fault of the request."""
    client = a_client(id_token_encrypted_response_alg="RSA-OAEP-256")
    sign_in(browser, an_account())
    code = code_for(browser, client, scope="openid offline_access")

    failed = redeem(browser, code)

    assert is_error(failed, "server_error", 503)
    assert failed.headers["Retry-After"] == "60"
    assert db.session.query(RefreshFamily).count() == 0
    change(client, jwks=jwks())
    assert redeem(browser, code).status_code == 200


def test_userinfo_is_signed_for_its_client(app: Flask, browser: FlaskClient) -> None:
    """OIDC Core §5.3.2: with iss and aud."""
    client = a_client(userinfo_signed_response_alg="RS256")
    sign_in(browser, an_account())
    given = tokens_for(browser, client, scope="openid email")

    response = userinfo(browser, given["access_token"])
    stated = provider.keys.verify(response.text, typ=["JWT"])

    assert response.mimetype == "application/jwt"
    assert (stated["iss"], stated["aud"]) == (provider.settings.issuer, client.client_id)
    assert stated["email"] == "anna@example.ch"


def test_userinfo_may_be_encrypted_without_a_signature(app: Flask, browser: FlaskClient) -> None:
    client = a_client(jwks=jwks(), userinfo_encrypted_response_alg="ECDH-ES")
    sign_in(browser, an_account())
    given = tokens_for(browser, client, scope="openid email")

    header, inside = opened(userinfo(browser, given["access_token"]).text, "ECDH-ES")

    assert header["enc"] == encryption.DEFAULT_ENCODING
    assert "cty" not in header
    assert json.loads(inside)["email"] == "anna@example.ch"


def test_a_signed_userinfo_is_no_hint(app: Flask, browser: FlaskClient) -> None:
    """One kind of token never passes for another (RFC 8725 §3.11)."""
    from idp import id_token

    client = a_client(userinfo_signed_response_alg="ES256")
    sign_in(browser, an_account())
    given = tokens_for(browser, client)

    assert id_token.read(userinfo(browser, given["access_token"]).text) is None


def test_without_a_key_nothing_is_told_in_clear(app: Flask, browser: FlaskClient) -> None:
    client = a_client(userinfo_encrypted_response_alg="RSA-OAEP-256")
    sign_in(browser, an_account())
    given = tokens_for(browser, client, scope="openid email")

    response = userinfo(browser, given["access_token"])

    assert is_error(response, "server_error", 503)
    assert "anna" not in response.text


@pytest.mark.parametrize("registered", [True, False])
def test_introspection_answers_with_a_signature(app: Flask, browser: FlaskClient, registered: bool) -> None:
    """RFC 9701 §5, §6: its own type, and the facts inside one claim; RS256 where nothing is registered."""
    client = a_client(introspection_signed_response_alg="ES256" if registered else None)
    sign_in(browser, an_account())
    token = tokens_for(browser, client)["access_token"]
    accept = {} if registered else {"Accept": "application/token-introspection+jwt"}

    response = browser.post("/introspect", data={"token": token}, headers={**basic(), **accept})
    stated = provider.keys.verify(response.text, typ=["token-introspection+jwt"])

    assert response.mimetype == "application/token-introspection+jwt"
    assert jws.extract_compact(response.data).headers()["alg"] == ("ES256" if registered else "RS256")
    assert (stated["iss"], stated["aud"]) == (provider.settings.issuer, client.client_id)
    assert stated["token_introspection"]["active"] is True
    assert not {"sub", "exp"} & set(stated)


@pytest.mark.parametrize(
    ("accept", "is_signed"),
    [
        ("application/token-introspection+jwt, application/json;q=0.9", True),
        ("application/json, application/token-introspection+jwt", True),
        ("application/token-introspection+jwt;q=0.5, application/json", False),
        ("application/token-introspection+jwt;q=0", False),
        ("application/json", False),
        ("*/*", False),
        ("application/*", False),
        ("\x00;q=x,,", False),
    ],
)
def test_the_signed_form_is_given_to_who_prefers_it(
    app: Flask, browser: FlaskClient, accept: str, is_signed: bool
) -> None:
    """RFC 9701 §4, RFC 9110 §12.5.1."""
    client = a_client()
    sign_in(browser, an_account())
    token = tokens_for(browser, client)["access_token"]

    response = browser.post("/introspect", data={"token": token}, headers={**basic(), "Accept": accept})

    assert response.status_code == 200
    assert response.mimetype == ("application/token-introspection+jwt" if is_signed else "application/json")


def test_who_cannot_prove_who_it_is_gets_no_signature(app: Flask, browser: FlaskClient) -> None:
    accept = {"Accept": "application/token-introspection+jwt"}
    a_client()

    response = browser.post("/introspect", data={"token": "x"}, headers={**basic(secret="wrong" * 9), **accept})

    assert response.status_code == 401
    assert response.is_json


def test_a_client_without_a_key_is_told_so_where_it_is_answered(
    app: Flask, browser: FlaskClient, configure: Configure
) -> None:
    """RFC 6749 §4.1.2.1: the person is not left in front of an error for programs."""
    configure(implicit=True)
    client = a_client(
        id_token_encrypted_response_alg="RSA-OAEP-256",
        response_types=["code id_token"],
        grant_types=["authorization_code", "implicit"],
    )
    sign_in(browser, an_account())

    given = answer(authorize(browser, client, response_type="code id_token"))

    assert given["error"] == "server_error"
    assert given["state"] == "state-1"
