"""What a node last read from the storage: fresh enough, and kept while the storage is away."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta

from .stored_key import KeyStorage
from .stored_key import StoredKey

log = logging.getLogger(__name__)

UNKNOWN_KID_PAUSE = timedelta(seconds=1)


@dataclass(frozen=True)
class _Reading:
    """What the storage held, and when."""

    keys: tuple[StoredKey, ...]
    at: datetime

    def is_younger_than(self, age: timedelta, now: datetime) -> bool:
        # A clock set back makes a reading old, not young for ever.
        return timedelta(0) <= now - self.at < age


class KeyReader:
    """Reads the stored keys: at most every `refresh_every`, unless somebody has a reason to ask sooner."""

    def __init__(self, storage: KeyStorage, clock: Callable[[], datetime], refresh_every: timedelta) -> None:
        self._storage = storage
        self._clock = clock
        self._refresh_every = refresh_every
        self._reading: _Reading | None = None
        self._lock = threading.Lock()

    def latest(self) -> tuple[StoredKey, ...]:
        """Return every key, the oldest first; only an old reading is read again."""
        reading = self._reading
        if reading is None:
            return self.read()
        if reading.is_younger_than(self._refresh_every, self._clock()):
            return reading.keys
        # One thread asks the storage, the others go on with what is known.
        if not self._lock.acquire(blocking=False):
            return reading.keys
        try:
            return self._read_or_keep(reading)
        finally:
            self._lock.release()

    def read(self) -> tuple[StoredKey, ...]:
        """Read the storage now; what it raises is raised."""
        with self._lock:
            return self._read()

    def read_for_unknown_kid(self) -> tuple[StoredKey, ...]:
        """Read because a token names a kid nobody knows; strangers can cause this once a second, not more."""
        with self._lock:
            reading = self._reading
            if reading is None:
                return self._read()
            if reading.is_younger_than(UNKNOWN_KID_PAUSE, self._clock()):
                return reading.keys
            return self._read_or_keep(reading)

    def _read(self) -> tuple[StoredKey, ...]:
        now = self._clock()
        keys = tuple(sorted(self._storage.load(), key=lambda key: (key.signs_from, key.kid)))
        self._reading = _Reading(keys, now)
        return keys

    def _read_or_keep(self, reading: _Reading) -> tuple[StoredKey, ...]:
        """Read again, or go on with the last reading: a database that is away must not end every session."""
        try:
            return self._read()
        except Exception:  # whatever a storage raises when it is away
            log.warning("The signing keys could not be read again; the last reading is used.", exc_info=True)
            # Counted as read, so that not every request waits for a storage that is away.
            self._reading = _Reading(reading.keys, self._clock())
            return reading.keys
