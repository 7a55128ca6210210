"""Assertions: short-lived JWTs in which somebody vouches for a client or a person, each believed once (RFC 7523 §3).

What is asked of both kinds: that of clients (`client_assertion.py`), that of trusted issuers (`grants/jwt_bearer.py`).
"""

import hashlib
import json
from base64 import urlsafe_b64decode
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from . import profiles
from .clock import epoch
from .models import Client
from .provider import provider

LONGEST_LIFE = 600
SKEW = 60
LONGEST_JTI = 512


def before_proof(token: str, member: str) -> object:
    """A member of what it says: good for finding the key, for nothing else; None where that cannot be read."""
    try:
        payload = token.split(".")[1].encode("ascii")
        return json.loads(urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))[member]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def names_us(audience: object, client: Client, paths: Iterable[str] = ()) -> bool:
    """Whether the audience is this server and nobody else.

    It is named by the issuer; as programs also do it, by the token endpoint or another they call. The profiles of FAPI
    2.0 leave the issuer alone, as a single text (Security Profile §5.3.2.1).
    """
    settings = provider.settings
    if profiles.of(client).strict_audience:
        return bool(audience == settings.issuer)
    ours = {settings.issuer, *(f"{base}{path}" for base in settings.bases for path in ("/token", *paths))}
    audiences = audience if isinstance(audience, list) else [audience]
    return bool(audiences) and all(isinstance(each, str) and each in ours for each in audiences)


def is_timely(stated: Mapping[str, Any]) -> bool:
    """Ends soon, is not from the future, and was made after the store began to remember (decision 3)."""
    moment = epoch()
    times = {name: stated[name] for name in ("exp", "iat", "nbf") if name in stated}
    if "exp" not in times or not all(_is_time(value) for value in times.values()):
        return False
    if not moment - SKEW < times["exp"] <= moment + LONGEST_LIFE + SKEW:
        return False
    if any(times[name] > moment + SKEW for name in ("iat", "nbf") if name in times):
        return False
    issued = times.get("iat", times["exp"] - LONGEST_LIFE)
    return bool(issued >= int(provider.store.born().timestamp()))


def is_new(kind: str, who: str, stated: Mapping[str, Any]) -> bool:
    """Its `jti` is used for the first time, on whichever node; remembered until nobody would accept it any more."""
    jti = stated.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI:
        return False
    key = hashlib.sha256(f"{who}\n{jti}".encode("utf-8", "surrogatepass")).hexdigest()
    return provider.store.add_once(kind, key, int(stated["exp"]) - epoch() + SKEW + 1)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 10**11
