"""The embedded store: a table of the application's database, SQLite or PostgreSQL.

Every call is a short transaction of its own on a connection of its own, and never the session's: what is taken stays
taken whatever becomes of the business write. **Never inside `transaction()`**: on SQLite the one write lock is the
session's then, and a write here raises `RuntimeError` at once instead of waiting for itself.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy import Connection
from sqlalchemy import case
from sqlalchemy import delete
from sqlalchemy import literal
from sqlalchemy import select
from sqlalchemy import tuple_
from sqlalchemy import update
from sqlalchemy.exc import InterfaceError
from sqlalchemy.exc import InternalError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..clock import now
from ..db import Moment
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
UNAVAILABLE = (OperationalError, InterfaceError, InternalError, PoolTimeout)
"""Down, busy for too long, full, read-only: nothing a caller could do otherwise."""


class SqlStore:
    """The store over the engine of the current application."""

    def put(self, kind: str, key: str, value: Value, seconds: int) -> None:
        """Keep the value for so long, in place of an older one."""
        fresh = {"value": pack(value), "counter": 0, "taken_at": None, "expires_at": _in(seconds)}
        with _writing() as connection:
            row = upsert(connection, StoreEntry).values(kind=kind, key=stored_key(key), **fresh)
            connection.execute(row.on_conflict_do_update(index_elements=["kind", "key"], set_=fresh))

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """The value, or None if it never was, has expired or was taken."""
        return self.get_many([(kind, key)])[0]

    def get_many(self, pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any] | None]:
        """Several values in one round trip, in the order asked."""
        if not pairs:
            return []
        places = [(kind, stored_key(key)) for kind, key in pairs]
        query = select(StoreEntry.kind, StoreEntry.key, StoreEntry.value).where(
            tuple_(StoreEntry.kind, StoreEntry.key).in_(places), *_has_value()
        )
        with _reading() as connection:
            found = {(kind, key): value for kind, key, value in connection.execute(query)}
        return [unpack(value) if (value := found.get(place)) is not None else None for place in places]

    def take(self, kind: str, key: str, *, remember: int = 0) -> dict[str, Any] | None:
        """The value, for the one caller who comes first: the conditional write decides who that is.

        The tombstone keeps nothing of the value.
        """
        place = _at(kind, key)
        with _writing() as connection:
            if remember:
                tombstone = {"taken_at": now(), "expires_at": _in(remember)}
                buried = update(StoreEntry).where(*place, *_has_value()).values(tombstone)
                value = connection.execute(buried.returning(StoreEntry.value)).scalar()
                if value is not None:
                    connection.execute(update(StoreEntry).where(*place).values(value=None))
            else:
                gone = delete(StoreEntry).where(*place, *_has_value())
                value = connection.execute(gone.returning(StoreEntry.value)).scalar()
            if value is None and _is_buried(connection, place):
                raise AlreadyTaken(kind)
        return None if value is None else unpack(value)

    def put_new(self, kind: str, key: str, value: Value, seconds: int) -> bool:
        """Keep the value unless something is there already; whether it was kept."""
        return _add(kind, key, pack(value), seconds)

    def delete_same(self, kind: str, key: str, value: Value) -> bool:
        """Forget this very value, and leave any other as it is: the condition of one statement."""
        same = delete(StoreEntry).where(*_at(kind, key), *_has_value(), StoreEntry.value == pack(value))
        with _writing() as connection:
            return connection.execute(same.returning(StoreEntry.kind)).scalar() is not None

    def add_once(self, kind: str, key: str, seconds: int) -> bool:
        """True for the first caller within so many seconds, False for all others."""
        return _add(kind, key, None, seconds)

    def count(self, kind: str, key: str, seconds: int) -> int:
        """Count one more in the window that the first call opened; the number including this one."""
        ends, is_over = _in(seconds), StoreEntry.expires_at <= now()
        with _writing() as connection:
            row = upsert(connection, StoreEntry).values(kind=kind, key=stored_key(key), counter=1, expires_at=ends)
            counted = row.on_conflict_do_update(
                index_elements=["kind", "key"],
                set_={
                    "counter": case((is_over, 1), else_=StoreEntry.counter + 1),
                    "expires_at": case((is_over, literal(ends, Moment())), else_=StoreEntry.expires_at),
                },
            )
            return int(connection.execute(counted.returning(StoreEntry.counter)).scalar_one())

    def counted(self, kind: str, key: str) -> int:
        """What has been counted in the running window, without counting."""
        with _reading() as connection:
            query = select(StoreEntry.counter).where(*_at(kind, key), StoreEntry.expires_at > now())
            return int(connection.execute(query).scalar() or 0)

    def delete(self, kind: str, key: str) -> None:
        """Forget the value (or tombstone, or count)."""
        with _writing() as connection:
            connection.execute(delete(StoreEntry).where(*_at(kind, key)))

    def born(self) -> datetime:
        """When this store last came up empty: a row that never expires says it."""
        query = select(StoreEntry.value).where(*_at(*BIRTH))
        with _reading() as connection:
            value: Any = connection.execute(query).scalar()
        if value is None:
            with _writing() as connection:
                row = {"value": pack({"at": now().isoformat()}), "counter": 0, "expires_at": FOREVER}
                first = upsert(connection, StoreEntry).values(kind=BIRTH[0], key=BIRTH[1], **row)
                connection.execute(first.on_conflict_do_nothing(index_elements=["kind", "key"]))
                value = connection.execute(query).scalar_one()
        return datetime.fromisoformat(unpack(value)["at"])

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
    fresh = {"value": value, "counter": 0, "taken_at": None, "expires_at": _in(seconds)}
    with _writing() as connection:
        row = upsert(connection, StoreEntry).values(kind=kind, key=stored_key(key), **fresh)
        added = row.on_conflict_do_update(
            index_elements=["kind", "key"], set_=fresh, where=StoreEntry.expires_at <= now()
        )
        return connection.execute(added.returning(StoreEntry.kind)).scalar() is not None


def _at(kind: str, key: str) -> tuple[ColumnElement[bool], ...]:
    return (StoreEntry.kind == kind, StoreEntry.key == stored_key(key))


def _has_value() -> tuple[ColumnElement[bool], ...]:
    return (StoreEntry.value.is_not(None), StoreEntry.taken_at.is_(None), StoreEntry.expires_at > now())


def _is_buried(connection: Connection, place: Sequence[ColumnElement[bool]]) -> bool:
    query = select(StoreEntry.taken_at).where(*place, StoreEntry.expires_at > now())
    return connection.execute(query).scalar() is not None


def _in(seconds: int) -> datetime:
    return now() + timedelta(seconds=lifetime(seconds))
