"""Answers: where finished interactions have sent the browser, kept for half a minute for whoever presses twice.

The browser drops the answer to a first press when a second one comes, so the second must lead to the same place. Sealed
in the store; whose it is has been checked when the interaction was loaded.
"""

import hashlib
from base64 import b64decode
from base64 import b64encode
from urllib.parse import parse_qsl
from urllib.parse import urlsplit

from flask import Response

from . import response as responses
from .interaction import Interaction
from .provider import provider

KIND = "answer"
SECONDS = 30
NEVER_KEPT = frozenset({"access_token", "id_token", "response"})
"""Parameters whose address is not kept: tokens, and answers that cannot be looked into."""


def keep(interaction: Interaction, response: Response) -> None:
    """Keep where the answer leads, unless the interaction was never shown."""
    location = response.headers.get("Location")
    if not interaction.browser or location is None or NEVER_KEPT & set(_params(location)):
        return
    sealed = provider.vault.seal(location, _context(interaction.id))
    provider.store.put(KIND, interaction.id, {"sealed": b64encode(sealed).decode()}, SECONDS)


def repeat(interaction_id: str) -> Response | None:
    """The same answer again; None once it is old or its code redeemed, since a replayed one ends what it brought."""
    value = provider.store.get(KIND, interaction_id)
    if value is None:
        return None
    location = provider.vault.open_text(b64decode(value["sealed"]), _context(interaction_id))
    code = _params(location).get("code")
    if code is not None and not _is_waiting(code):
        return None
    response = responses.go(location)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _params(location: str) -> dict[str, str]:
    parts = urlsplit(location)
    return dict(parse_qsl(parts.fragment or parts.query))


def _is_waiting(code: str) -> bool:
    """Whether nobody has redeemed it; the store knows codes by their hash (`grants/authorization_code.py`)."""
    return provider.store.get("code", hashlib.sha256(code.encode()).hexdigest()) is not None


def _context(interaction_id: str) -> str:
    return f"answer:{interaction_id}"
