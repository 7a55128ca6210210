"""Revocation: a client gives a token back (RFC 7009)."""

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749 import OAuth2Request
from authlib.oauth2.rfc7009 import RevocationEndpoint
from flask import Response

from .. import api
from .. import audit
from .. import families
from .. import tokens
from ..db import transaction
from ..models import Client
from ..server import server

blueprint = api.blueprint("revocation", for_browsers=True)
METADATA = {"revocation_endpoint": "/revoke"}


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """Authlib's endpoint over our tokens; the answer is the same whatever the token was (RFC 7009 §2.2)."""

    CLIENT_AUTH_METHODS = server.client_auth_methods

    def check_params(self, request: OAuth2Request, client: Client) -> None:
        """A wrong or unknown hint only costs a second look (RFC 7009 §2.1)."""
        if "token" not in request.form:
            raise InvalidRequestError("The token is missing.")

    def authenticate_token(self, request: OAuth2Request, client: Client) -> str | None:
        """The token, if it is this client's; another's is left alone, and nobody is told."""
        self.check_params(request, client)
        token: str = request.form["token"]
        return token if _owner(token) == client.client_id else None

    def revoke_token(self, token: str, request: OAuth2Request) -> None:
        """One access token; or the whole family of a refresh token, current or not (RFC 7009 §2.1)."""
        family = families.find(token)
        if family is None:
            tokens.revoke(token)
            return
        account_id, client_id = family.account_id, family.client_id
        families.end(family.id, "revoked")
        with transaction():
            audit.record("refresh_token_revoked", account_id=account_id, client_id=client_id)


server.register_endpoint(Revocation)


@blueprint.post("/revoke")
def revoke() -> Response:
    """Answer an authenticated client; a public one gives its name (RFC 7009 §2.1)."""
    response: Response = server.create_endpoint_response(Revocation.ENDPOINT_NAME)
    return response


def _owner(token: str) -> str | None:
    """The client a token was issued to, as long as there is anything to revoke."""
    family = families.find(token)
    if family is not None:
        return family.client_id
    found = tokens.find(token)
    return found.client.client_id if found else None
