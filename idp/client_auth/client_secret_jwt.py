"""client_secret_jwt: a short-lived assertion with a MAC keyed by the client's secret (OIDC Core §9).

The one way for which a secret is kept so that it can be read again: sealed, and only for clients registered for it.
"""

import json
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Request
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from keys import InvalidToken
from keys.algorithms import read_header

from .. import client_assertion
from .. import client_secrets
from ..client_auth_method import FindClient
from ..models import Client

NAME = "client_secret_jwt"
EVIDENCE = "assertion"
ALGORITHMS = ("HS256", "HS384", "HS512")


def is_presented(request: OAuth2Request) -> bool:
    """An assertion in the form, with a MAC."""
    return client_assertion.is_presented(request) and client_assertion.algorithm(request).startswith("HS")


def authenticate(request: OAuth2Request, find_client: FindClient) -> Client | None:
    """The client whose secret made the MAC, if it did so for us, just now, and for the first time."""
    assertion, alg = client_assertion.of(request), client_assertion.algorithm(request)
    client = find_client(client_assertion.subject(assertion))
    if client is None or client.token_endpoint_auth_method != NAME or not client_assertion.may_sign_with(client, alg):
        return None
    try:
        stated = _verified(assertion, client, alg)
    except InvalidToken:
        return None
    return client if client_assertion.is_acceptable(stated, client, request) else None


def _verified(assertion: str, client: Client, alg: str) -> dict[str, Any]:
    """The claims under one of the client's living secrets; the header is read for what must not be in it."""
    read_header(assertion)
    for secret in client_secrets.living(client) if alg in ALGORITHMS else ():
        try:
            registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
            signed = jws.deserialize_compact(assertion.encode("ascii"), OctKey.import_key(secret), registry=registry)
            stated = json.loads(signed.payload)
        except (JoseError, ValueError, TypeError, RecursionError):
            continue
        if isinstance(stated, dict):
            return stated
    raise InvalidToken("No secret of the client fits the assertion.")
