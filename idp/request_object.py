"""Request objects: an authorization request as a JWT, signed by its client (RFC 9101, OIDC Core §6).

By value (`request`) or by reference (`request_uri`, fetched from an address the client registered). Around the signed
object may be one encrypted to us, so that neither browser nor log reads it (RFC 9101 §6.1). Without a security profile,
parameters beside the object fill in what it leaves out (OIDC Core §6.1); where the client must sign, nothing beside it
counts (RFC 9101 §6.3).
"""

import hashlib
import json
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749 import OAuth2Error

from keys import InvalidToken
from keys import encryption
from keys.algorithms import ACCEPTED
from keys.algorithms import read_header

from . import client_keys
from . import fetcher
from . import profiles
from .clock import epoch
from .models import Client
from .parameters import Parameters
from .provider import provider

TYPES = (None, "jwt", "oauth-authz-req+jwt", "application/oauth-authz-req+jwt")
OUTSIDE = ("request", "request_uri")
JWT_CLAIMS = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti", "sub"})
MUST_AGREE = ("client_id", "response_type")
SKEW = 60
LONGEST_LIFE = 3600


class InvalidRequestObject(OAuth2Error):  # type: ignore[misc]
    """The object cannot be believed (RFC 9101 §6.2, §7)."""

    error = "invalid_request_object"
    description = "The request object is not valid."


class InvalidRequestUri(OAuth2Error):  # type: ignore[misc]
    """The object cannot be had (RFC 9101 §7)."""

    error = "invalid_request_uri"
    description = "The request_uri is not valid."


def is_demanded(client: Client) -> bool:
    """Whether this client must sign its requests."""
    return client.require_signed_request_object or profiles.of(client).signed_request


def open_(params: Parameters, client: Client) -> tuple[Parameters, dict[str, Any] | None]:
    """The parameters that count, and the claims they came from; the very same parameters where there is no object."""
    text = _text(params, client)
    if text is None:
        return params, None
    stated = _verified(_decrypted(text, client), client, client.request_object_signing_alg)
    unsaid = None if is_demanded(client) else client.client_id  # RFC 9101 §4: the object holds every parameter
    whose = stated.get("client_id", unsaid)
    if whose != client.client_id or not set(OUTSIDE).isdisjoint(stated):
        raise InvalidRequestObject()
    inside = dict(_pairs(stated))
    outside = [(name, value) for name, value in params.pairs() if name not in OUTSIDE]
    if is_demanded(client):
        outside = [("client_id", client.client_id)]
    elif params.repeated:  # also beside an object that holds the parameter once (RFC 6749 §3.1)
        raise InvalidRequestError("A parameter is repeated.")
    if any(name in MUST_AGREE and inside.get(name, value) != value for name, value in outside):
        raise InvalidRequestObject()
    beside = [(name, value) for name, value in outside if name not in inside]
    return Parameters([*beside, *_pairs(stated)]), stated


def open_backchannel(params: Parameters, client: Client) -> Parameters:
    """The parameters of a backchannel request; signed, everything is inside, and used once (CIBA Core §7.1.1).

    Whatever is wrong with it is an `invalid_request` there (§13).
    """
    registered = client.backchannel_authentication_request_signing_alg
    text = params.get("request")
    if text is None:
        if registered is not None or profiles.of(client).signed_request:
            raise InvalidRequestError("A signed request is required.")
        return params
    try:
        stated = _verified(text, client, registered)
    except InvalidRequestObject:
        raise InvalidRequestError("The signed request is not valid.") from None
    jti, times = stated.get("jti"), {"exp", "nbf", "iat"}
    is_ours = _is_for_us(stated.get("aud"), strict=True) and stated.get("iss") == client.client_id
    if not is_ours or not times <= set(stated) or not _is_timely(stated, strict=True):
        raise InvalidRequestError("The signed request is not valid.")
    was_made_before = stated["iat"] < int(provider.store.born().timestamp())  # who knows how often it came (decision 3)
    if was_made_before or not isinstance(jti, str) or not _is_new(client, jti):
        raise InvalidRequestError("The signed request is not valid.")
    return Parameters(_pairs(stated))


