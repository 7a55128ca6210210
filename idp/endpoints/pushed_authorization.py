"""The pushed authorization request endpoint: a request comes from its client, before the browser does (RFC 9126)."""

from dataclasses import replace

from authlib.oauth2.rfc6749 import InvalidRequestError
from flask import Response
from flask import jsonify
from flask import request as http

from .. import api
from .. import dpop
from .. import pushed
from ..authorization_request import AuthorizationRequest
from ..parameters import Parameters
from ..request import BadRequestPage
from ..request import RefusedRequest
from ..request import parse
from ..server import FormRequest
from ..server import find_client
from ..server import server

blueprint = api.blueprint("pushed_authorization", for_browsers=True)
METADATA = {"pushed_authorization_request_endpoint": "/par"}

blueprint.after_request(dpop.offer_nonce)

CREDENTIALS = frozenset({"client_secret", "client_assertion", "client_assertion_type"})


@blueprint.post("/par")
def push() -> Response:
    """Keep a right request of an authenticated client and name it (RFC 9126 §2.2)."""
    request = FormRequest()
    client = server.authenticate_client(request, server.client_auth_methods, "par")
    asked = _read(Parameters([*_authorization_parameters(request), ("client_id", client.client_id)]))
    kept = replace(asked, dpop_jkt=dpop.pushed_key(http, client, asked.dpop_jkt))
    response = jsonify(request_uri=pushed.keep(kept), expires_in=pushed.SECONDS)
    response.status_code = 201
    response.headers["Cache-Control"] = "no-store"
    return response


def _authorization_parameters(request: FormRequest) -> list[tuple[str, str]]:
    """What is asked, without what proves who asks; a reference to another request has no place here (RFC 9126 §2.1)."""
    if "request_uri" in request.form:
        raise InvalidRequestError("A request_uri cannot be pushed.")
    return [(name, value) for name, value in request.params.pairs() if name not in CREDENTIALS | {"client_id"}]


def _read(params: Parameters) -> AuthorizationRequest:
    """The same rules as at the authorization endpoint; errors are told here (RFC 9126 §2.3)."""
    try:
        return parse(params, find_client, pushed=True)
    except RefusedRequest as refusal:
        raise refusal.error from None
    except BadRequestPage:
        raise InvalidRequestError("The redirect_uri is missing or not registered.") from None
