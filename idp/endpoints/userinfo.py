"""UserInfo: the claims of the person behind an access token (OIDC Core §5.3)."""

import json
from typing import Any

from flask import Response
from flask import jsonify

from .. import api
from .. import claims
from .. import presented_token
from .. import resources
from ..client_encryption import encrypted
from ..models import Client
from ..provider import provider

blueprint = api.blueprint("userinfo", for_browsers=True)
METADATA = {"userinfo_endpoint": "/userinfo"}

presented_token.init_blueprint(blueprint, realm="userinfo")


@blueprint.route("/userinfo", methods=["GET", "POST"])
def userinfo() -> Response:
    """The claims that the token's scopes and its claims request open, in the client's form."""
    found = presented_token.find("openid", resources.userinfo())
    authorization, account = found.authorization, found.account
    if account is None:
        raise presented_token.InvalidToken()
    stated: dict[str, Any] = claims.for_userinfo(account, found.client, authorization.scope, authorization.claims)
    response = _answer(stated, found.client)
    response.headers["Cache-Control"] = "no-store"
    return response


def _answer(stated: dict[str, Any], client: Client) -> Response:
    """JSON, or a JWT signed or encrypted as the client registered it (OIDC Core §5.3.2)."""
    alg, how = client.userinfo_signed_response_alg, client.userinfo_encrypted_response_alg
    if alg is None and how is None:
        return jsonify(stated)
    text = json.dumps(stated)
    if alg is not None:
        text = provider.keys.sign({**stated, "iss": provider.settings.issuer, "aud": client.client_id}, alg=alg)
    enc, cty = client.userinfo_encrypted_response_enc, "JWT" if alg is not None else None
    return Response(encrypted(text, client, how, enc, cty=cty), mimetype="application/jwt")