def check(stated: Mapping[str, Any] | None, client: Client) -> None:
    """Whether the object is meant for us, now, by this client; told to the client once its address is known."""
    if stated is None:
        if is_demanded(client):
            raise InvalidRequestError("A signed request object is required.")
        return
    if stated.get("iss", client.client_id) != client.client_id or stated.get("sub") == client.client_id:
        raise InvalidRequestObject()  # an assertion by which the client authenticates is no request (RFC 9101 §10.8)
    strict = profiles.of(client).signed_request
    if not _is_for_us(stated.get("aud"), strict=strict) or not _is_timely(stated, strict=strict):
        raise InvalidRequestObject()


def _text(params: Parameters, client: Client) -> str | None:
    """The object itself; one given twice over is none (RFC 9101 §5)."""
    if not params.repeated.isdisjoint(OUTSIDE):
        raise InvalidRequestError("A parameter is repeated.")
    value, reference = params.get("request"), params.get("request_uri")
    if value is not None and reference is not None:
        raise InvalidRequestError("Either request or request_uri may be sent.")
    return value if reference is None else _fetched(reference, client)


def _fetched(reference: str, client: Client) -> str:
    """Only registered addresses are fetched, to the letter; a fragment is the client's own mark (OIDC Core §6.2)."""
    if reference not in client.request_uris:
        raise InvalidRequestUri()
    try:
        answer = fetcher.get(reference, accept="application/oauth-authz-req+jwt, application/jwt, */*")
    except fetcher.FetchError:
        raise InvalidRequestUri() from None
    if answer.status != 200 or not answer.body.isascii():
        raise InvalidRequestUri()
    return answer.body.decode("ascii").strip()


def _decrypted(text: str, client: Client) -> str:
    """What lies inside an encrypted object; it must still be signed, as anybody can encrypt to us (CVE-2026-9793)."""
    if not encryption.is_encrypted(text):
        return text
    alg, enc = client.request_object_encryption_alg, client.request_object_encryption_enc
    try:
        header = encryption.read_header(text)
        if alg is not None and (alg, enc) != (header["alg"], header["enc"]):
            raise InvalidRequestObject()
        return provider.keys.decrypt(text)
    except InvalidToken:
        raise InvalidRequestObject() from None


def _verified(text: str, client: Client, registered: str | None) -> dict[str, Any]:
    """Signed by the client, with the algorithm it registered or one it may use; never `none` (RFC 9101 §10.1)."""
    allowed = profiles.of(client).algorithms or ACCEPTED
    try:
        header = read_header(text)
        alg, kind = header.get("alg"), header.get("typ")
        named = kind.lower() if isinstance(kind, str) else kind
        if alg not in allowed or registered not in {None, alg} or named not in TYPES:
            raise InvalidRequestObject()
        stated = client_keys.verify(text, client, alg)
        # What is no JSON for others (NaN, half a character) could be neither kept nor sent back (RFC 8259 §6, §8.2).
        json.dumps(stated, ensure_ascii=False, allow_nan=False).encode()
    except (InvalidToken, ValueError, RecursionError):
        raise InvalidRequestObject() from None
    return stated


def _is_new(client: Client, jti: str) -> bool:
    key = hashlib.sha256(f"{client.client_id}\n{jti}".encode("utf-8", "surrogatepass")).hexdigest()
    return provider.store.add_once("backchannel_jti", key, LONGEST_LIFE + 2 * SKEW)


def _pairs(stated: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The claims as parameters: texts as they are, numbers and objects as JSON (RFC 9101 §4)."""
    for name, value in stated.items():
        if name in JWT_CLAIMS or value is None:
            continue
        if name == "resource" and isinstance(value, list) and all(isinstance(each, str) for each in value):
            yield from ((name, each) for each in value)
        else:
            yield name, value if isinstance(value, str) else json.dumps(value)


def _is_for_us(audience: object, *, strict: bool) -> bool:
    named = audience if isinstance(audience, list) else [audience]
    return provider.settings.issuer in named or (audience is None and not strict)


def _is_timely(stated: Mapping[str, Any], *, strict: bool) -> bool:
    """Not over and not from the future; under a profile at most an hour long and old (FAPI 2.0 MS §5.3.2)."""
    moment, begins, ends = epoch(), stated.get("nbf"), stated.get("exp")
    starts = [value for value in (begins, stated.get("iat")) if value is not None]
    times = [*starts, *([] if ends is None else [ends])]
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in times):
        return False
    if any(value > moment + SKEW for value in starts) or (ends is not None and ends <= moment - SKEW):
        return False
    if not strict:
        return True
    if begins is None or ends is None:
        return False
    return bool(moment - begins <= LONGEST_LIFE + SKEW and ends - begins <= LONGEST_LIFE)
