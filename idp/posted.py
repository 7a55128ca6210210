"""Posted requests: what came by POST from another site waits here for the GET that follows.

A cross-site POST comes without our `SameSite=Lax` cookies; the 303 to a GET brings them (decision 10). What waits is
encrypted, for it may hold a login hint, and carries no right: whoever follows the address stands where anybody stands
who opens a link.
"""

import json
import secrets
from base64 import b64decode
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from .provider import provider

SECONDS = 600
MAX_LENGTH = 64
HANDLE = "posted_request"
"""The parameter of the GET: a name that no specification and no application uses (RFC 6749 §3.1)."""


def keep(kind: str, value: Mapping[str, Any], seconds: int = SECONDS) -> str:
    """Keep a request for so long and return the handle by which the GET finds it."""
    handle = secrets.token_urlsafe(16)
    sealed = provider.vault.seal(json.dumps(value), f"{kind}:{handle}")
    provider.store.put(kind, handle, {"sealed": b64encode(sealed).decode()}, seconds)
    return handle


def find(kind: str, handle: str) -> dict[str, Any] | None:
    """The request, for as long as it is kept; a reload of the page finds it again."""
    value = provider.store.get(kind, handle) if len(handle) <= MAX_LENGTH else None
    if value is None:
        return None
    opened: dict[str, Any] = json.loads(provider.vault.open(b64decode(value["sealed"]), f"{kind}:{handle}"))
    return opened


def forget(kind: str, handle: str) -> None:
    """Let nobody find it any more."""
    provider.store.delete(kind, handle)
