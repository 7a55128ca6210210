"""fragment: the answer stays in the browser, behind the # (OAuth 2.0 Multiple Response Types §2.1)."""

from collections.abc import Mapping
from urllib.parse import quote
from urllib.parse import urlencode

from flask import Response

from ..response import go


def send(redirect_uri: str, params: Mapping[str, str]) -> Response:
    """A registered address has no fragment of its own (RFC 6749 §3.1.2)."""
    return go(f"{redirect_uri}#{urlencode(params, quote_via=quote, safe='')}")
