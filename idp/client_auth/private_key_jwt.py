"""private_key_jwt: a short-lived assertion signed with the client's own key (OIDC Core §9, RFC 7523 §3)."""

from authlib.oauth2.rfc6749 import OAuth2Request

from keys import InvalidToken
from keys.algorithms import ACCEPTED

from .. import client_assertion
from .. import client_keys
from ..client_auth_method import FindClient
from ..models import Client

NAME = "private_key_jwt"
EVIDENCE = "assertion"
ALGORITHMS = ACCEPTED


def is_presented(request: OAuth2Request) -> bool:
    """An assertion in the form; one with a MAC is another way."""
    return client_assertion.is_presented(request) and not client_assertion.algorithm(request).startswith("HS")


def authenticate(request: OAuth2Request, find_client: FindClient) -> Client | None:
    """The client that signed the assertion, if it did so for us, just now, and for the first time."""
    assertion, alg = client_assertion.of(request), client_assertion.algorithm(request)
    client = find_client(client_assertion.subject(assertion))
    if client is None or not client.is_active or client.token_endpoint_auth_method != NAME:
        return None  # before its keys are fetched: that takes time, and tells whether there is such a client
    if not client_assertion.may_sign_with(client, alg) or not client_keys.has_keys(client):
        return None
    try:
        stated = client_keys.verify(assertion, client, alg)
    except InvalidToken:
        return None
    return client if client_assertion.is_acceptable(stated, client, request) else None
