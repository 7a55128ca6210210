"""Sender constraints: the key a client holds, and tokens that count in its hands only (RFC 9449, RFC 8705).

A token's `confirmation` is the `cnf` of RFC 7800: `jkt`, the thumbprint of a DPoP key, or `x5t#S256`, that of a
certificate.
"""

import hmac
from collections.abc import Mapping

from authlib.oauth2.rfc6749 import InvalidRequestError
from flask import Request

from . import client_certificate
from . import dpop
from . import profiles
from .models import Client

KEY = "jkt"
CERTIFICATE = "x5t#S256"


def is_demanded(client: Client) -> bool:
    """Whether this client may have no token that counts in anybody's hands."""
    by_flag = client.dpop_bound_access_tokens or client.tls_client_certificate_bound_access_tokens
    return by_flag or profiles.of(client).sender_constrained


def presented(http: Request, client: Client) -> dict[str, str] | None:
    """What tokens minted for this request are bound to; raises where the client must be bound and is not.

    A certificate binds only where the client registered that, or where a profile leaves it the choice and it sends no
    proof: many show one for other reasons.
    """
    jkt = dpop.key_thumbprint(http, client)
    if jkt is None and client.dpop_bound_access_tokens:
        raise dpop.InvalidDPoPProof()
    given = {} if jkt is None else {KEY: jkt}
    by_certificate = client.tls_client_certificate_bound_access_tokens
    if by_certificate or (jkt is None and is_demanded(client)):
        certificate = client_certificate.presented(http.headers)
        if certificate is None:
            raise (
                InvalidRequestError("A client certificate is required.") if by_certificate else dpop.InvalidDPoPProof()
            )
        given[CERTIFICATE] = client_certificate.thumbprint(certificate)
    return given or None


def token_type(confirmation: Mapping[str, str] | None) -> str:
    """How the client must present a token that is bound so (RFC 9449 §5, RFC 8705 §3)."""
    return "DPoP" if confirmation is not None and KEY in confirmation else "Bearer"


def is_same(wanted: Mapping[str, str], given: Mapping[str, str] | None) -> bool:
    """Whether the sender holds every key that is wanted."""
    return all(hmac.compare_digest(value, (given or {}).get(name, "")) for name, value in wanted.items())


def is_held(http: Request, confirmation: Mapping[str, str] | None, client: Client, access_token: str) -> bool:
    """Whether who presents this access token to a resource holds what it is bound to (RFC 9449 §7)."""
    if confirmation is None:
        return True
    given = {}
    if KEY in confirmation:
        given[KEY] = dpop.key_thumbprint(http, client, access_token=access_token) or ""
    certificate = client_certificate.presented(http.headers) if CERTIFICATE in confirmation else None
    if certificate is not None:
        given[CERTIFICATE] = client_certificate.thumbprint(certificate)
    return is_same(confirmation, given)
