"""Client assertions: a short-lived JWT by which a client proves who it is (RFC 7523, OIDC Core §9).

What both ways have in common, `private_key_jwt` and `client_secret_jwt`; the algorithm in the header tells which of the
two is presented.
"""

import hashlib
import json
from base64 import urlsafe_b64decode
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Request

from keys import InvalidToken
from keys.algorithms import read_header

from . import profiles
from .clock import epoch
from .models import Client
from .provider import provider

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_LIFE = 600
SKEW = 60
MAX_LENGTH = 16 * 1024


def is_presented(request: OAuth2Request) -> bool:
    """Whether the form holds an assertion, right or wrong."""
    return "client_assertion" in request.form or "client_assertion_type" in request.form


def of(request: OAuth2Request) -> str:
    """The assertion; empty where it has another type or no end."""
    assertion: str = request.form.get("client_assertion", "")
    if request.form.get("client_assertion_type") != ASSERTION_TYPE or len(assertion) > MAX_LENGTH:
        return ""
    return assertion


def algorithm(request: OAuth2Request) -> str:
    """What it says it is signed with: good for choosing the way, for nothing else."""
    try:
        alg = read_header(request.form.get("client_assertion", "")[: MAX_LENGTH + 1]).get("alg")
    except InvalidToken:
        return ""
    return alg if isinstance(alg, str) else ""


def subject(assertion: str) -> str:
    """Who it says it is: good for finding the key, for nothing else."""
    try:
        payload = assertion.split(".")[1].encode("ascii")
        stated = json.loads(urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
        name = stated["sub"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return name if isinstance(name, str) else ""


def may_sign_with(client: Client, alg: str) -> bool:
    """The algorithm the client registered, if it did, and one of its profile (OIDC Registration §2)."""
    allowed = profiles.of(client).algorithms
    return client.token_endpoint_auth_signing_alg in (None, alg) and (allowed is None or alg in allowed)


def is_acceptable(stated: dict[str, Any], client: Client, request: OAuth2Request) -> bool:
    """Whether genuine claims are meant for us, made just now, and seen for the first time: asked in this order."""
    return _is_for_us(stated, client, request) and _is_timely(stated) and _is_new(stated)


def _is_for_us(stated: dict[str, Any], client: Client, request: OAuth2Request) -> bool:
    """RFC 7523 §3: issuer and subject are the client, the audience is this server and nobody else.

    It is named by the issuer; as clients also do it, by the token endpoint or the one they call. The profiles of FAPI
    2.0 leave the issuer alone, as a single text (Security Profile §5.3.2.1).
    """
    settings, audience = provider.settings, stated.get("aud")
    if stated.get("iss") != client.client_id or stated.get("sub") != client.client_id:
        return False
    if profiles.of(client).strict_audience:
        return bool(audience == settings.issuer)
    called = request.uri.removeprefix(settings.issuer)
    ours = {settings.issuer, *(f"{base}{path}" for base in settings.bases for path in ("/token", called))}
    audiences = audience if isinstance(audience, list) else [audience]
    return bool(audiences) and all(isinstance(each, str) and each in ours for each in audiences)


def _is_timely(stated: dict[str, Any]) -> bool:
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


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 10**11


def _is_new(stated: dict[str, Any]) -> bool:
    """Its `jti` is used for the first time; remembered until nobody would accept it any more (RFC 7523 §3)."""
    jti = stated.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= 512:
        return False
    key = hashlib.sha256(f"{stated['sub']}\n{jti}".encode("utf-8", "surrogatepass")).hexdigest()
    return provider.store.add_once("jti", key, int(stated["exp"]) - epoch() + SKEW + 1)
