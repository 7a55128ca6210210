"""The one writer of authorization responses: success and error, in every mode, signed or not.

Whatever is answered to a client goes through here, so that no answer can lack `iss` (RFC 9207 §2) or change `state`
(RFC 6749 §4.1.2), and no other code builds a redirect with a code in it.
"""

from collections.abc import Mapping

from authlib.oauth2.rfc6749 import OAuth2Error
from flask import Response

from .provider import provider
from .response import ReturnAddress
from .response_modes import MODES
from .response_modes import jwt


def answer(address: ReturnAddress, params: Mapping[str, str]) -> Response:
    """Answer a client in the mode it asked for (OIDC Core §3.1.2.5)."""
    sent = dict(params)
    if address.state is not None:
        sent["state"] = address.state
    sent["iss"] = provider.settings.issuer
    mode, is_signed = address.response_mode.removesuffix(jwt.SIGNED), address.response_mode.endswith(jwt.SIGNED)
    response = MODES[mode](address.redirect_uri, jwt.sign(address, sent) if is_signed else sent)
    # RFC 9700 §4.2: the answer must not leak by a cache or a Referer.
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def refuse(address: ReturnAddress, error: OAuth2Error) -> Response:
    """Answer a client with an error (RFC 6749 §4.1.2.1, OIDC Core §3.1.2.6)."""
    params = {"error": str(error.error)}
    if error.description:
        params["error_description"] = str(error.description)
    return answer(address, params)
