"""Redirect addresses: which may be registered, and which a request may name (decision 9, RFC 9700 §2.1).

What is registered is checked once and strictly, so that comparing afterwards is comparing two texts: nothing is
normalised, decoded or lower-cased (RFC 9700 §4.1.3).
"""

import re
from collections.abc import Sequence
from urllib.parse import SplitResult
from urllib.parse import parse_qsl
from urllib.parse import urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1")
MAX_LENGTH = 2000
RESPONSE_PARAMETERS = frozenset(
    {"code", "state", "iss", "error", "error_description", "error_uri", "response", "session_state"}
    | {"id_token", "access_token", "token_type", "expires_in", "scope"}
)

_URI = re.compile(r"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()+,;=]|%[0-9A-Fa-f]{2})+")
_HOST = re.compile(r"(?!.*\.\.)[a-z0-9]([a-z0-9\-.]*[a-z0-9])?|[0-9a-f:.]*:[0-9a-f:.]*")
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+\-]*(\.[a-z0-9+\-]+)+")
_DOTS = re.compile(r"(^|/)(\.|%2[eE]){1,2}(;[^/]*)?(/|$)")
_LOOPBACK_URI = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::([1-9][0-9]{0,4}))?(/.*)?", re.DOTALL)


class BadAddress(ValueError):
    """An address that must not be registered; the text says why, for whoever registers it."""


def check(uri: str, *, native: bool = False) -> None:
    """Let an address be registered for answers to a client, or raise `BadAddress`.

    https, or http to the own machine (RFC 8252 §8.3); a native application may have a scheme of its own that is a
    reversed domain name (RFC 8252 §7.1). No wildcard, fragment, user part or dot segment, and no parameter in the
    query that an answer carries itself (RFC 6749 §3.1.2).
    """
    _check_characters(uri)
    parts = _split(uri)
    if parts.scheme in {"https", "http"}:
        check_web(uri)
    elif not native:
        raise BadAddress("use https, or http for localhost, 127.0.0.1 and [::1]")
    elif not _PRIVATE_SCHEME.fullmatch(parts.scheme):
        raise BadAddress("a scheme of an application is a reversed domain name, like ch.fund.app:/callback")
    elif parts.netloc or not uri.startswith(f"{parts.scheme}:/"):
        raise BadAddress("an address with a scheme of its own has no host: ch.fund.app:/callback")
    names = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    if taken := sorted(names & RESPONSE_PARAMETERS):
        raise BadAddress(f"its query must not contain {', '.join(taken)}: the answer does")


def check_web(uri: str) -> None:
    """Let a web address be registered: https, or http to the own machine."""
    _check_characters(uri)
    parts = _split(uri)
    if not uri.startswith(("https://", "http://")):
        raise BadAddress("use https, or http for localhost, 127.0.0.1 and [::1]")
    host = parts.hostname or ""
    if "@" in parts.netloc:
        raise BadAddress("it must not contain a user name")
    if parts.netloc != parts.netloc.lower() or not _HOST.fullmatch(host) or not _is_whole(parts, host):
        raise BadAddress("its host is not a host name in lower case")
    if parts.scheme == "http" and host not in LOOPBACK:
        raise BadAddress("use https; http is accepted for localhost, 127.0.0.1 and [::1] only")
    if _DOTS.search(parts.path):
        raise BadAddress("its path must not contain . or .. segments")


def _is_whole(parts: SplitResult, host: str) -> bool:
    """Whether nothing stands beside host and port: Python reads `[::1]evil.test;` as `::1`, and ends up in policies."""
    shown = f"[{host}]" if ":" in host else host
    return parts.netloc in (shown, f"{shown}:{parts.port}")


def fits(requested: str, registered: Sequence[str], *, native: bool) -> bool:
    """Whether the address is one of the registered, character by character.

    Only the port of a native application on an IP literal of the loopback may differ (RFC 8252 §7.3).
    """
    if requested in registered:
        return True
    wanted = _without_port(requested) if native else None
    return wanted is not None and any(wanted == _without_port(uri) for uri in registered)


def _without_port(uri: str) -> tuple[str, str] | None:
    match = _LOOPBACK_URI.fullmatch(uri)
    if match is None or int(match[2] or 80) > 65535:
        return None
    return match[1], match[3] or ""


def _check_characters(uri: str) -> None:
    if not uri or len(uri) > MAX_LENGTH:
        raise BadAddress(f"it must have 1 to {MAX_LENGTH} characters")
    if "#" in uri:
        raise BadAddress("it must not have a fragment (#…)")
    if "*" in uri:
        raise BadAddress("it must be one exact address, without *")
    if not _URI.fullmatch(uri):
        raise BadAddress("it contains characters that no address may contain (RFC 3986)")


def _split(uri: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        raise BadAddress("it is not an address") from None
    if parts.scheme and not uri.startswith(f"{parts.scheme}:"):
        raise BadAddress("its scheme must be written in lower case")
    if port == 0 or parts.netloc.endswith(":"):
        raise BadAddress("its port is not a port")
    return parts
