"""The security headers of every answer (decisions 13 and 14)."""

from flask import Flask
from flask import Response
from flask import g
from flask import request

from .provider import provider

VISITS = ("/authorize", "/i/", "/logout", "/signout", "/signed-out")
"""Where people pass whom an application sent. It may have opened a window for them (OIDC Core §3.1.2.1), and must see
what becomes of it: a policy of our own would cut the window off for good."""


def init_app(app: Flask) -> None:
    """Add the headers after every request."""
    app.after_request(_secure)


def framed_by_anybody(response: Response) -> Response:
    """The one page that other sites load in a frame: it holds a script of ours and nothing else (decision 14)."""
    g.is_framed = True
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; form-action 'none'; frame-ancestors *; base-uri 'none'"
    )
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _secure(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "no-referrer")
    if not request.path.startswith(VISITS):
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
    if not getattr(g, "is_framed", False):
        headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Content-Security-Policy", _policy())
    headers.setdefault("Cache-Control", "no-store")
    if provider.settings.secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    return response


def _policy() -> str:
    """No inline script or style, so no nonces; forms post to us, and through a 303 to the client being answered.

    Frames hold nothing but the addresses where applications sign out, on the one page that asks them to; images of
    others are an application's logo, for the official suite only (`step_page.py`).
    """
    targets = " ".join(["'self'", *getattr(g, "form_action", ())])
    images = " ".join(["'self'", "data:", *getattr(g, "img_src", ())])
    origins = getattr(g, "frame_src", ())
    frames = f"frame-src {' '.join(origins)}; " if origins else ""
    return (
        "default-src 'none'; style-src 'self'; script-src 'self'; font-src 'self'; "
        f"img-src {images}; connect-src 'self'; {frames}form-action {targets}; frame-ancestors 'none'; base-uri 'none'"
    )
