"""Encryption to a client: what only the holder of its private key can read (RFC 7516, RFC 7518 §4 and §5)."""

from typing import Any

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

from .algorithms import UnusableKey

ALGORITHMS = ("RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW")
"""How the content key is protected; RSA1_5 is broken and not among them (RFC 8725 §3.2)."""
ENCODINGS = ("A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM")
DEFAULT_ENCODING = "A128CBC-HS256"
"""What counts where a client names no encoding (OIDC Registration §2)."""

_REGISTRY = jwe.JWERegistry(algorithms=[*ALGORITHMS, *ENCODINGS])


def key_types(alg: str) -> tuple[str, ...]:
    """The types of key an algorithm encrypts to."""
    return ("RSA",) if alg.startswith("RSA") else ("EC", "OKP")


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
