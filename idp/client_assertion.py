"""Client assertions: a short-lived JWT by which a client proves who it is (RFC 7523, OIDC Core §9).

What both ways have in common, `private_key_jwt` and `client_secret_jwt`; the algorithm in the header tells which of the
two is presented.
"""

from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Request

from keys import InvalidToken
from keys.algorithms import read_header

from . import assertions
from . import profiles
from .models import Client
from .provider import provider

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_LENGTH = 16 * 1024


def is_presented(request: OAuth2Request) -> bool:
    """Whether the form holds an assertion, right or wrong."""
    return "client_assertion" in request.form or "client_assertion_type" in request.form


def of(request: OAuth2Request) -> str:
    """The assertion; empty where it has another type or no end."""
    assertion: str = request.form.get("client_assertion", "")
    if request.form.get("client_assertion_type") != ASSERTION_TYPE or len(assertion) > MAX_LENGTH:
        return ""
    return assertion


def algorithm(request: OAuth2Request) -> str:
    """What it says it is signed with: good for choosing the way, for nothing else."""
    try:
        alg = read_header(request.form.get("client_assertion", "")[: MAX_LENGTH + 1]).get("alg")
    except InvalidToken:
        return ""
    return alg if isinstance(alg, str) else ""


def subject(assertion: str) -> str:
    """Who it says it is: good for finding the key, for nothing else."""
    name = assertions.before_proof(assertion, "sub")
    return name if isinstance(name, str) else ""


def may_sign_with(client: Client, alg: str) -> bool:
    """The algorithm the client registered, if it did, and one of its profile (OIDC Registration §2)."""
    allowed = profiles.of(client).algorithms
    return client.token_endpoint_auth_signing_alg in (None, alg) and (allowed is None or alg in allowed)


def is_acceptable(stated: dict[str, Any], client: Client, request: OAuth2Request) -> bool:
    """Whether genuine claims are meant for us, made just now, and seen for the first time: asked in this order.

    Issuer and subject are the client (RFC 7523 §3).
    """
    if stated.get("iss") != client.client_id or stated.get("sub") != client.client_id:
        return False
    called = request.uri.removeprefix(provider.settings.issuer)
    is_for_us = assertions.names_us(stated.get("aud"), client, [called])
    return is_for_us and assertions.is_timely(stated) and assertions.is_new("jti", client.client_id, stated)
