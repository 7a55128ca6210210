"""Discovery: where everything is and what it can do (OIDC Discovery §4, RFC 8414 §3)."""

from flask import Response
from flask import current_app
from flask import jsonify

from .. import api
from ..metadata import metadata

blueprint = api.blueprint("discovery", for_browsers=True)
CONFIG = "ENDPOINT_METADATA"
"""The members that the endpoints add, by name; `endpoints/__init__.py` collects them."""

CACHE_SECONDS = 900


@blueprint.get("/.well-known/openid-configuration")
@blueprint.get("/.well-known/oauth-authorization-server")
def discovery() -> Response:
    """One document for both specifications."""
    response = jsonify(metadata(current_app.config[CONFIG]))
    response.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
    return response
