"""Hosts: a request that was meant for somebody else is not answered (RFC 9110 §7.4; security row V26).

No answer of ours depends on the Host header, so this guards what a cache or a proxy in front might make of one. It
counts where browsers come over TLS: there the name is known. Health is asked by machines, by whatever name they have.
"""

from urllib.parse import urlsplit

import structlog
from flask import Flask
from flask import Response
from flask import request

from . import errors
from .settings import Settings

MISDIRECTED = 421
HEALTH = "/health/"

log = structlog.get_logger("hosts")


def init_app(app: Flask, settings: Settings) -> None:
    """Answer for our own names alone, unless the operator's proxy passes on none of them (`IDP_CHECK_HOST`)."""
    if not settings.secure or not settings.check_host:
        return
    names = {urlsplit(base).hostname for base in settings.bases}

    def check() -> Response | None:
        if request.path.startswith(HEALTH) or _name(request.host) in names:
            return None
        log.warning("misdirected request", host=request.host[:253])
        return errors.page(MISDIRECTED)

    app.before_request(check)


def _name(host: str) -> str | None:
    """The name without port and final dot; the port is the proxy's matter."""
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return None
    return name.rstrip(".") if name else None
