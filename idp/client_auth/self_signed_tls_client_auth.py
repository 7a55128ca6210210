"""self_signed_tls_client_auth: a certificate of the client's own, known by its registered keys (RFC 8705 §2.2)."""

import base64
from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Request
from cryptography import x509

from keys import UnusableKey
from keys.algorithms import from_jwk

from .. import client_certificate
from .. import client_keys
from ..client_auth_method import FindClient
from ..client_auth_method import is_name_alone
from ..models import Client

NAME = "self_signed_tls_client_auth"
EVIDENCE = "name"


def is_presented(request: OAuth2Request) -> bool:
    """A name, and a certificate."""
    return is_name_alone(request) and client_certificate.presented(request.headers) is not None


def authenticate(request: OAuth2Request, find_client: FindClient) -> Client | None:
    """The client of that name, if the certificate is one of its own; who signed it does not matter."""
    certificate = client_certificate.presented(request.headers)
    client = find_client(request.form["client_id"])
    if certificate is None or client is None or client.token_endpoint_auth_method != NAME:
        return None
    return client if any(_is_of(certificate, jwk) for jwk in client_keys.client_keys(client)) else None


def _is_of(certificate: x509.Certificate, jwk: Mapping[str, Any]) -> bool:
    """The very certificate where one is registered with the key (`x5c`), else one for the key (RFC 7517 §4.7)."""
    chain = jwk.get("x5c")
    if chain is not None:
        registered = chain[0] if isinstance(chain, list) and chain else None
        return registered == base64.b64encode(client_certificate.der(certificate)).decode("ascii")
    try:
        return from_jwk(jwk).as_der(private=False) == client_certificate.public_key(certificate)
    except UnusableKey:
        return False
