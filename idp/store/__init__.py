"""The store: what may expire.

Sessions, interactions, authorization codes, pushed requests, access tokens, used `jti`s and per-address limits. All of
it has a lifetime, and losing all of it costs people one more sign-in and nothing else. `sql.py` is the embedded store
(a table of the application's database), `redis.py` the large one; one contract suite runs against both.
Keys live in a namespace per kind: a value put as one kind is never found as another.
"""

from collections.abc import Mapping
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from typing import Protocol

Value = Mapping[str, Any]


class AlreadyTaken(LookupError):
    """The value was there and somebody took it before: a replay."""


class StoreUnavailable(RuntimeError):
    """The store cannot be reached; whoever asked fails closed (HTTP 503)."""


class Store(Protocol):
    """What every store does; keys and kinds are text, values JSON objects, lifetimes whole seconds."""

    def put(self, kind: str, key: str, value: Value, seconds: int) -> None:
        """Keep the value for so long, in place of an older one."""

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """The value, or None if it never was, has expired or was taken."""

    def get_many(self, pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any] | None]:
        """Several values in one round trip, in the order asked."""

    def take(self, kind: str, key: str, *, remember: int = 0) -> dict[str, Any] | None:
        """The value, for the one caller who comes first; atomic across processes and machines.

        With `remember`, a tombstone stays for so many seconds and whoever comes later gets `AlreadyTaken`;
        without, the value is as if it never was.
        """

    def add_once(self, kind: str, key: str, seconds: int) -> bool:
        """True for the first caller within so many seconds, False for all others."""

    def count(self, kind: str, key: str, seconds: int) -> int:
        """Count one more in the window that the first call opened; the number including this one."""

    def counted(self, kind: str, key: str) -> int:
        """What has been counted in the running window, without counting."""

    def delete(self, kind: str, key: str) -> None:
        """Forget the value (or tombstone, or count)."""

    def born(self) -> datetime:
        """When this store last came up empty: proofs and assertions issued before are refused (decision 3)."""

    def sweep(self) -> int:
        """Remove what has expired; the number of entries removed (0 where the store does it by itself)."""

    def ping(self) -> None:
        """Raise `StoreUnavailable` unless the store answers."""
