"""Endpoints for programs: every answer is JSON, errors too, and none of them tells more than its specification."""

import structlog
from authlib.oauth2.rfc6749 import OAuth2Error
from flask import Blueprint
from flask import Flask
from flask import Response
from flask import current_app
from flask import jsonify
from flask import request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed

from . import cors
from . import errors
from .server import server
from .store import StoreUnavailable
from .throttle import TooMany

log = structlog.get_logger("api")
_NAMES: set[str] = set()
"""The blueprints made here."""


def init_app(app: Flask) -> None:
    """Answer a wrong method in JSON where an endpoint for programs lies: no blueprint hears of it."""
    app.register_error_handler(MethodNotAllowed, _wrong_method)


def blueprint(name: str, *, for_browsers: bool = False) -> Blueprint:
    """A blueprint for one endpoint; `for_browsers` lets registered browser applications call it (CORS)."""
    made = Blueprint(name, __name__)
    _NAMES.add(name)
    made.register_error_handler(OAuth2Error, _refused)
    made.register_error_handler(HTTPException, _http_error)
    made.register_error_handler(Exception, _unexpected)
    made.register_error_handler(TooMany, _too_many)
    for unavailable in (StoreUnavailable, DBAPIError, PoolTimeout):
        made.register_error_handler(unavailable, _unavailable)
    if for_browsers:
        made.after_request(cors.allow)
    return made


def _refused(error: OAuth2Error) -> Response:
    response: Response = server.handle_error_response(None, error)
    return response


def _http_error(error: HTTPException) -> Response:
    """Too much, the wrong method …: the protocol's word for it, with HTTP's status."""
    status = error.code or 500
    return _answer(status, "invalid_request" if status < 500 else "server_error")


def _wrong_method(error: MethodNotAllowed) -> Response:
    known = list(error.valid_methods or ())
    adapter = current_app.create_url_adapter(request)
    if adapter is None or not known or adapter.match(method=known[0])[0].partition(".")[0] not in _NAMES:
        return errors.http_error(error)
    response = _http_error(error)
    response.headers["Allow"] = ", ".join(known)
    return response


def _too_many(error: TooMany) -> Response:
    """HTTP 429, and when to come again (RFC 6585 §4)."""
    response = _answer(429, "temporarily_unavailable")
    response.headers["Retry-After"] = str(error.seconds)
    return response


def _unavailable(error: Exception) -> Response:
    """Neither yes nor no: a failed look-up or revocation is never a success (CVE-2020-15223)."""
    log.error("unavailable", error=type(error).__name__, path=request.path)
    response = _answer(503, "temporarily_unavailable")
    response.headers["Retry-After"] = "5"
    return response


def _unexpected(error: Exception) -> Response:
    log.exception("unexpected error", endpoint=request.endpoint, error=type(error).__name__)
    return _answer(500, "server_error")


def _answer(status: int, error: str) -> Response:
    response = jsonify(error=error)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response
