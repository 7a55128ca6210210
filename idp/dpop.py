"""DPoP: proofs that the sender of a request holds a key (RFC 9449).

One validator for the token endpoint, pushed requests and resources. It answers with the thumbprint of the key, which is
all that codes, tokens and families keep of it. What must be bound to a key is for others to say.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import OAuth2Error
from flask import Request
from flask import Response
from flask import request as current

from keys import InvalidToken
from keys import UnusableKey
from keys.algorithms import ACCEPTED
from keys.algorithms import from_jwk
from keys.algorithms import read_header
from keys.algorithms import verify

from . import profiles
from .client_keys import PRIVATE_MEMBERS
from .clock import epoch
from .models import Client
from .provider import provider

ALGORITHMS = ACCEPTED
HEADER = "DPoP"
NONCE_HEADER = "DPoP-Nonce"
TYPE = "dpop+jwt"
WINDOW = 60
"""Seconds by which the client's clock may differ from ours, either way (RFC 9449 §11.1)."""
NONCE_SECONDS = 150
"""A nonce counts while it is the newest one, and as long again (RFC 9449 §8)."""
MAX_LENGTH = 16 * 1024
MAX_JTI = 512

_DEFAULT_PORTS = {"https": 443, "http": 80}
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]")


class InvalidDPoPProof(OAuth2Error):  # type: ignore[misc]
    """No proof where one is needed, or one that proves nothing; which, is not said (RFC 9449 §5)."""

    error = "invalid_dpop_proof"
    description = "A DPoP proof is required, valid for this request."


class UseDPoPNonce(OAuth2Error):  # type: ignore[misc]
    """The proof lacks a nonce of ours, or has an old one (RFC 9449 §8)."""

    error = "use_dpop_nonce"
    description = "The DPoP proof must contain the nonce of this answer."

    def get_headers(self) -> list[tuple[str, str]]:
        """With the nonce to use."""
        return [*super().get_headers(), (NONCE_HEADER, nonce())]


def key_thumbprint(http: Request, client: Client, *, access_token: str | None = None) -> str | None:
    """The thumbprint of the key that this request's proof is signed with (RFC 7638), None where it has no proof.

    With an access token, the proof must be for it. Raises `InvalidDPoPProof` or `UseDPoPNonce`.
    """
    proof = http.headers.get(HEADER)
    if proof is None:
        return None
    thumbprint, stated = _verified(proof, client)
    if not _is_for(http, stated) or not _is_fresh(stated.get("iat")):
        raise InvalidDPoPProof()
    if access_token is not None and not _equal(stated.get("ath"), token_hash(access_token)):
        raise InvalidDPoPProof()
    if provider.settings.dpop_nonce and not any(_equal(stated.get("nonce"), each) for each in _good_nonces()):
        raise UseDPoPNonce()
    if not _is_new(stated, thumbprint):
        raise InvalidDPoPProof()
    return thumbprint


def pushed_key(http: Request, client: Client, named: str | None) -> str | None:
    """The key to which a pushed request binds its code: proven, named (`dpop_jkt`), or both alike (RFC 9449 §10.1)."""
    proven = key_thumbprint(http, client)
    if proven is not None and named is not None and proven != named:
        raise InvalidDPoPProof()
    return proven or named


def token_hash(access_token: str) -> str:
    """The `ath` of an access token (RFC 9449 §4.2)."""
    digest = hashlib.sha256(access_token.encode("utf-8", "surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def nonce() -> str:
    """The newest nonce, the same on every node: nobody keeps it, the vault can make it again."""
    return provider.vault.fingerprint("dpop_nonce", str(_period()))


def offer_nonce(response: Response) -> Response:
    """Give a client that sends proofs the nonce for its next one (RFC 9449 §8.2)."""
    if provider.settings.dpop_nonce and HEADER in current.headers:
        response.headers[NONCE_HEADER] = nonce()
    return response


def _verified(proof: str, client: Client) -> tuple[str, dict[str, Any]]:
    """Thumbprint and claims of one well-formed proof under the public key it brings (RFC 9449 §4.3).

    Servers join a repeated header with commas, which no proof contains: two proofs are none.
    """
    if len(proof) > MAX_LENGTH:
        raise InvalidDPoPProof()
    try:
        header = read_header(proof)
        alg, jwk = header.get("alg"), header.get("jwk")
        if header.get("typ") != TYPE or not isinstance(jwk, Mapping) or alg not in _algorithms(client):
            raise InvalidDPoPProof()
        if not PRIVATE_MEMBERS.isdisjoint(jwk):
            raise InvalidDPoPProof()
        key = from_jwk(jwk)
        return key.thumbprint(), verify(proof, key, alg)
    except (InvalidToken, UnusableKey):
        raise InvalidDPoPProof() from None


def _algorithms(client: Client) -> tuple[str, ...]:
    return profiles.of(client).algorithms or ALGORITHMS


def _is_for(http: Request, stated: Mapping[str, Any]) -> bool:
    """Made for this method and this address; ours by configuration, never by the Host header (RFC 9449 §4.3)."""
    ours = {_normal(f"{base}{http.path}") for base in provider.settings.bases}
    htu = stated.get("htu")
    return stated.get("htm") == http.method and isinstance(htu, str) and _normal(htu) in ours


def _normal(address: str) -> tuple[str, str, int | None, str] | None:
    """An address in the form it is compared in, without query and fragment (RFC 3986 §6.2.2, §6.2.3)."""
    try:
        parts = urlsplit(address)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        return None
    if not host or "@" in parts.netloc:
        return None
    return scheme, host, port or _DEFAULT_PORTS.get(scheme), _ESCAPED.sub(_unescaped, parts.path) or "/"


def _unescaped(escaped: re.Match[str]) -> str:
    """RFC 3986 §6.2.2.2: only what never needed it."""
    char = chr(int(escaped[1], 16))
    return char if _UNRESERVED.fullmatch(char) else escaped[0].upper()


def _is_fresh(issued: object) -> bool:
    """Made about now, and after the store began to remember (decision 3)."""
    if not isinstance(issued, int | float) or isinstance(issued, bool) or not 0 <= issued < 10**11:
        return False
    return abs(issued - epoch()) <= WINDOW and issued >= int(provider.store.born().timestamp())


def _is_new(stated: Mapping[str, Any], thumbprint: str) -> bool:
    """The first proof with this `jti` by this key, for as long as anybody would accept it (RFC 9449 §11.1)."""
    jti = stated.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        return False
    key = hashlib.sha256(f"{thumbprint}\n{jti}".encode("utf-8", "surrogatepass")).hexdigest()
    return provider.store.add_once("dpop_jti", key, int(stated["iat"]) + WINDOW + 2 - epoch())


def _good_nonces() -> list[str]:
    periods = (_period(), _period() - 1)
    return [each for period in periods for each in provider.vault.fingerprints("dpop_nonce", str(period))]


def _period() -> int:
    return epoch() // NONCE_SECONDS


def _equal(stated: object, expected: str) -> bool:
    return isinstance(stated, str) and hmac.compare_digest(stated.encode("utf-8", "surrogatepass"), expected.encode())
