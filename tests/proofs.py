"""DPoP proofs for tests, right ones and any other."""

import json
import secrets
import warnings
from typing import Any

from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey
from joserfc.jwk import Key
from joserfc.jwk import OctKey
from joserfc.jwk import OKPKey
from joserfc.jwk import RSAKey

from idp.clock import epoch
from idp.dpop import token_hash
from keys.algorithms import ACCEPTED

ISSUER = "http://localhost:8400"
ES256 = ECKey.generate_key("P-256")
OTHER = ECKey.generate_key("P-256")
KEYS: dict[str, Key] = {
    "ES256": ES256,
    "ES384": ECKey.generate_key("P-384"),
    "ES512": ECKey.generate_key("P-521"),
    "EdDSA": OKPKey.generate_key("Ed25519"),
    "Ed25519": OKPKey.generate_key("Ed25519"),
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSAKey.generate_key(2048)),
}


class _Anything(jws.JWSRegistry):
    """joserfc's rules, without those for the header."""

    def check_header(self, header: dict[str, Any]) -> None:
        """Everything is right."""


def sign(header: dict[str, Any], claims: bytes, key: Key, alg: str) -> str:
    """A JWS with any header, also one that nobody should accept."""
    registry = _Anything(algorithms=[*ACCEPTED, "HS256", "HS384", "HS512"], strict_check_header=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        return jws.serialize_compact({"alg": alg, **header}, claims, key, registry=registry)


def proof(
    path: str = "/token",
    method: str = "POST",
    *,
    key: Key = ES256,
    alg: str = "ES256",
    token: str | None = None,
    header: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    """A right proof, but for the changes; a change to None leaves a member out."""
    claims = {
        "jti": secrets.token_urlsafe(12),
        "htm": method,
        "htu": f"{ISSUER}{path}",
        "iat": epoch(),
        "ath": token_hash(token) if token else None,
        **changes,
    }
    stated = {name: value for name, value in claims.items() if value is not None}
    public = {} if isinstance(key, OctKey) else key.as_dict(private=False)
    members = {"typ": "dpop+jwt", "jwk": public, **(header or {})}
    told = {name: value for name, value in members.items() if value is not None}
    return sign(told, json.dumps(stated).encode(), key, alg)


def dpop(*given: Any, **changes: Any) -> dict[str, str]:
    """The header with a proof."""
    return {"DPoP": proof(*given, **changes)}


def presented(token: str, *, scheme: str = "DPoP", **changes: Any) -> dict[str, str]:
    """The headers that present a bound token to userinfo."""
    return {"Authorization": f"{scheme} {token}", **dpop("/userinfo", "GET", token=token, **changes)}


def assertion(
    client_id: str = "portal",
    *,
    key: Key = ES256,
    alg: str = "ES256",
    header: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, str]:
    """The form parameters of a client assertion; a change to None leaves a claim out."""
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": ISSUER,
        "iat": epoch(),
        "exp": epoch() + 60,
        "jti": secrets.token_urlsafe(12),
        **changes,
    }
    stated = {name: value for name, value in claims.items() if value is not None}
    return {
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": sign(header or {}, json.dumps(stated).encode(), key, alg),
    }


def jwks(*keys: Key) -> dict[str, Any]:
    """What a client registers."""
    return {"keys": [key.as_dict(private=False) for key in keys or (ES256,)]}
