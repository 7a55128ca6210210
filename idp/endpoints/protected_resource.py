"""Protected resource metadata: what userinfo takes, told to clients that know nothing yet (RFC 9728)."""

from flask import Response
from flask import jsonify

from .. import api
from .. import dpop
from .. import resources
from ..claims import SCOPES
from ..presented_token import METADATA_PATH
from ..provider import provider

blueprint = api.blueprint("protected_resource", for_browsers=True)

CACHE_SECONDS = 900


@blueprint.get(f"{METADATA_PATH}/userinfo")
def userinfo() -> Response:
    """The document stands where the resource's path is put behind the well-known one (RFC 9728 §3.1)."""
    settings = provider.settings
    response = jsonify(
        resource=resources.userinfo(),
        authorization_servers=[settings.issuer],
        scopes_supported=[scope for scope, opened in SCOPES.items() if opened],
        bearer_methods_supported=["header", "body"],
        dpop_signing_alg_values_supported=list(dpop.ALGORITHMS),
        dpop_bound_access_tokens_required=False,
        tls_client_certificate_bound_access_tokens=settings.client_certificate_header is not None,
    )
    response.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
    return response
