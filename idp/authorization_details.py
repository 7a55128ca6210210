"""Authorization details: what is asked or granted in more words than a scope has (RFC 9396)."""

import json
import math
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Error

from .details_type import DetailsType
from .models import Client
from .parameters import Parameters
from .provider import provider

MAX_LENGTH = 4 * 1024
"""Of all details of a request, as JSON: a signed access token carries them, and has to fit into a header."""
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
    if len(json.dumps(asked)) > MAX_LENGTH:  # in ASCII, as tokens carry it
        raise InvalidAuthorizationDetails()
    return tuple(asked)


def can_be_shown(detail: Mapping[str, Any]) -> bool:
    """Whether the page of consent can show all of it: the operator has named each field, and each holds plain text."""
    described = _described(detail)
    return (
        described is not None
        and described.title is not None
        and all(path in described.fields and _is_plain(value) for path, value in _fields(detail))
    )


def shown(detail: Mapping[str, Any], language: str) -> tuple[str, list[tuple[str, list[Any]]]] | None:
    """Its title, and each field's name with its values, in the operator's words and order; None without a title."""
    described = _described(detail)
    if described is None or described.title is None:
        return None
    held = dict(_fields(detail))
    named = [(words, held[path]) for path, words in described.fields.items() if path in held]
    rows = [(words.said_in(language), value if isinstance(value, list) else [value]) for words, value in named]
    return described.title.said_in(language), rows


def spelling(detail: Mapping[str, Any]) -> str:
    """The one spelling of details that say the same: whatever the order of their members was."""
    return json.dumps(detail, sort_keys=True, separators=(",", ":"))


def _described(detail: Mapping[str, Any]) -> DetailsType | None:
    types = provider.settings.authorization_details_types
    return next((each for each in types if each.type == detail.get("type")), None)


def _fields(detail: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every value, by its path: the `value` of `amount` is `amount.value`."""
    for name, value in detail.items():
        path = f"{above}.{name}" if above else name
        if isinstance(value, dict) and value and "." not in name:
            yield from _fields(value, path)
        elif path != "type":
            yield path, None if "." in name else value  # another field's path would be shown under its name


def _is_plain(value: object) -> bool:
    """A text in one line, a number, yes or no, or a list of those; nothing that could dress up as something else."""
    if isinstance(value, list):
        return all(not isinstance(each, list) and _is_plain(each) for each in value)
    return isinstance(value, bool | int | float) or (isinstance(value, str) and value.isprintable())


def _can_be_kept(value: object, depth: int = MAX_DEPTH) -> bool:
    """Whether it is JSON for others, too: finite numbers, whole characters, an end (RFC 8259 §6, §8.2, §9)."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        return depth > 0 and all(_can_be_kept(each, depth - 1) for each in value)
    if isinstance(value, str):
        return not any("\ud800" <= char <= "\udfff" for char in value)
    return not isinstance(value, float) or math.isfinite(value)
