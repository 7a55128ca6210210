"""A clock that stands still until told, and a storage in memory that several rings share like nodes."""

import threading
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any

import pytest

from keys import KeyRing
from keys import StoredKey
from keys import Vault


class Clock:
    """Time as a fixture."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **length: float) -> None:
        self.now += timedelta(**length)


class MemoryStorage:
    """What the SQL storage promises: unique by alg and signs_from, a revocation is never taken back."""

    def __init__(self) -> None:
        self.rows: dict[str, StoredKey] = {}
        self.loads = 0
        self.is_away = False
        self._lock = threading.Lock()

    def load(self) -> list[StoredKey]:
        if self.is_away:
            raise ConnectionError("the database is away")
        with self._lock:
            self.loads += 1
            return list(self.rows.values())

    def add(self, key: StoredKey) -> bool:
        with self._lock:
            if any((row.alg, row.signs_from) == (key.alg, key.signs_from) for row in self.rows.values()):
                return False
            self.rows[key.kid] = key
            return True

    def replace(self, key: StoredKey) -> None:
        with self._lock:
            assert self.rows[key.kid].revoked_at in (None, key.revoked_at)
            self.rows[key.kid] = key


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 3, 1, 9, 30, tzinfo=UTC))


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def vault() -> Vault:
    return Vault(b"r" * 32)


@pytest.fixture
def node(storage: MemoryStorage, vault: Vault, clock: Clock) -> Callable[..., KeyRing]:
    """Start a node: a ring of its own over the shared storage. ES256 only: RSA keys take their time."""

    def start(**options: Any) -> KeyRing:
        return KeyRing(storage, vault, **{"clock": clock, "algorithms": ("ES256",), **options})

    return start


@pytest.fixture
def ring(node: Callable[..., KeyRing]) -> KeyRing:
    """One node, started."""
    ring = node()
    ring.ensure()
    return ring
