"""The access token that a request to a resource of ours presents: one, living, in the hands it was made for.

Every way to be refused is told in the WWW-Authenticate header, too, once per scheme (RFC 6750 §3, RFC 9449 §7.1).
"""

from collections.abc import Mapping

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749 import OAuth2Error
from flask import Blueprint
from flask import Response
from flask import request

from . import assurance
from . import dpop
from . import resources
from . import sender_constraint
from . import tokens
from .clock import epoch
from .parameters import FORM
from .parameters import Malformed
from .parameters import read_form
from .provider import provider
from .server import server
from .tokens import AccessToken

BEARER = "Bearer"
DPOP = "DPoP"
METADATA_PATH = "/.well-known/oauth-protected-resource"


class NotAdmitted(OAuth2Error):  # type: ignore[misc]
    """The resource stays closed."""

    def challenge(self) -> dict[str, str]:
        """What is told of the cause; nothing where there was no token at all (RFC 6750 §3.1)."""
        return {"error": self.error, "error_description": self.description} if self.description else {}


class NoToken(NotAdmitted):
    """The request carries no access token: what is needed is said, and no more."""

    error = "invalid_token"
    status_code = 401


class InvalidToken(NotAdmitted):
    """Unknown, expired, revoked, never one of ours, or in other hands; which, is not said."""

    error = "invalid_token"
    description = "The access token is not valid."
    status_code = 401


class InvalidProof(NotAdmitted):
    """The token may be good, the proof of its key is not (RFC 9449 §7.1)."""

    error = dpop.InvalidDPoPProof.error
    description = dpop.InvalidDPoPProof.description
    status_code = 401


class NonceNeeded(NotAdmitted, dpop.UseDPoPNonce):
    """The proof lacks a nonce of ours (RFC 9449 §9)."""

    status_code = 401


class InsufficientScope(NotAdmitted):
    """The token lives, but was not given for this."""

    error = "insufficient_scope"
    status_code = 403

    def __init__(self, scope: str) -> None:
        super().__init__(f"The scope {scope} is required.")


class InsufficientAuthentication(NotAdmitted):
    """The token lives, but its person was not proven well enough, or too long ago, for this (RFC 9470 §3)."""

    error = "insufficient_user_authentication"
    description = "A stronger or more recent sign-in is required."
    status_code = 401

    def __init__(self, acr: str | None, max_age: int | None) -> None:
        super().__init__()
        self._needed = {"acr_values": acr, "max_age": None if max_age is None else str(max_age)}

    def challenge(self) -> dict[str, str]:
        """With what the client is to ask for in its next authorization request."""
        return {**super().challenge(), **{name: value for name, value in self._needed.items() if value is not None}}


class BadPresentation(NotAdmitted, InvalidRequestError):  # type: ignore[misc]
    """The token came twice, or in a place where none belongs."""

    description = "The access token must be sent once, in the header or in a form."


def find(scope: str, resource: str) -> AccessToken:
    """The access token of this request, which must be for this resource and have the scope; raises `NotAdmitted`."""
    scheme, token = _presented()
    found = tokens.find(token)
    if found is None or not _suits(scheme, found.authorization.confirmation):
        raise InvalidToken()
    _check_hands(found, token)
    if scope not in found.authorization.scope:
        raise InsufficientScope(scope)
    if resource not in resources.audience(found.authorization):
        raise InvalidToken()
    _check_sign_in(found, resource)
    return found


def init_blueprint(blueprint: Blueprint, realm: str) -> None:
    """Answer what keeps a resource closed, with a challenge per scheme that leads to its metadata (RFC 9728 §5)."""

    def refuse(error: NotAdmitted) -> Response:
        response: Response = server.handle_error_response(None, error)
        more = {"resource_metadata": f"{provider.settings.issuer}{METADATA_PATH}/{realm}"}
        for scheme, told in _challenges(error).items():
            text = ", ".join(f'{name}="{value}"' for name, value in {"realm": realm, **told, **more}.items())
            response.headers.add("WWW-Authenticate", f"{scheme} {text}")
        return response

    blueprint.register_error_handler(NotAdmitted, refuse)
    blueprint.after_request(dpop.offer_nonce)


def _challenges(error: NotAdmitted) -> dict[str, dict[str, str]]:
    """Both schemes are offered; the cause is told in the one that was used (RFC 9449 §7.2)."""
    used = DPOP if request.headers.get("Authorization", "").lower().startswith("dpop") else BEARER
    offers: dict[str, dict[str, str]] = {BEARER: {}, DPOP: {"algs": " ".join(dpop.ALGORITHMS)}}
    offers[used] = {**error.challenge(), **offers[used]}
    return offers


def _check_hands(found: AccessToken, token: str) -> None:
    """RFC 9449 §7: whoever presents a bound token proves its key, for this very request."""
    try:
        is_held = sender_constraint.is_held(request, found.authorization.confirmation, found.client, token)
    except dpop.UseDPoPNonce:
        raise NonceNeeded() from None
    except dpop.InvalidDPoPProof:
        raise InvalidProof() from None
    if not is_held:
        raise InvalidToken()


def _check_sign_in(found: AccessToken, resource: str) -> None:
    """What the operator wants of the person's sign-in, for this resource and for this client's tokens (RFC 9470 §3)."""
    policy, authorization = resources.of(resource), found.authorization
    proofs = [assurance.Proof(method, authorization.auth_time) for method in authorization.amr]
    wanted = (
        assurance.strongest(policy.acr, found.client.minimum_acr) if policy.acr or found.client.minimum_acr else None
    )
    is_weak = wanted is not None and not assurance.reaches(proofs, wanted)
    is_old = policy.max_age is not None and epoch() - authorization.auth_time > policy.max_age
    if is_weak or is_old:
        raise InsufficientAuthentication(wanted if is_weak else None, policy.max_age if is_old else None)


def _presented() -> tuple[str, str]:
    """Scheme and access token, from the one place where it was sent; never from the address (RFC 9700 §4.3.2)."""
    if "access_token" in request.args:
        raise BadPresentation()
    header = request.headers.get("Authorization")
    in_form = _from_form() if request.method == "POST" and request.mimetype == FORM else None
    if header is not None and in_form is not None:
        raise BadPresentation()
    if in_form is not None:
        return BEARER, in_form
    if header is None:
        raise NoToken()
    return _from_header(header)


def _from_form() -> str | None:
    try:
        params = read_form(request)
    except Malformed:
        raise BadPresentation() from None
    if params.repeated:
        raise BadPresentation()
    return params.get("access_token")


def _from_header(header: str) -> tuple[str, str]:
    """Scheme, one space, the token: any other spelling is refused (CVE-2026-0707)."""
    scheme, space, token = header.partition(" ")
    if not space or not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidToken()
    return scheme, token


def _suits(scheme: str, confirmation: Mapping[str, str] | None) -> bool:
    """Whether the scheme is that of the token: in any case where a key is proven besides (RFC 9110 §11.1)."""
    wanted = sender_constraint.token_type(confirmation)
    return scheme == wanted if confirmation is None else scheme.lower() == wanted.lower()
