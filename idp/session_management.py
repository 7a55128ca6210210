"""Session management: an application's page sees by itself that the sign-in has changed (OIDC Session Management).

The browser state is a value without any right, readable by the script of `check_session`: a keyed fingerprint of the
session's name, so that it changes with the person and with every end, and tells nothing else (decision 10).
"""

import hashlib
import secrets
from urllib.parse import urlsplit

from flask import Flask
from flask import Response
from flask import request

from . import session as sessions
from .provider import provider
from .session import Session
from .session import cookie_name

PORTS = {"https": 443, "http": 80}
PATH = "/session/check"


def session_state(session: Session, client_id: str, redirect_uri: str) -> str | None:
    """The `session_state` of an authorization response (§4.2); None where the setting is off.

    Only pages have an origin to be asked from: an application's own scheme gets none.
    """
    origin = _origin(redirect_uri)
    if origin is None or not provider.settings.session_management:
        return None
    state, salt = _browser_state(session), secrets.token_urlsafe(12)
    hashed = hashlib.sha256(f"{client_id} {origin} {state} {salt}".encode()).hexdigest()
    return f"{hashed}.{salt}"


def init_app(app: Flask) -> None:
    """Let the browser state follow the session, whatever has set or ended it: pages that look shall see it (§2)."""
    app.after_request(_follow)


def _follow(response: Response) -> Response:
    if not provider.settings.session_management or not sessions.is_noted():
        return response
    session, kept = sessions.noted(), request.cookies.get(_cookie())
    state = _browser_state(session) if session is not None else None
    if state is not None and state != kept:
        _remember(response, state)
    if state is None and kept is not None:
        response.delete_cookie(_cookie(), secure=provider.settings.secure, samesite=_same_site())
    return response


def _remember(response: Response, state: str) -> None:
    """Read in frames of other sites and by script; no longer than the session can last."""
    secure, seconds = provider.settings.secure, provider.settings.session_absolute_seconds
    response.set_cookie(_cookie(), state, max_age=seconds, secure=secure, samesite=_same_site(), path="/")


def _browser_state(session: Session) -> str:
    return provider.vault.fingerprint("browser state", session.sid)


def _cookie() -> str:
    return cookie_name("browser_state")


def _same_site() -> str:
    """Browsers take `None` only together with `Secure`; on a loopback issuer every port is the same site."""
    return "None" if provider.settings.secure else "Lax"


def _origin(uri: str) -> str | None:
    """The origin as a browser writes it (RFC 6454 §6.2): small letters, and no port where it is the usual one."""
    parts = urlsplit(uri)
    if parts.scheme not in PORTS or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"
