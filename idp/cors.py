"""CORS: which web pages may call the endpoints for programs (Fetch Standard §3.2).

Only pages of registered public browser applications, known by the origins of their redirect addresses; no wildcard and
no credentials. Everybody else's page gets an answer it cannot read.
"""

from flask import Response
from flask import request
from sqlalchemy import select

from .db import db
from .models import Client
from .response import origin_of

METHODS = "GET, POST"
HEADERS = "Authorization, Content-Type, DPoP"
EXPOSED = "WWW-Authenticate, DPoP-Nonce"
PREFLIGHT_SECONDS = 600


def allow(response: Response) -> Response:
    """Let the calling page read the answer, if it belongs to a registered browser application."""
    response.headers.add("Vary", "Origin")
    origin = request.headers.get("Origin")
    if origin is None or not _is_registered(origin):
        return response
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = EXPOSED
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = METHODS
        response.headers["Access-Control-Allow-Headers"] = HEADERS
        response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
    return response


def _is_registered(origin: str) -> bool:
    """Asked of the database each time, so that a disabled application is out at once."""
    wanted = select(Client.redirect_uris).where(
        Client.application_type == "browser",
        Client.disabled_at.is_(None),
    )
    return any(origin == origin_of(uri) for uris in db.session.scalars(wanted) for uri in uris)
