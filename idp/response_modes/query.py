"""query: the answer stands in the query of the client's address (OAuth 2.0 Multiple Response Types §2.1)."""

from collections.abc import Mapping

from flask import Response

from ..response import go


def send(redirect_uri: str, params: Mapping[str, str]) -> Response:
    """Behind the parameters the address has of its own (RFC 6749 §3.1.2)."""
    return go(redirect_uri, params)
