"""Errors, handled in one place: a page for people, a reference for the operator.

Three voices: the person reads what to do now, the client an OAuth error of its specification (`response.py`,
`server.py`), the operator an exception with everything and the reference number that the person's page shows.
"""

import secrets

import structlog
from flask import Flask
from flask import Response
from flask import g
from flask import make_response
from flask import redirect
from flask import render_template
from flask import request
from werkzeug.exceptions import HTTPException

from .db import db
from .interaction import Answered
from .interaction import Expired
from .interaction import NoCookies
from .models import Client
from .passwords import Busy
from .store import StoreUnavailable
from .throttle import TooMany

log = structlog.get_logger("errors")

PAGES = {400: "400", 403: "denied", 404: "404", 405: "405", 413: "413", 429: "many", 500: "500", 503: "503"}
"""The texts `er.<name>.h1` and `er.<name>.p` for each status; any other client error reads like 400."""


def init_app(app: Flask) -> None:
    """Show every error as a page in the person's language."""
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)
    app.register_error_handler(Expired, _expired)
    app.register_error_handler(Answered, _answered)
    app.register_error_handler(StoreUnavailable, _unavailable)
    app.register_error_handler(Busy, _unavailable)
    app.register_error_handler(TooMany, lambda error: page(429))


def page(status: int, name: str | None = None, *, reference: str | None = None, enrolling: bool = False) -> Response:
    """One error page: heading, sentence, reference number, help line."""
    name = name or PAGES.get(status, "400")
    html = render_template("errors/error.html", name=name, reference=reference, enrolling=enrolling)
    response = make_response(html, status)
    if status == 503:
        response.headers["Retry-After"] = "30"
    return response


def client_error(reason: str) -> Response:
    """A request of a client that must not be answered by a redirect (RFC 6749 §4.1.2.1, OIDC Core §3.1.2.6)."""
    reference = new_reference()
    log.warning("bad authorization request", reason=reason, reference=reference)
    return page(400, "client", reference=reference)


def new_reference() -> str:
    """Eight digits in two groups: short enough to be read out on the telephone."""
    number = f"{secrets.randbelow(10**8):08}"
    return f"{number[:4]} {number[4:]}"


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400:
        return make_response(error.get_response())
    answer = page(status)
    if status == 405 and error.get_response().headers.get("Allow"):
        answer.headers["Allow"] = error.get_response().headers["Allow"]
    return answer


def _expired(error: Expired) -> Response:
    if isinstance(error, NoCookies):
        return page(400, "cookies")
    return page(400, "expired", enrolling="/enrol/" in request.path)


def _answered(over: Answered) -> Response:
    """Begin anew at the application itself: the session signs in silently."""
    client = db.session.get(Client, over.client_id) if over.client_id else None
    if client is None or client.initiate_login_uri is None:
        return page(400, "expired")
    return make_response(redirect(client.initiate_login_uri, 303))


def _unavailable(error: Exception) -> Response:
    log.error("unavailable", error=type(error).__name__, path=request.path)
    return page(503)


def _unexpected(error: Exception) -> Response:
    reference = new_reference()
    g.reference = reference
    log.exception("unexpected error", reference=reference, endpoint=request.endpoint, error=type(error).__name__)
    return page(500, reference=reference)
