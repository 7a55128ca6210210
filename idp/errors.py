"""Errors, handled in one place: a page for people, a reference for the operator.

Three voices: the person reads what to do now, the client an OAuth error of its specification
(`authorization_response.py`, `server.py`), the operator an exception with everything and the reference number that the
person's page shows.
"""

import secrets
from typing import Any

import structlog
from flask import Flask
from flask import Response
from flask import g
from flask import make_response
from flask import render_template
from flask import request
from sqlalchemy.exc import InterfaceError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed

from . import answers
from . import pages
from . import response as responses
from .db import db
from .interaction import Answered
from .interaction import Expired
from .interaction import NoCookies
from .models import Client
from .passwords import Busy
from .provider import provider
from .store import StoreUnavailable
from .throttle import TooMany

log = structlog.get_logger("errors")

PAGES = {400: "400", 403: "denied", 404: "404", 405: "405", 413: "413", 429: "many", 500: "500", 503: "503"}
"""The texts `er.<name>.h1` and `er.<name>.p` for each status; any other client error reads like 400."""


def init_app(app: Flask) -> None:
    """Show every error as a page in the person's language."""
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, _unexpected)
    app.register_error_handler(Expired, _expired)
    app.register_error_handler(Answered, _answered)
    for unavailable in (StoreUnavailable, OperationalError, InterfaceError, PoolTimeout, Busy):
        app.register_error_handler(unavailable, _unavailable)
    app.register_error_handler(TooMany, lambda error: page(429))


def page(status: int, name: str | None = None, **shown: Any) -> Response:
    """One error page: heading, sentence, reference number, a way on, help line; `shown` is what its template names."""
    name = name or PAGES.get(status, "400")
    response = make_response(render_template("errors/error.html", name=name, **shown), status)
    if status == 503:
        response.headers["Retry-After"] = "30"
    return response


def refuse_head() -> None:
    """HEAD is safe by definition and has no place where GET acts (RFC 9110 §9.2.1)."""
    if request.method == "HEAD":
        raise MethodNotAllowed(["GET", "POST"])


def client_error(reason: str) -> Response:
    """A request of a client that must not be answered by a redirect (RFC 6749 §4.1.2.1, OIDC Core §3.1.2.6)."""
    reference = new_reference()
    log.warning("bad authorization request", reason=reason, reference=reference)
    return page(400, "client", reference=reference)


def new_reference() -> str:
    """Eight digits in two groups: short enough to be read out on the telephone."""
    number = f"{secrets.randbelow(10**8):08}"
    return f"{number[:4]} {number[4:]}"


def http_error(error: HTTPException) -> Response:
    """The page for an error that HTTP has a number for."""
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
    """A second press goes where the first one led; who comes back later goes on at the application (OIDC Core §4)."""
    again = answers.repeat(over.interaction_id)
    if again is not None:
        return again
    client = db.session.get(Client, over.client_id) if over.client_id else None
    if client is None or not client.is_active:
        return page(200, "answered")
    if client.initiate_login_uri is not None:
        return responses.go(client.initiate_login_uri, {"iss": provider.settings.issuer})
    return page(200, "answered", app_name=client.name_in(pages.language()), app_url=_front_door(client))


def _front_door(client: Client) -> str | None:
    """Where people find the application: its own page, else the site it is answered at; a native one has neither."""
    if client.client_uri:
        return client.client_uri
    sites = [uri for uri in client.redirect_uris if uri.startswith("https://")]
    return f"{responses.origin_of(sites[0])}/" if sites else None


def _unavailable(error: Exception) -> Response:
    log.error("unavailable", error=type(error).__name__, path=request.path)
    return page(503)


def _unexpected(error: Exception) -> Response:
    reference = new_reference()
    g.reference = reference
    log.exception("unexpected error", reference=reference, endpoint=request.endpoint, error=type(error).__name__)
    return page(500, reference=reference)
