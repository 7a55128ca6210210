"""The JWKS: the public halves of our signing keys (RFC 7517 §5)."""

from flask import Response
from flask import jsonify

from .. import api
from ..provider import provider

blueprint = api.blueprint("jwks", for_browsers=True)
METADATA = {"jwks_uri": "/jwks"}

CACHE_SECONDS = 900
"""Much less than the day a key is shown before it signs, and short enough for an emergency removal."""


@blueprint.get("/jwks")
def jwks() -> Response:
    """Public members only; the ring sees to that."""
    response = jsonify(provider.keys.jwks())
    response.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
    return response
