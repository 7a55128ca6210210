"""A lease: one at a time, on every node; who comes meanwhile waits for a moment.

Held in the store for so long at most, so that a process that dies holding one keeps nobody out for ever.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from time import sleep

from .provider import provider
from .store import StoreUnavailable

SECONDS = 15
SLOWEST_CALL = 10
"""The longest that a store takes to hear of something (`idp/db.py`, `idp/store/`)."""
POLL_SECONDS = 0.05


@contextmanager
def lease(kind: str, key: str) -> Iterator[None]:
    """Go ahead alone; raises `StoreUnavailable` when the others take too long. Never inside a transaction.

    A slow holder leaves it to end by itself: before the store heard of its return, it might be somebody else's.
    """
    deadline = monotonic() + SECONDS
    while True:
        asked = monotonic()  # before the store begins to count, so that nobody believes in it for longer than it lasts
        if provider.store.add_once(kind, key, SECONDS):
            break
        if asked > deadline:
            raise StoreUnavailable("a lease was never returned")
        sleep(POLL_SECONDS)
    try:
        yield
    finally:
        if monotonic() + SLOWEST_CALL < asked + SECONDS:
            provider.store.delete(kind, key)
