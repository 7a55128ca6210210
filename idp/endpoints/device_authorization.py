"""The device authorization endpoint: a device without a keyboard asks for a code to show (RFC 8628 §3.1)."""

from authlib.oauth2.rfc6749 import UnauthorizedClientError
from flask import Response
from flask import jsonify

from .. import api
from .. import decoupled
from .. import throttle
from ..decoupled import INTERVAL
from ..grants.device_code import DeviceCodeGrant
from ..provider import provider
from ..request import without_browser
from ..server import FormRequest
from ..server import server

blueprint = api.blueprint("device_authorization")
METADATA = {"device_authorization_endpoint": "/device_authorization"}
FROM_ONE_ADDRESS = ("device_authorization", 60, 600)
"""What a client that proves nothing may ask for: anybody knows its name, and each code is kept for a while."""


@blueprint.post("/device_authorization")
def begin() -> Response:
    """Keep the request; the device shows the code, the person types it at `/device`."""
    form = FormRequest()
    client = server.authenticate_client(form, server.client_auth_methods, "device_authorization")
    if DeviceCodeGrant.GRANT_TYPE not in client.grant_types:
        raise UnauthorizedClientError("The client may not use this grant_type.")
    if client.token_endpoint_auth_method == "none":
        throttle.per_address(*FROM_ONE_ADDRESS)
    pending = decoupled.begin(without_browser(form.params, client, DeviceCodeGrant.GRANT_TYPE))
    address = f"{provider.settings.issuer}/device"
    response = jsonify(
        device_code=pending.handle,
        user_code=pending.spelled,
        verification_uri=address,
        verification_uri_complete=f"{address}?user_code={pending.spelled}",
        expires_in=pending.seconds,
        interval=INTERVAL,
    )
    response.headers["Cache-Control"] = "no-store"
    return response
