"""A lease: one at a time, on every node; who comes meanwhile waits for a moment.

Held in the store for so long at most, so that a process that dies holding one keeps nobody out for ever.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from time import sleep

from .provider import provider
from .store import StoreUnavailable

SECONDS = 10
POLL_SECONDS = 0.05


@contextmanager
def lease(kind: str, key: str) -> Iterator[None]:
    """Go ahead alone; raises `StoreUnavailable` when the others take too long. Never inside a transaction."""
    deadline = monotonic() + SECONDS
    while not provider.store.add_once(kind, key, SECONDS):
        if monotonic() > deadline:
            raise StoreUnavailable("a lease was never returned")
        sleep(POLL_SECONDS)
    ends = monotonic() + SECONDS
    try:
        yield
    finally:
        if monotonic() < ends:  # later it has ended by itself, and may be somebody else's
            provider.store.delete(kind, key)
