"""Encryption: to a client, so that only it can read, and to us, opened again (RFC 7516, RFC 7518 §4 and §5)."""

import json
from typing import Any
from typing import cast

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry
from joserfc.util import urlsafe_b64decode

from .algorithms import RSA_BITS
from .algorithms import TOKEN_LENGTH
from .algorithms import AsymmetricKey
from .algorithms import InvalidToken
from .algorithms import UnusableKey

OPENED_BY = {
    "RSA-OAEP": ("RSA-OAEP", "RSA-OAEP-256"),
    "ECDH-ES": ("ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"),
}
"""The kinds of key that others encrypt to, and what each of them opens."""
ALGORITHMS = tuple(alg for algs in OPENED_BY.values() for alg in algs)
"""How the content key is protected; RSA1_5 is broken and not among them (RFC 8725 §3.2)."""
ENCODINGS = ("A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM")
DEFAULT_ENCODING = "A128CBC-HS256"
"""What counts where a client names no encoding (OIDC Registration §2)."""

# Unknown header members are ignored (RFC 7516 §4); no `zip` is among the algorithms: a small text must not grow.
_REGISTRY = jwe.JWERegistry(algorithms=[*ALGORITHMS, *ENCODINGS], strict_check_header=False)
_UNREADABLE = (JoseError, ValueError, TypeError, KeyError, AttributeError, AssertionError, RecursionError)


def key_types(alg: str) -> tuple[str, ...]:
    """The types of key an algorithm encrypts to."""
    return ("RSA",) if alg.startswith("RSA") else ("EC", "OKP")


def generate(kind: str) -> AsymmetricKey:
    """Make a new private key that others encrypt to; its kid is its thumbprint (RFC 7638)."""
    if kind not in OPENED_BY:
        raise UnusableKey(f"No key is made for {kind}: choose one of {', '.join(OPENED_BY)}.")
    key_type, size_or_curve = ("RSA", RSA_BITS) if kind == "RSA-OAEP" else ("EC", "P-256")
    key = JWKRegistry.generate_key(key_type, size_or_curve, {"alg": kind, "use": "enc"}, auto_kid=True)
    return cast("AsymmetricKey", key)


def encrypt(text: str, jwk: dict[str, Any], *, alg: str, enc: str, cty: str | None = None) -> str:
    """Encrypt to a public key as a compact JWE; `cty` is `JWT` for a nested token (RFC 7519 §5.2)."""
    if alg not in ALGORITHMS or enc not in ENCODINGS:
        raise UnusableKey("This is not an algorithm to encrypt with.")
    header = {"alg": alg, "enc": enc, **({"cty": cty} if cty else {})}
    if isinstance(jwk.get("kid"), str):
        header["kid"] = jwk["kid"]
    try:
        key = JWKRegistry.import_key({name: value for name, value in jwk.items() if name not in {"key_ops", "use"}})
        return jwe.encrypt_compact(header, text.encode(), key, registry=_REGISTRY)
    except (JoseError, ValueError, TypeError, KeyError):
        raise UnusableKey("The client's key cannot be encrypted to.") from None


def is_encrypted(token: str) -> bool:
    """Whether a token looks like a compact JWE: five parts, where a signed one has three (RFC 7516 §9)."""
    return token.count(".") == 4


def read_header(token: str) -> dict[str, Any]:
    """Read the header of a JWE and refuse what is never opened here: an unknown algorithm, `zip`, `crit`.

    What was compressed could grow without bound (RFC 8725 §3.6), and says how long its secrets are.
    """
    if len(token) > TOKEN_LENGTH or not token.isascii() or not is_encrypted(token):
        raise InvalidToken("The token is malformed.")
    try:
        header = json.loads(urlsafe_b64decode(token.partition(".")[0].encode()))
    except (ValueError, RecursionError):
        raise InvalidToken("The token is malformed.") from None
    if not isinstance(header, dict) or not {"zip", "crit"}.isdisjoint(header):
        raise InvalidToken("The token demands what nobody here does.")
    if header.get("alg") not in ALGORITHMS or header.get("enc") not in ENCODINGS:
        raise InvalidToken("The token is encrypted with another algorithm than expected.")
    return header


def decrypt(token: str, key: AsymmetricKey) -> str:
    """Open a compact JWE with a private key of ours; every way in which it can be wrong ends in one error.

    Whoever has the public key could have made it: it says nothing about who wrote what is inside.
    """
    read_header(token)
    try:
        plaintext = jwe.decrypt_compact(token, key, registry=_REGISTRY).plaintext
        return (plaintext or b"").decode("ascii")
    except _UNREADABLE:
        raise InvalidToken("The token cannot be opened.") from None
