"""The large store: Redis, or anything that speaks its protocol.

A value is a JSON object and so begins with `{`; marks, counts and tombstones do not. What reads before it writes is a
script, which Redis runs as one command. Redis must not evict (`maxmemory-policy noeviction`): a full one then refuses,
and we fail closed, while an evicted mark would let an assertion be used twice.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from typing import cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError
from redis.retry import Retry

from ..clock import now
from .contract import BIRTH
from .contract import AlreadyTaken
from .contract import StoreUnavailable
from .contract import Value
from .contract import lifetime
from .contract import pack
from .contract import stored_key
from .contract import unpack

TIMEOUT = 0.5
MARK = b"marked"
TOMBSTONE = b"taken"

# Leaves everything but a value as it is: taking a tombstone must not remove it.
TAKE = """
local found = redis.call('GET', KEYS[1])
if found and string.sub(found, 1, 1) == '{' then
    if ARGV[1] == '0' then
        redis.call('DEL', KEYS[1])
    else
        redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[1])
    end
end
return found
"""
DELETE_SAME = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('DEL', KEYS[1])
end
return 0
"""
COUNT = """
local number = redis.call('INCR', KEYS[1])
if number == 1 then
    redis.call('EXPIRE', KEYS[1], ARGV[1])
end
return number
"""


BATCH = 1000


class RedisStore:
    """The store over one Redis; connects when first asked."""

    def __init__(self, url: str, prefix: str = "idp:") -> None:
        self._prefix = prefix
        # A connection that was closed meanwhile is opened again once; nobody waits for a silent Redis twice.
        retry = Retry(NoBackoff(), 1, supported_errors=(ConnectionLost,))
        self._redis: Redis = Redis.from_url(
            url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=retry, decode_responses=False
        )
        self._take = self._redis.register_script(TAKE)
        self._delete_same = self._redis.register_script(DELETE_SAME)
        self._count = self._redis.register_script(COUNT)

    def put(self, kind: str, key: str, value: Value, seconds: int) -> None:
        """Keep the value for so long, in place of an older one."""
        packed, seconds = pack(value), lifetime(seconds)
        with _failing_closed():
            self._redis.set(self._name(kind, key), packed, ex=seconds)

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """The value, or None if it never was, has expired or was taken."""
        with _failing_closed():
            return _value(cast("bytes | None", self._redis.get(self._name(kind, key))))

    def get_many(self, pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any] | None]:
        """Several values in one round trip, in the order asked."""
        if not pairs:
            return []
        with _failing_closed():
            found = cast("list[bytes | None]", self._redis.mget([self._name(kind, key) for kind, key in pairs]))
        return [_value(each) for each in found]

    def take(self, kind: str, key: str, *, remember: int = 0) -> dict[str, Any] | None:
        """The value, for the one caller who comes first; a script, because it looks before it removes."""
        seconds = lifetime(remember) if remember else 0
        with _failing_closed():
            found = cast("bytes | None", self._take([self._name(kind, key)], [seconds, TOMBSTONE]))
        if found == TOMBSTONE:
            raise AlreadyTaken(kind)
        return _value(found)

    def put_new(self, kind: str, key: str, value: Value, seconds: int) -> bool:
        """Keep the value unless something is there already; whether it was kept."""
        return self._add(kind, key, pack(value), seconds)

    def delete_same(self, kind: str, key: str, value: Value) -> bool:
        """Forget this very value, and leave any other as it is; a script, because it looks before it removes."""
        packed = pack(value)
        with _failing_closed():
            return bool(self._delete_same([self._name(kind, key)], [packed]))

    def add_once(self, kind: str, key: str, seconds: int) -> bool:
        """True for the first caller within so many seconds, False for all others."""
        return self._add(kind, key, MARK, seconds)

    def count(self, kind: str, key: str, seconds: int) -> int:
        """Count one more in the window that the first call opened; the number including this one."""
        seconds = lifetime(seconds)
        with _failing_closed():
            return int(cast("int", self._count([self._name(kind, key)], [seconds])))

    def counted(self, kind: str, key: str) -> int:
        """What has been counted in the running window, without counting."""
        with _failing_closed():
            found = cast("bytes | None", self._redis.get(self._name(kind, key)))
        return int(found) if found is not None and found.isdigit() else 0

    def delete(self, kind: str, key: str) -> None:
        """Forget the value (or tombstone, or count)."""
        with _failing_closed():
            self._redis.delete(self._name(kind, key))

    def born(self) -> datetime:
        """When this store last came up empty: a key that never expires says it, and is lost with all others."""
        name = self._name(*BIRTH)
        with _failing_closed():
            found = cast("bytes | None", self._redis.get(name))
            if found is None:
                self._redis.set(name, now().isoformat().encode(), nx=True)
                found = cast("bytes | None", self._redis.get(name))
        if found is None:
            raise StoreUnavailable("Redis does not keep what is written.")
        return datetime.fromisoformat(found.decode())

    def forget_all(self) -> None:
        """Come up empty, as after a loss: born now; what others keep in the same Redis stays."""
        with _failing_closed():
            for name in self._redis.scan_iter(match=f"{self._prefix}*", count=BATCH):
                self._redis.unlink(name)
        self.born()

    def sweep(self) -> int:
        """Nothing to remove, Redis does; note the birth of an empty store."""
        self.born()
        return 0

    def ping(self) -> None:
        """Raise `StoreUnavailable` unless the store answers."""
        with _failing_closed():
            self._redis.ping()

    def _add(self, kind: str, key: str, kept: bytes, seconds: int) -> bool:
        seconds = lifetime(seconds)
        with _failing_closed():
            return bool(self._redis.set(self._name(kind, key), kept, ex=seconds, nx=True))

    def _name(self, kind: str, key: str) -> str:
        """Kind and key in one name that reads well and that no other pair has."""
        kind = kind.replace("%", "%25").replace(":", "%3A")
        return f"{self._prefix}{kind}:{stored_key(key)}"


def _value(found: bytes | None) -> dict[str, Any] | None:
    return unpack(found) if found is not None and found.startswith(b"{") else None


@contextmanager
def _failing_closed() -> Iterator[None]:
    """Lost, silent, full, read-only, still loading, wrong password: whatever Redis says, nobody goes on without it."""
    try:
        yield
    except RedisError as error:
        raise StoreUnavailable(f"Redis cannot be used: {type(error).__name__}.") from error
