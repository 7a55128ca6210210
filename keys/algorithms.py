"""Signature algorithms: which we sign with, which we accept, and the keys they need (RFC 7515, 7518, 8037).

Everything that signs or verifies goes through `sign` and `verify`: the caller names the algorithm, never the
token, and every way in which foreign input can be wrong ends in one error.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.jwk import JWKRegistry
from joserfc.jwk import Key
from joserfc.jwk import KeyParameters
from joserfc.jwk import OctKey
from joserfc.jwk import OKPKey
from joserfc.jwk import RSAKey

AsymmetricKey: TypeAlias = RSAKey | ECKey | OKPKey

SIGNING = ("RS256", "PS256", "ES256", "EdDSA")
ACCEPTED = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)

TOKEN_LENGTH = 64 * 1024
HEADER_LENGTH = 8 * 1024
RSA_BITS = 2048  # RFC 7518 §3.3; FAPI 2.0 Security Profile §5.4.1

_CURVES = {"ES256": "P-256", "EdDSA": "Ed25519"}
_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}


class InvalidToken(Exception):
    """A signed token that is not what it claims to be; the message repeats nothing of the token."""


class UnusableKey(ValueError):
    """Key material that does not fit its algorithm."""


def generate(alg: str) -> AsymmetricKey:
    """Make a new private key; its kid is its thumbprint, so that no two keys share one (RFC 7638)."""
    if alg not in SIGNING:
        raise UnusableKey(f"No key is made for {alg}: choose one of {', '.join(SIGNING)}.")
    size_or_curve = _CURVES.get(alg, RSA_BITS)
    key = JWKRegistry.generate_key(_key_type(alg), size_or_curve, _labels(alg), auto_kid=True)
    return _usable(key)


def to_jwk(key: AsymmetricKey) -> str:
    """Write a private key as JWK JSON (RFC 7517)."""
    return json.dumps(key.as_dict(private=True), separators=(",", ":"))


def from_jwk(text: str | Mapping[str, Any]) -> AsymmetricKey:
    """Read a key, private or public, from JWK JSON (RFC 7517 §4)."""
    try:
        members = json.loads(text) if isinstance(text, str) else dict(text)
        key = JWKRegistry.import_key(members)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        raise UnusableKey("This is not a JWK that can be read.") from None
    return _usable(key)


def to_pem(key: AsymmetricKey) -> bytes:
    """Write a private key as PKCS #8 PEM (RFC 5958), without encryption."""
    return key.as_pem(private=True)


def from_pem(pem: bytes | str, alg: str) -> AsymmetricKey:
    """Read a private key from PEM and name its algorithm, which PEM cannot say."""
    if alg not in ACCEPTED:
        raise UnusableKey(f"{alg} is not an algorithm of ours.")
    try:
        key = JWKRegistry.import_key(pem, _key_type(alg), _labels(alg))
        jws.JWSRegistry.algorithms[alg].check_key(key)
    except (JoseError, ValueError, TypeError, KeyError, UnsupportedAlgorithm):
        raise UnusableKey(f"This is not a PEM key for {alg}.") from None
    if not key.is_private:
        raise UnusableKey("This PEM holds no private key.")
    key.ensure_kid()
    return _usable(key)


def sign(claims: Mapping[str, Any], key: AsymmetricKey, header: Mapping[str, Any]) -> str:
    """Sign claims as a compact JWS (RFC 7515 §3.1); the header names the algorithm."""
    # NaN is not JSON; ASCII only, so that no claim, whatever it holds, can fail to be written.
    payload = json.dumps(claims, separators=(",", ":"), allow_nan=False).encode("ascii")
    return jws.serialize_compact(dict(header), payload, key, registry=_REGISTRIES[header["alg"]])


def read_header(token: str) -> dict[str, Any]:
    """Read the header of a token that nobody has verified yet: good for finding a key, for nothing else."""
    return _parse(token).protected


