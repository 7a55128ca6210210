"""The security headers of every answer (decisions 13 and 14)."""

from flask import Flask
from flask import Response
from flask import g

from .provider import provider

EMBEDDABLE = "endpoints.check_session"


def init_app(app: Flask) -> None:
    """Add the headers after every request."""
    app.after_request(_secure)


def _secure(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Content-Security-Policy", _policy())
    headers.setdefault("Cache-Control", "no-store")
    if provider.settings.secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    return response


def _policy() -> str:
    """No inline script or style, so no nonces; forms post to us, and through a 303 to the client being answered."""
    targets = " ".join(["'self'", *getattr(g, "form_action", ())])
    return (
        "default-src 'none'; style-src 'self'; script-src 'self'; font-src 'self'; img-src 'self' data:; "
        f"connect-src 'self'; form-action {targets}; frame-ancestors 'none'; base-uri 'none'"
    )
