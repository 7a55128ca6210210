"""The embedded store: a table of the application's database, SQLite or PostgreSQL.

Every call is a short transaction of its own on a connection of its own, and never the session's: what is taken stays
taken whatever becomes of the business write. **Never inside `transaction()`**: on SQLite the one write lock is the
session's then, and a write here raises `RuntimeError` at once instead of waiting for itself.

Every request comes here several times, so the statements are made once and only their parameters change.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection
from sqlalchemy import Dialect
from sqlalchemy import Insert
from sqlalchemy import Select
from sqlalchemy import and_
from sqlalchemy import bindparam
from sqlalchemy import case
from sqlalchemy import delete
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy import tuple_
from sqlalchemy import update
from sqlalchemy.exc import InterfaceError
from sqlalchemy.exc import InternalError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..clock import now
from ..db import db
from ..db import own_transaction
from ..db import upsert
from ..models import StoreEntry
from .contract import BIRTH
from .contract import AlreadyTaken
from .contract import StoreUnavailable
from .contract import Value
from .contract import lifetime
from .contract import pack
from .contract import stored_key
from .contract import unpack

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
BATCH = 1000
PLACE = ("kind", "key")
FRESH = ("value", "counter", "taken_at", "expires_at")
UNAVAILABLE = (OperationalError, InterfaceError, InternalError, PoolTimeout)
"""Down, busy for too long, full, read-only: nothing a caller could do otherwise."""

_AT = StoreEntry.kind == bindparam("at_kind"), StoreEntry.key == bindparam("at_key")
_LIVES = StoreEntry.expires_at > bindparam("moment")
_HAS_VALUE = StoreEntry.value.is_not(None), StoreEntry.taken_at.is_(None), _LIVES

_GET = select(StoreEntry.value).where(*_AT, *_HAS_VALUE)
_COUNTED = select(StoreEntry.counter).where(*_AT, _LIVES)
_IS_BURIED = select(StoreEntry.taken_at).where(*_AT, _LIVES)
_BURY = (
    update(StoreEntry)
    .where(*_AT, *_HAS_VALUE)
    .values(taken_at=bindparam("moment"), expires_at=bindparam("ends"))
    .returning(StoreEntry.value)
)
_EMPTY = update(StoreEntry).where(*_AT).values(value=None)
_REMOVE = delete(StoreEntry).where(*_AT, *_HAS_VALUE).returning(StoreEntry.value)
_DELETE = delete(StoreEntry).where(*_AT)
_DELETE_SAME = (
    delete(StoreEntry).where(*_AT, *_HAS_VALUE, StoreEntry.value == bindparam("same")).returning(StoreEntry.kind)
)
_BORN = select(StoreEntry.value).where(StoreEntry.kind == BIRTH[0], StoreEntry.key == BIRTH[1])


class SqlStore:
    """The store over the engine of the current application."""

    def put(self, kind: str, key: str, value: Value, seconds: int) -> None:
        """Keep the value for so long, in place of an older one."""
        with _writing() as connection:
            connection.execute(_put(connection.dialect), _row(kind, key, pack(value), seconds))

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """The value, or None if it never was, has expired or was taken."""
        with _reading() as connection:
            value = connection.execute(_GET, _living(kind, key)).scalar()
        return None if value is None else unpack(value)

    def get_many(self, pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any] | None]:
        """Several values in one round trip, in the order asked."""
        if not pairs:
            return []
        places = [(kind, stored_key(key)) for kind, key in pairs]
        asked = {f"kind_{number}": kind for number, (kind, _) in enumerate(places)}
        asked |= {f"key_{number}": key for number, (_, key) in enumerate(places)}
        with _reading() as connection:
            rows = connection.execute(_get_many(len(places)), {**asked, "moment": now()})
            found = {(kind, key): value for kind, key, value in rows}
        return [unpack(value) if (value := found.get(place)) is not None else None for place in places]

    def take(self, kind: str, key: str, *, remember: int = 0) -> dict[str, Any] | None:
        """The value, for the one caller who comes first: the conditional write decides who that is.

        The tombstone keeps nothing of the value.
        """
        with _writing() as connection:
            living = _living(kind, key)
            if remember:
                value = connection.execute(_BURY, {**living, "ends": _in(remember)}).scalar()
                if value is not None:
                    connection.execute(_EMPTY, _at(kind, key))
            else:
                value = connection.execute(_REMOVE, living).scalar()
            if value is None and connection.execute(_IS_BURIED, living).scalar() is not None:
                raise AlreadyTaken(kind)
        return None if value is None else unpack(value)

    def put_new(self, kind: str, key: str, value: Value, seconds: int) -> bool:
        """Keep the value unless something is there already; whether it was kept."""
        return _add(kind, key, pack(value), seconds)

    def delete_same(self, kind: str, key: str, value: Value) -> bool:
        """Forget this very value, and leave any other as it is: the condition of one statement."""
        with _writing() as connection:
            return connection.execute(_DELETE_SAME, {**_living(kind, key), "same": pack(value)}).scalar() is not None

    def add_once(self, kind: str, key: str, seconds: int) -> bool:
        """True for the first caller within so many seconds, False for all others."""
        return _add(kind, key, None, seconds)

    def count(self, kind: str, key: str, seconds: int) -> int:
        """Count one more in the window that the first call opened; the number including this one."""
        with _writing() as connection:
            row = {**_row(kind, key, None, seconds), "counter": 1, "moment": now()}
            return int(connection.execute(_count(connection.dialect), row).scalar_one())

    def counted(self, kind: str, key: str) -> int:
        """What has been counted in the running window, without counting."""
        with _reading() as connection:
            return int(connection.execute(_COUNTED, _living(kind, key)).scalar() or 0)

    def delete(self, kind: str, key: str) -> None:
        """Forget the value (or tombstone, or count)."""
        with _writing() as connection:
            connection.execute(_DELETE, _at(kind, key))

    def born(self) -> datetime:
        """When this store last came up empty: a row that never expires says it."""
        with _reading() as connection:
            value: Any = connection.execute(_BORN).scalar()
        if value is None:
            with _writing() as connection:
                row = {"value": pack({"at": now().isoformat()}), "counter": 0, "expires_at": FOREVER}
                first = upsert(connection.dialect, StoreEntry).values(kind=BIRTH[0], key=BIRTH[1], **row)
                connection.execute(first.on_conflict_do_nothing(index_elements=PLACE))
                value = connection.execute(_BORN).scalar_one()
        return datetime.fromisoformat(unpack(value)["at"])

    def forget_all(self) -> None:
        """Come up empty, as after a loss: born now."""
        with _writing() as connection:
            connection.execute(delete(StoreEntry))
        self.born()

    def sweep(self) -> int:
        """Remove what has expired, in short batches that let sign-ins pass; note the birth of an empty store."""
        self.born()
        total = 0
        while True:
            expired = select(StoreEntry.kind, StoreEntry.key).where(StoreEntry.expires_at <= now()).limit(BATCH)
            batch = expired.with_for_update(skip_locked=True)  # several nodes sweep side by side
            with _writing() as connection:
                statement = delete(StoreEntry).where(tuple_(StoreEntry.kind, StoreEntry.key).in_(batch))
                removed = int(connection.execute(statement).rowcount)
            total += removed
            if removed < BATCH:
                return total

    def ping(self) -> None:
        """Raise `StoreUnavailable` unless the store answers."""
        with _reading() as connection:
            connection.execute(select(StoreEntry.kind).limit(1))


@contextmanager
def _writing() -> Iterator[Connection]:
    with _failing_closed(), own_transaction() as connection:
        yield connection


@contextmanager
def _reading() -> Iterator[Connection]:
    """A connection for one query; without BEGIN on PostgreSQL, where it would be a round trip."""
    with _failing_closed(), db.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="AUTOCOMMIT")
        yield connection


@contextmanager
def _failing_closed() -> Iterator[None]:
    try:
        yield
    except UNAVAILABLE as error:
        raise StoreUnavailable(f"The database of the store cannot be used: {type(error).__name__}.") from error


def _add(kind: str, key: str, value: bytes | None, seconds: int) -> bool:
    """Whether it was added: for whoever inserts the row, or revives an expired one."""
    with _writing() as connection:
        row = {**_row(kind, key, value, seconds), "moment": now()}
        return connection.execute(_put_new(connection.dialect), row).scalar() is not None


@cache
def _put(dialect: Dialect) -> Insert:
    row = upsert(dialect, StoreEntry)
    return row.on_conflict_do_update(index_elements=PLACE, set_={name: row.excluded[name] for name in FRESH})


@cache
def _put_new(dialect: Dialect) -> Insert:
    """Adds the row, or revives an expired one; returns nothing where there is one."""
    row = upsert(dialect, StoreEntry)
    fresh = {name: row.excluded[name] for name in FRESH}
    over = StoreEntry.expires_at <= bindparam("moment")
    return row.on_conflict_do_update(index_elements=PLACE, set_=fresh, where=over).returning(StoreEntry.kind)


@cache
def _count(dialect: Dialect) -> Insert:
    row, is_over = upsert(dialect, StoreEntry), StoreEntry.expires_at <= bindparam("moment")
    counted = {
        "counter": case((is_over, 1), else_=StoreEntry.counter + 1),
        "expires_at": case((is_over, row.excluded.expires_at), else_=StoreEntry.expires_at),
    }
    return row.on_conflict_do_update(index_elements=PLACE, set_=counted).returning(StoreEntry.counter)


@cache
def _get_many(number: int) -> Select[str, str, bytes | None]:
    """So many values at once; nobody asks for more than a few."""
    places = [
        and_(StoreEntry.kind == bindparam(f"kind_{each}"), StoreEntry.key == bindparam(f"key_{each}"))
        for each in range(number)
    ]
    return select(StoreEntry.kind, StoreEntry.key, StoreEntry.value).where(or_(*places), *_HAS_VALUE)


def _at(kind: str, key: str) -> dict[str, Any]:
    return {"at_kind": kind, "at_key": stored_key(key)}


def _living(kind: str, key: str) -> dict[str, Any]:
    """Where to look for what lives now; asked when the lock is held, for waiting for it takes time."""
    return {**_at(kind, key), "moment": now()}


def _row(kind: str, key: str, value: bytes | None, seconds: int) -> dict[str, Any]:
    fresh = {"value": value, "counter": 0, "taken_at": None, "expires_at": _in(seconds)}
    return {"kind": kind, "key": stored_key(key), **fresh}


def _in(seconds: int) -> datetime:
    return now() + timedelta(seconds=lifetime(seconds))