def verify(token: str, key: AsymmetricKey, alg: str) -> dict[str, Any]:
    """Verify a compact JWS with the one algorithm expected of this key and return its claims (RFC 8725 §3.1).

    Expiry, issuer and audience are the caller's to judge.
    """
    signed = _parse(token)
    if alg not in ACCEPTED or signed.protected.get("alg") != alg:
        raise InvalidToken("The token is signed with another algorithm than expected.")
    try:
        is_genuine = jws.validate_compact(signed, _usable(key), registry=_REGISTRIES[alg])
    except (JoseError, ValueError, TypeError):
        raise InvalidToken("The token does not fit its key.") from None
    if not is_genuine:
        raise InvalidToken("The token's signature is wrong.")
    return _claims(signed.payload)


def left_half_hash(value: str, alg: str) -> str:
    """Compute at_hash, c_hash or s_hash for a token signed with `alg` (OIDC Core §3.1.3.6, §3.3.2.11).

    Ed25519 hashes with SHA-512, so its half is the half of that.
    """
    if alg not in ACCEPTED:
        raise ValueError(f"{alg} is not an algorithm of ours.")
    digest = _HASHES.get(alg[2:], hashlib.sha512)(value.encode("utf-8")).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode("ascii")


class _OneAlgorithm(jws.JWSRegistry):
    """joserfc's rules for one algorithm.

    Unknown header members are ignored (RFC 7515 §4), sizes are ours, and joserfc's warning that EdDSA has a
    newer name (RFC 9864) is left out: that is the name clients know.
    """

    max_header_length = HEADER_LENGTH
    max_payload_length = TOKEN_LENGTH

    def __init__(self, alg: str) -> None:
        super().__init__(algorithms=[alg], strict_check_header=False)
        self._alg = alg

    def get_alg(self, name: str) -> Any:
        if name != self._alg:
            raise UnusableKey("Another algorithm than expected.")
        return self.algorithms[name]


_REGISTRIES = {alg: _OneAlgorithm(alg) for alg in ACCEPTED}


def _parse(token: str) -> jws.CompactSignature:
    if len(token) > TOKEN_LENGTH:
        raise InvalidToken("The token is too long.")
    try:
        signed = jws.extract_compact(token.encode("ascii"), registry=_REGISTRIES["RS256"])
    except (JoseError, ValueError, TypeError, RecursionError):  # a header may be any JSON, however deep
        raise InvalidToken("The token is malformed.") from None
    if not isinstance(signed.protected, dict):
        raise InvalidToken("The token is malformed.")
    if "crit" in signed.protected or "b64" in signed.protected:
        # RFC 7515 §4.1.11: what must be understood and is not, is refused; RFC 7797 §7: a JWT has no b64.
        raise InvalidToken("The token demands an extension that nobody here understands.")
    return signed


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError):
        raise InvalidToken("The token's claims cannot be read.") from None
    if not isinstance(claims, dict):
        raise InvalidToken("The token's claims cannot be read.")
    return claims


def _key_type(alg: str) -> str:
    return jws.JWSRegistry.algorithms[alg].key_type


def _labels(alg: str) -> KeyParameters:
    return {"alg": alg, "use": "sig"}


def _usable(key: Key) -> AsymmetricKey:
    """Let only keys pass that may sign: a secret is no public key, and small RSA keys are broken."""
    if isinstance(key, OctKey):
        raise UnusableKey("A symmetric key signs nothing here.")
    if isinstance(key, RSAKey) and key.raw_value.key_size < RSA_BITS:
        raise UnusableKey(f"An RSA key needs at least {RSA_BITS} bits (RFC 7518 §3.3).")
    if isinstance(key, OKPKey) and key.curve_name not in ("Ed25519", "Ed448"):
        raise UnusableKey(f"A key on {key.curve_name} agrees on secrets and signs nothing (RFC 8037 §3.2).")
    return key
