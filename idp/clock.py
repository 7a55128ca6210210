"""The time, in one place: aware, in UTC."""

from datetime import UTC
from datetime import datetime


def now() -> datetime:
    """This moment in UTC; tests move it with time-machine."""
    return datetime.now(UTC)


def epoch() -> int:
    """This moment in whole seconds since 1970, as JWT and OpenID Connect count (RFC 7519 §2)."""
    return int(now().timestamp())
