"""Introspection: whether a token lives, told to the client that has it and to its resource (RFC 7662)."""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749 import OAuth2Request
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import Response
from flask import g
from flask import request as http

from .. import api
from .. import families
from .. import profiles
from .. import resources
from .. import sender_constraint
from .. import subjects
from .. import tokens
from ..authorization import Authorization
from ..clock import epoch
from ..db import db
from ..models import Account
from ..models import Client
from ..provider import provider
from ..server import server
from ..tokens import AccessToken

SIGNED = "application/token-introspection+jwt"

blueprint = api.blueprint("introspection")
METADATA = {"introspection_endpoint": "/introspect"}


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]
    """Authlib's endpoint over our tokens.

    Nobody learns of a token that is another client's (CVE-2026-37979), and a client that cannot prove who it is learns
    nothing at all (RFC 7662 §2.1).
    """

    CLIENT_AUTH_METHODS = tuple(name for name in server.client_auth_methods if name != "none")

    def check_params(self, request: OAuth2Request, client: Client) -> None:
        """A wrong or unknown hint only costs a second look (RFC 7662 §2.1)."""
        if "token" not in request.form:
            raise InvalidRequestError("The token is missing.")

    def authenticate_token(self, request: OAuth2Request, client: Client) -> dict[str, Any] | None:
        """What is known of the token; it must be this client's, or for the resource that this client is."""
        self.check_params(request, client)
        g.introspecting = client
        token = request.form["token"]
        return _of_access_token(token, client) or _of_refresh_token(token, client)

    def create_introspection_payload(self, token: dict[str, Any] | None) -> dict[str, Any]:
        """`active` and the facts, or nothing but `active: false` (RFC 7662 §2.2)."""
        return {"active": False} if token is None else {"active": True, **token}


server.register_endpoint(Introspection)


@blueprint.post("/introspect")
def introspect() -> Response:
    """Answer an authenticated client."""
    response: Response = server.create_endpoint_response(Introspection.ENDPOINT_NAME)
    client: Client | None = g.get("introspecting")
    if client is None or response.status_code != 200 or not _wants_signature(client):
        return response
    return _signed(response.get_json(), client)


def _wants_signature(client: Client) -> bool:
    """By its registration, or by this very request (RFC 9701 §4)."""
    return client.introspection_signed_response_alg is not None or _prefers_signature()


def _prefers_signature() -> bool:
    """Whether the request names the signed form, and plain JSON no higher; `*/*` names neither (RFC 9110 §12.5.1)."""
    named = {kind.lower(): quality for kind, quality in http.accept_mimetypes}
    return named.get(SIGNED, 0) > 0 and named[SIGNED] >= named.get("application/json", 0)


def _signed(facts: dict[str, Any], client: Client) -> Response:
    """The same as a JWT of a type of its own, for this client, without the claims of an ID token (RFC 9701 §5)."""
    usual = profiles.usual_algorithm(client, provider.keys.algorithms)
    alg = client.introspection_signed_response_alg or usual
    stated = {
        "iss": provider.settings.issuer,
        "aud": client.client_id,
        "iat": epoch(),
        "token_introspection": facts,
    }
    response = Response(provider.keys.sign(stated, alg=alg, typ="token-introspection+jwt"), mimetype=SIGNED)
    response.headers["Cache-Control"] = "no-store"
    return response


def _of_access_token(token: str, client: Client) -> dict[str, Any] | None:
    found = tokens.find(token)
    if found is None or not _concerns(found, client):
        return None
    authorization = found.authorization
    confirmation, audience = authorization.confirmation, resources.audience(authorization)
    facts = _facts(authorization, found.client, found.issued_at, found.expires_at)
    facts["aud"] = audience[0] if len(audience) == 1 else list(audience)
    if confirmation:
        facts["cnf"] = dict(confirmation)
    return {"token_type": sender_constraint.token_type(confirmation), **facts}


def _concerns(found: AccessToken, client: Client) -> bool:
    return found.client.client_id == client.client_id or resources.may_introspect(client.client_id, found.authorization)


def _of_refresh_token(token: str, client: Client) -> dict[str, Any] | None:
    family = families.find(token)
    if family is None or family.client_id != client.client_id or not families.is_current(family, token):
        return None
    authorization = families.authorization_of(family)
    if not authorization.holds(db.session.get(Account, authorization.account_id)):
        return None
    issued = family.rotated_at or family.created_at
    ends = min(family.idle_until, family.expires_at)
    return _facts(authorization.within(client), client, int(issued.timestamp()), int(ends.timestamp()))


def _facts(authorization: Authorization, client: Client, issued_at: int, expires_at: int) -> dict[str, Any]:
    account_id, details = authorization.account_id, authorization.authorization_details
    return {
        "iss": provider.settings.issuer,
        "sub": client.client_id if account_id is None else subjects.of(account_id, client),
        "aud": client.client_id,
        "client_id": client.client_id,
        "scope": " ".join(authorization.scope),
        "iat": issued_at,
        "exp": expires_at,
        **({"auth_time": authorization.auth_time} if account_id is not None and authorization.auth_time else {}),
        **({"acr": authorization.acr} if authorization.acr else {}),
        **({"authorization_details": [dict(each) for each in details]} if details else {}),
        **({"act": dict(authorization.act)} if authorization.act else {}),
    }
