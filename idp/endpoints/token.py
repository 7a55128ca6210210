"""The token endpoint: a grant comes in, tokens go out (RFC 6749 §3.2)."""

from flask import Response

from .. import api
from .. import dpop
from ..server import server

blueprint = api.blueprint("token", for_browsers=True)
METADATA = {"token_endpoint": "/token"}

blueprint.after_request(dpop.offer_nonce)


@blueprint.post("/token")
def token() -> Response:
    """Authlib finds the grant; the grant authenticates the client and redeems what it presents."""
    response: Response = server.create_token_response()
    return response
