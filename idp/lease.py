"""A lease: one at a time, on every node; who comes meanwhile waits for a moment.

Held in the store for so long at most, so that a process that dies holding one keeps nobody out for ever. It carries
its holder's name: whoever was slower than that gives back nothing, because what stands there is somebody else's.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from time import sleep

from .provider import provider
from .store import StoreUnavailable

SECONDS = 15
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Lease:
    """What was given to whoever goes ahead."""

    kind: str
    key: str
    holder: dict[str, str]

    def is_ours(self) -> bool:
        """Whether it has not run out yet; look before keeping what came of it."""
        return provider.store.get(self.kind, self.key) == self.holder


@contextmanager
def lease(kind: str, key: str) -> Iterator[Lease]:
    """Go ahead alone; raises `StoreUnavailable` when the others take too long. Never inside a transaction."""
    holder = {"holder": secrets.token_urlsafe(16)}
    deadline = monotonic() + SECONDS
    while not provider.store.put_new(kind, key, holder, SECONDS):
        if monotonic() > deadline:
            raise StoreUnavailable("a lease was never returned")
        sleep(POLL_SECONDS)
    try:
        yield Lease(kind, key, holder)
    finally:
        provider.store.delete_same(kind, key, holder)
