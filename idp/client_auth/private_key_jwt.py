"""private_key_jwt: a short-lived assertion signed with the client's own key (OIDC Core §9, RFC 7523 §3)."""

import hashlib
import json
from base64 import urlsafe_b64decode
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Request

from keys import InvalidToken
from keys.algorithms import ACCEPTED
from keys.algorithms import read_header

from .. import client_keys
from ..client_auth_method import FindClient
from ..clock import epoch
from ..models import Client
from ..provider import provider

NAME = "private_key_jwt"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ACCEPTED
LONGEST_LIFE = 600
SKEW = 60
MAX_LENGTH = 16 * 1024


def is_presented(request: OAuth2Request) -> bool:
    """An assertion in the form."""
    return "client_assertion" in request.form or "client_assertion_type" in request.form


def authenticate(request: OAuth2Request, find_client: FindClient) -> Client | None:
    """The client that signed the assertion, if it did so for us, just now, and for the first time."""
    assertion = request.form.get("client_assertion", "")
    if request.form.get("client_assertion_type") != ASSERTION_TYPE or len(assertion) > MAX_LENGTH:
        return None
    client = find_client(_named(assertion))
    if client is None or not client_keys.has_keys(client):
        return None
    try:
        stated = _verified(assertion, client)
    except InvalidToken:
        return None
    return client if _is_for_us(stated, client) and _is_timely(stated) and _is_new(stated) else None


def _named(assertion: str) -> str:
    """Who it says it is: good for finding the key, for nothing else."""
    try:
        payload = assertion.split(".")[1].encode("ascii")
        stated = json.loads(urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
        name = stated["sub"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return name if isinstance(name, str) else ""


def _verified(assertion: str, client: Client) -> dict[str, Any]:
    """The claims under one of the client's keys, with the algorithm the client registered, if it did."""
    alg = read_header(assertion).get("alg")
    if not isinstance(alg, str) or client.token_endpoint_auth_signing_alg not in (None, alg):
        raise InvalidToken("The assertion is signed with another algorithm than registered.")
    return client_keys.verify(assertion, client, alg)


def _is_for_us(stated: dict[str, Any], client: Client) -> bool:
    """RFC 7523 §3: issuer and subject are the client, the audience is this server and nobody else."""
    issuer = provider.settings.issuer
    audience = stated.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    ours = (issuer, f"{issuer}/token")
    is_ours = bool(audiences) and all(each in ours for each in audiences)
    return is_ours and stated.get("iss") == stated.get("sub") == client.client_id


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
