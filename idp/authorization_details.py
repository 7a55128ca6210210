"""Authorization details: what is asked or granted in more words than a scope has (RFC 9396)."""

import json
import math
from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Error

from .models import Client
from .parameters import Parameters

MAX_LENGTH = 16 * 1024
MAX_DEPTH = 20
MOST = 50


class InvalidAuthorizationDetails(OAuth2Error):  # type: ignore[misc]
    """Details that cannot be read, or of a type the client may not use (RFC 9396 §5)."""

    error = "invalid_authorization_details"
    description = "The authorization_details are not valid."


def read(params: Parameters, client: Client) -> tuple[Mapping[str, Any], ...]:
    """Details as they were sent; each type must be open to the client (RFC 9396 §5)."""
    text = params.get("authorization_details")
    if text is None:
        return ()
    if len(text) > MAX_LENGTH:
        raise InvalidAuthorizationDetails()
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidAuthorizationDetails() from None
    if not isinstance(asked, list) or len(asked) > MOST or not all(isinstance(each, dict) for each in asked):
        raise InvalidAuthorizationDetails()
    if not all(each.get("type") in client.authorization_details_types for each in asked) or not _can_be_kept(asked):
        raise InvalidAuthorizationDetails()
    return tuple(asked)


def _can_be_kept(value: object, depth: int = MAX_DEPTH) -> bool:
    """Whether it is JSON for others, too: finite numbers, whole characters, an end (RFC 8259 §6, §8.2, §9)."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        return depth > 0 and all(_can_be_kept(each, depth - 1) for each in value)
    if isinstance(value, str):
        return not any("\ud800" <= char <= "\udfff" for char in value)
    return not isinstance(value, float) or math.isfinite(value)
