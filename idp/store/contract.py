"""The contract: what every store does, and how it names things.

Keys live in a namespace per kind: a value put as one kind is never found as another (CVE-2026-4282). A kind is used for
one thing: values, marks (`add_once`) or counts; only `get`, `take` and `get_many` see values.
"""

import hashlib
import json
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from typing import Protocol

Value = Mapping[str, Any]

LONGEST_KEY = 200
DIGEST = "sha256:"
BIRTH = ("store", "born")
"""Kind and key of the moment the store came up empty."""


class AlreadyTaken(LookupError):
    """The value was there and somebody took it before: a replay."""


class StoreUnavailable(RuntimeError):
    """The store cannot be reached; whoever asked fails closed (HTTP 503)."""


class Store(Protocol):
    """What every store does; keys and kinds are text, values JSON objects, lifetimes whole seconds from 1 up."""

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

    def put_new(self, kind: str, key: str, value: Value, seconds: int) -> bool:
        """Keep the value unless there is one already (or a tombstone, mark or count); whether it was kept."""

    def delete_same(self, kind: str, key: str, value: Value) -> bool:
        """Forget this very value, and leave any other as it is; whether it was there."""

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

    def forget_all(self) -> None:
        """Come up empty, as after a loss: born now."""

    def sweep(self) -> int:
        """Remove what has expired; the number of entries removed (0 where the store does it by itself)."""

    def ping(self) -> None:
        """Raise `StoreUnavailable` unless the store answers."""


def stored_key(key: str) -> str:
    """The key as a store keeps it: itself, or its digest if it is long or holds what a database refuses.

    People choose some keys (a cookie, a part of the address): no NUL, no lone surrogate and no length makes an error.
    """
    if len(key) <= LONGEST_KEY and key.isprintable() and not key.startswith(DIGEST):
        return key
    return DIGEST + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def lifetime(seconds: int) -> int:
    """Whole seconds, at least one: what is kept for no time at all is a mistake of the caller's."""
    if seconds < 1:
        raise ValueError("A lifetime is at least one second.")
    return int(seconds)


def pack(value: Value) -> bytes:
    """The value as bytes: always a JSON object."""
    return json.dumps(dict(value), separators=(",", ":"), allow_nan=False).encode("ascii")


def unpack(stored: bytes) -> dict[str, Any]:
    """The value that was packed."""
    value: dict[str, Any] = json.loads(stored)
    return value
