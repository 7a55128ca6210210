"""client_secret_basic: id and secret in the Authorization header (RFC 6749 §2.3.1)."""

import base64
import binascii
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import OAuth2Request

from ..client_auth_method import FindClient
from ..client_secrets import is_right
from ..models import Client

NAME = "client_secret_basic"
EVIDENCE = "header"


def is_presented(request: OAuth2Request) -> bool:
    """Any Authorization header counts: one of another scheme is a wrong one, not none."""
    return "Authorization" in request.headers


def authenticate(request: OAuth2Request, find_client: FindClient) -> Client | None:
    """Both parts are form-urlencoded before they are joined and encoded; anything malformed fits nobody."""
    credentials = _decode(request.headers["Authorization"])
    if credentials is None:
        return None
    client_id, secret = credentials
    client = find_client(client_id)
    return client if is_right(client, secret) else None


def _decode(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8")
        client_id, colon, secret = text.partition(":")
        return (unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")) if colon else None
    except (binascii.Error, ValueError):
        return None
