"""UserInfo: the claims of the person behind an access token (OIDC Core §5.3)."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749 import OAuth2Error
from flask import Response
from flask import jsonify
from flask import request

from .. import api
from .. import claims
from .. import tokens
from ..parameters import FORM
from ..parameters import Malformed
from ..parameters import read_form

blueprint = api.blueprint("userinfo", for_browsers=True)
METADATA = {"userinfo_endpoint": "/userinfo"}

REALM = 'Bearer realm="userinfo"'


class BearerError(OAuth2Error):  # type: ignore[misc]
    """An error that is also told in the WWW-Authenticate header (RFC 6750 §3)."""

    def get_headers(self) -> list[tuple[str, str]]:
        """With the error's name, unless there was no token at all (RFC 6750 §3.1)."""
        told = f'{REALM}, error="{self.error}", error_description="{self.description}"' if self.description else REALM
        return [*super().get_headers(), ("WWW-Authenticate", told)]


class NoToken(BearerError):
    """The request carries no access token: what is needed is said, and no more."""

    error = "invalid_token"
    status_code = 401


class InvalidToken(BearerError):
    """Unknown, expired, revoked or never one of ours; which, is not said."""

    error = "invalid_token"
    description = "The access token is not valid."
    status_code = 401


class InsufficientScope(BearerError):
    """The token lives, but was not given for this."""

    error = "insufficient_scope"
    description = "The scope openid is required."
    status_code = 403


class BadBearer(BearerError, InvalidRequestError):  # type: ignore[misc]
    """The token came twice, or in a place where none belongs."""

    description = "The access token must be sent once, in the header or in a form."


@blueprint.route("/userinfo", methods=["GET", "POST"])
def userinfo() -> Response:
    """The claims that the token's scopes and its claims request open, as JSON."""
    found = tokens.find(_presented())
    if found is None:
        raise InvalidToken()
    authorization = found.authorization
    if "openid" not in authorization.scope:
        raise InsufficientScope()
    stated: dict[str, Any] = claims.for_userinfo(found.account, found.client, authorization.scope, authorization.claims)
    response = jsonify(stated)
    response.headers["Cache-Control"] = "no-store"
    return response


def _presented() -> str:
    """The access token, from the one place where it was sent; never from the address (RFC 9700 §4.3.2)."""
    if "access_token" in request.args:
        raise BadBearer()
    header = request.headers.get("Authorization")
    in_form = _from_form() if request.method == "POST" and request.mimetype == FORM else None
    if header is not None and in_form is not None:
        raise BadBearer()
    if header is None and in_form is None:
        raise NoToken()
    return in_form if in_form is not None else _from_header(header or "")


def _from_form() -> str | None:
    try:
        params = read_form(request)
    except Malformed:
        raise BadBearer() from None
    if params.repeated:
        raise BadBearer()
    return params.get("access_token")


def _from_header(header: str) -> str:
    """`Bearer`, one space, the token: any other spelling is refused (CVE-2026-0707)."""
    scheme, space, token = header.partition(" ")
    if scheme != "Bearer" or not space or not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidToken()
    return token
