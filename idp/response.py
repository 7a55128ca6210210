"""How a browser is sent on: where a client is answered, and the redirect that leads to an address.

What a client is answered is written in `authorization_response.py`, how it travels in `response_modes/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote
from urllib.parse import urlencode
from urllib.parse import urlsplit

from flask import Response
from flask import make_response


@dataclass(frozen=True)
class ReturnAddress:
    """Where and how a client is answered: known, and safe, before anything else of its request is."""

    client_id: str
    redirect_uri: str
    response_mode: str
    """One of `MODES`, or one of them with `.jwt` behind it: the same with a signed answer."""
    state: str | None = None
    signed_with: str = "RS256"
    """The algorithm of a signed answer."""


def go(uri: str, params: Mapping[str, str] | None = None) -> Response:
    """Send the browser on by GET, whatever it came by (RFC 9700 §4.12)."""
    response = make_response("", 303)
    response.headers["Location"] = with_params(uri, params or {})
    return response


def with_params(uri: str, params: Mapping[str, str]) -> str:
    """The address with more parameters behind those it has."""
    if not params:
        return uri
    glue = "" if uri.endswith("?") else "&" if "?" in uri else "?"
    return f"{uri}{glue}{urlencode(params, quote_via=quote, safe='')}"


def origin_of(uri: str) -> str:
    """The origin of an address as a policy names it: `https://host:port`, or the scheme of an application."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"
