"""UserInfo: the claims of the person behind an access token (OIDC Core §5.3)."""

import json
import re
import uuid
from typing import Any

import structlog
from flask import Response
from flask import jsonify
from flask import request

from .. import api
from .. import claims
from .. import presented_token
from .. import profiles
from .. import resources
from ..client_encryption import encrypted
from ..models import Client
from ..provider import provider

blueprint = api.blueprint("userinfo", for_browsers=True)
INTERACTION_ID = "x-fapi-interaction-id"
METADATA = {"userinfo_endpoint": "/userinfo"}

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
log = structlog.get_logger("userinfo")

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
    if profiles.of(found.client).interaction_id:
        response.headers[INTERACTION_ID] = _interaction_id()
    return response


def _interaction_id() -> str:
    """The client's name for this call, or one of ours, in the answer and the log (FAPI 1.0 Baseline §6.2.1-11, 12)."""
    given = request.headers.get(INTERACTION_ID, "")
    interaction_id = given if _UUID.fullmatch(given) else str(uuid.uuid4())
    log.info("resource", interaction_id=interaction_id)
    return interaction_id


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
