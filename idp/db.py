"""SQL: what must outlive a restart.

Owns the session, the types of our columns and the short write transaction. SQLite in WAL mode is the embedded default,
PostgreSQL through psycopg 3 the large one; the models (`idp/models`, `pensioners/models.py`) are written once for both.
"""

import json
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from typing import Any

from flask import Flask
from flask import current_app
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import DateTime
from sqlalchemy import Dialect
from sqlalchemy import Engine
from sqlalchemy import LargeBinary
from sqlalchemy import event
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import Session
from sqlalchemy.orm import mapped_column
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

from .settings import Settings

LENT = "lent"
RESTED_SECONDS = 30.0


class Base(DeclarativeBase):
    """The common ancestor of every table."""


db = SQLAlchemy(model_class=Base)


class Moment(TypeDecorator[datetime]):
    """An aware UTC moment: `timestamptz` on PostgreSQL, ISO text in UTC on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A moment without time zone cannot be stored.")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Sealed:
    """A text attribute of a model that is encrypted at rest, bound to its table, column and row.

    `email = Sealed("email_sealed")` reads and writes the clear text; the column `email_sealed` holds AES-256-GCM
    ciphertext whose associated data is `table.column:row-id`, so that a value copied to another row does not open.
    The row needs its `id` before the attribute is set.
    """

    def __init__(self, column: str) -> None:
        self.column = column

    def __get__(self, row: Any, owner: type) -> Any:
        if row is None:
            return self
        sealed = getattr(row, self.column)
        if sealed is None:
            return None
        return json.loads(_vault().open(sealed, self._context(row)))

    def __set__(self, row: Any, value: Any) -> None:
        sealed = None if value is None else _vault().seal(json.dumps(value), self._context(row))
        setattr(row, self.column, sealed)

    def _context(self, row: Any) -> str:
        if row.id is None:
            raise ValueError(f"{type(row).__name__} needs its id before {self.column} can be sealed.")
        return f"{row.__tablename__}.{self.column}:{row.id}"


def sealed_column() -> Mapped[bytes | None]:
    """The column behind a `Sealed` attribute."""
    return mapped_column(LargeBinary, nullable=True)


def _vault() -> Any:
    return current_app.extensions["idp"].vault


@contextmanager
def transaction() -> Iterator[Session]:
    """One short business write: everything in it is kept, or nothing is.

    Ends whatever was only being read before (so read nothing before that must still be true inside), takes the write
    lock at once on SQLite (`BEGIN IMMEDIATE`: a lock taken later would fail instead of waiting), commits at the end.
    Never nest it, and never count failures inside it (they commit on their own, `idp/throttle.py`).
    """
    with _writing("transaction()"):
        session = db.session()
        session.rollback()
        session.connection(execution_options={"immediate": True})
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise


def in_transaction() -> bool:
    """Whether this thread is inside `transaction()`."""
    return getattr(_thread, "writes_in", None) == "transaction()"


def init_db(app: Flask, settings: Settings) -> None:
    """Bind SQLAlchemy to the application with the engine options of its database."""
    url = settings.database_url
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = _engine_options(url, settings)
    db.init_app(app)
    with app.app_context():
        prepare(db.engine)
        _distrust_connections(db.engine)


def _engine_options(url: str, settings: Settings) -> dict[str, Any]:
    if url.startswith("sqlite"):
        # Connections are files: no limit, for who waits for a second one while holding the first may wait for ever.
        in_memory = url in {"sqlite://", "sqlite:///:memory:"}  # one connection, and no pool to bound
        return {"connect_args": {"timeout": 10}} | ({} if in_memory else {"max_overflow": -1})
    return {
        "pool_size": settings.database_pool,
        "max_overflow": settings.database_pool,
        "pool_timeout": 5,
        "pool_recycle": 1800,
        "connect_args": {"connect_timeout": 3, "options": "-c statement_timeout=5000 -c lock_timeout=5000"},
    }


def prepare(engine: Engine) -> None:
    """Make SQLite behave: WAL, foreign keys, a busy timeout, real transactions, every commit on disk (FULL)."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's BEGIN below instead of the driver's own guesses
        for pragma in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=10000", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        immediate = connection.get_execution_options().get("immediate", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _distrust_connections(engine: Engine) -> None:
    """Let nobody have a connection that the server has closed meanwhile: a restart costs no request.

    A server that goes says so, and then there is something to read. Only there, and after a long rest in which the way
    may have been lost without a word, is it asked: a round trip for each loan would be the dearer part of many.
    """
    if engine.dialect.name == "sqlite":
        return

    @event.listens_for(engine, "checkout")
    def check(connection: Any, record: ConnectionPoolEntry, _lent: Any) -> None:
        moment = time.monotonic()
        rested, record.info[LENT] = moment - record.info.get(LENT, -RESTED_SECONDS), moment
        try:
            if rested >= RESTED_SECONDS or _has_something_to_say(connection):
                engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error:
            raise InvalidatePoolError from None


def _has_something_to_say(connection: Any) -> bool:
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))


@contextmanager
def own_transaction() -> Iterator[Any]:
    """A connection of its own that commits at the end, whatever becomes of the session's transaction.

    For what must stay true when the business write fails: failure counters, the audit of a refusal. On SQLite call it
    only while the session holds no write lock.
    """
    with (
        _writing("own_transaction()"),
        db.engine.connect().execution_options(immediate=True) as connection,
        connection.begin(),
    ):
        yield connection


def upsert(dialect: Dialect, model: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """An INSERT in the words of this database, which know ON CONFLICT; both databases mean the same by them."""
    return postgresql.insert(model) if dialect.name == "postgresql" else sqlite.insert(model)


_thread = threading.local()
"""In `writes_in`: by which of the two above this thread is writing."""


@contextmanager
def _writing(how: str) -> Iterator[None]:
    """Refuse at once what would else wait for itself: SQLite has one write lock, and this thread may hold it.

    A `transaction()` inside another one is refused everywhere: it would roll the outer one back.
    """
    outer: str | None = getattr(_thread, "writes_in", None)
    if outer and (db.engine.dialect.name == "sqlite" or how == outer == "transaction()"):
        raise RuntimeError(f"{how} cannot begin inside {outer}: do it before, or after.")
    _thread.writes_in = outer if outer == "transaction()" else how
    try:
        yield
    finally:
        _thread.writes_in = outer
