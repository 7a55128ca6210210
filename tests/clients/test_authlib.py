"""Authlib's client for requests: the library that most Python portals would take."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl
from urllib.parse import urlsplit

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.integrations.requests_client import OAuthError
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken
from foreign import EVERY_SCOPE
from foreign import LANDING
from foreign import Registered
from foreign import new_key
from joserfc import jwt
from joserfc.jwk import KeySet
from live import Live
from walk import Walker

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
NONCE = "n-0S6_WzA2Mj"


def discover(live: Live) -> dict[str, Any]:
    answer = requests.get(f"{live.issuer}/.well-known/openid-configuration", timeout=10)
    answer.raise_for_status()
    return dict(answer.json())


def session_of(client: Registered, **more: Any) -> OAuth2Session:
    given = {
        "client_id": client.client_id,
        "client_secret": client.secret,
        "scope": f"{EVERY_SCOPE} offline_access",
        "redirect_uri": f"{LANDING}cb",
        "code_challenge_method": "S256",
        "default_timeout": 10,
        "leeway": 0,
    }
    return OAuth2Session(**{**given, **more})


def land(walker: Walker, session: OAuth2Session, metadata: dict[str, Any]) -> str:
    """Where a browser that is signed in ends: the client's address, with the answer."""
    url, _ = session.create_authorization_url(metadata["authorization_endpoint"], code_verifier=VERIFIER, nonce=NONCE)
    page = walker.open(url)
    assert page.text == "landed", page.text[:1000]
    return page.url


def redeem(session: OAuth2Session, metadata: dict[str, Any], landed: str) -> dict[str, Any]:
    return dict(session.fetch_token(metadata["token_endpoint"], authorization_response=landed, code_verifier=VERIFIER))


def checked(live: Live, metadata: dict[str, Any], client: Registered, token: dict[str, Any]) -> CodeIDToken:
    """The ID token's claims, checked as the library checks them."""
    keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=10).json())
    decoded = jwt.decode(token["id_token"], keys, algorithms=metadata["id_token_signing_alg_values_supported"])
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        {"iss": {"essential": True, "value": live.issuer}, "aud": {"essential": True, "value": client.client_id}},
        {"nonce": NONCE, "client_id": client.client_id, "access_token": token["access_token"]},
    )
    claims.validate(now=int(time.time()))
    return claims


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
@pytest.mark.parametrize("auth", ["client_secret_basic", "client_secret_post"])
def test_code_token_userinfo_and_refresh(
    live: Live, register: Callable[..., Registered], signed_in: Walker, auth: str, algorithm: str
) -> None:
    client = register(f"{LANDING}cb", auth=auth, alg=algorithm)
    metadata = discover(live)
    session = session_of(client, token_endpoint_auth_method=auth)
    landed = land(signed_in, session, metadata)

    token = redeem(session, metadata, landed)

    claims = checked(live, metadata, client, token)
    assert claims.header["alg"] == algorithm
    assert dict(parse_qsl(urlsplit(landed).query))["iss"] == live.issuer
    userinfo = session.get(metadata["userinfo_endpoint"]).json()
    assert userinfo["sub"] == claims["sub"]
    refreshed = session.refresh_token(metadata["token_endpoint"])
    assert refreshed["refresh_token"] != token["refresh_token"]
    assert session.get(metadata["userinfo_endpoint"]).json() == userinfo


def test_a_code_cannot_be_redeemed_twice(live: Live, register: Callable[..., Registered], signed_in: Walker) -> None:
    """RFC 6749 §4.1.2, and the tokens of the first redemption end with the second."""
    client, metadata = register(f"{LANDING}cb"), discover(live)
    session = session_of(client)
    landed = land(signed_in, session, metadata)
    redeem(session, metadata, landed)
    thief = session_of(client)

    with pytest.raises(OAuthError, match="invalid_grant"):
        redeem(thief, metadata, landed)

    assert session.get(metadata["userinfo_endpoint"]).status_code == 401


def test_a_key_instead_of_a_secret(live: Live, register: Callable[..., Registered], signed_in: Walker) -> None:
    """RFC 7523: `private_key_jwt`; the library's assertions live for an hour unless told to be short, as we demand."""
    key, metadata = new_key("ES256"), discover(live)
    client = register(f"{LANDING}cb", auth="private_key_jwt", jwks={"keys": [key.as_dict(private=False)]})
    session = session_of(client, client_secret=key, token_endpoint_auth_method="private_key_jwt")
    short_life = {"exp": int(time.time()) + 60}
    session.register_client_auth_method(PrivateKeyJWT(metadata["token_endpoint"], alg="ES256", claims=short_life))

    token = redeem(session, metadata, land(signed_in, session, metadata))

    assert checked(live, metadata, client, token)["aud"] == client.client_id


def test_introspection_and_revocation(live: Live, register: Callable[..., Registered], signed_in: Walker) -> None:
    client, metadata = register(f"{LANDING}cb"), discover(live)
    session = session_of(client)
    token = redeem(session, metadata, land(signed_in, session, metadata))
    introspect = metadata["introspection_endpoint"]
    assert session.introspect_token(introspect, token=token["access_token"]).json()["active"] is True

    answer = session.revoke_token(metadata["revocation_endpoint"], token=token["refresh_token"])

    assert answer.status_code == 200
    assert session.introspect_token(introspect, token=token["access_token"]).json() == {"active": False}
