"""UserInfo: the claims of the person behind an access token (OIDC Core §5.3)."""

from typing import Any

from flask import Response
from flask import jsonify

from .. import api
from .. import claims
from .. import presented_token

blueprint = api.blueprint("userinfo", for_browsers=True)
METADATA = {"userinfo_endpoint": "/userinfo"}

presented_token.init_blueprint(blueprint, realm="userinfo")


@blueprint.route("/userinfo", methods=["GET", "POST"])
def userinfo() -> Response:
    """The claims that the token's scopes and its claims request open, as JSON."""
    found = presented_token.find("openid")
    authorization = found.authorization
    stated: dict[str, Any] = claims.for_userinfo(found.account, found.client, authorization.scope, authorization.claims)
    response = jsonify(stated)
    response.headers["Cache-Control"] = "no-store"
    return response
