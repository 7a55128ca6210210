"""The schema: which revision the database has, and how it comes to the newest one.

The revisions are Alembic scripts in `migrations/`, written once for SQLite and PostgreSQL. They expand first and
contract a release later, so that the version before keeps working on a schema that is newer than it knows: a database
is too old, current, or newer, and only too old refuses.
"""

import secrets
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import JSON
from sqlalchemy import Connection
from sqlalchemy import Engine
from sqlalchemy import text

PACKAGE = Path(__file__).parent
FOLDER = PACKAGE / "migrations" if (PACKAGE / "migrations").is_dir() else PACKAGE.parent / "migrations"
"""Where the revisions lie: inside this package in a wheel, beside it in a checkout."""
MIGRATION_LOCK = 0x69_64_70_01
"""PostgreSQL's advisory lock that lets one node migrate while the others wait."""


class State(Enum):
    """How the database's schema stands to this program."""

    EMPTY = "empty"
    OLD = "old"
    CURRENT = "current"
    NEWER = "newer"


class DataDamaged(RuntimeError):
    """A migration would leave rows that refer to nothing; it was rolled back."""


def is_current(engine: Engine) -> bool:
    """Whether this program can work with the database: at its own revision, or at one of a later version."""
    return state(engine) in {State.CURRENT, State.NEWER}


def state(engine: Engine) -> State:
    """How the database's schema stands to this program."""
    known, newest = _revisions(FOLDER)
    found = revision(engine)
    if found is None:
        return State.EMPTY
    if found == newest:
        return State.CURRENT
    return State.OLD if found in known else State.NEWER


def revision(engine: Engine) -> str | None:
    """The revision the database is at, or None for a database without tables of ours."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest() -> str:
    """The revision that belongs to this program."""
    return _revisions(FOLDER)[1]


def upgrade(engine: Engine, to: str = "head", folder: Path = FOLDER) -> None:
    """Bring the database to a revision, in one transaction: it arrives there or stays where it was."""
    _migrate(engine, folder, lambda config: command.upgrade(config, to))


def downgrade(engine: Engine, to: str, folder: Path = FOLDER) -> None:
    """Take the database back to a revision, in one transaction."""
    _migrate(engine, folder, lambda config: command.downgrade(config, to))


def draft(engine: Engine, message: str, folder: Path = FOLDER) -> Path:
    """Write a new revision from what the models have and a current database has not; to be read and made readable."""
    with engine.connect() as connection:
        script = command.revision(_config(connection, folder), message, autogenerate=True, rev_id=secrets.token_hex(6))
    if script is None or isinstance(script, list):
        raise RuntimeError("Alembic wrote no single revision.")
    return Path(script.path)


def _migrate(engine: Engine, folder: Path, run: Any) -> None:
    with engine.connect().execution_options(immediate=True) as connection:
        if connection.dialect.name == "sqlite":
            _migrate_sqlite(connection, folder, run)
        else:
            _migrate_postgres(connection, folder, run)


def _migrate_sqlite(connection: Connection, folder: Path, run: Any) -> None:
    """SQLite rebuilds tables to change them; with foreign keys on, dropping the old table would empty its children."""
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        with connection.begin():
            run(_config(connection, folder))
            orphans = connection.execute(text("PRAGMA foreign_key_check")).all()
            if orphans:
                tables = ", ".join(sorted({str(row[0]) for row in orphans}))
                raise DataDamaged(f"The migration would leave orphans in: {tables}. Nothing was changed.")
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


def _migrate_postgres(connection: Connection, folder: Path, run: Any) -> None:
    """One node migrates, others wait for it; a statement may take long, but never waits long for a lock (F17)."""
    with connection.begin():
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        run(_config(connection, folder))


def _config(connection: Connection, folder: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def is_other_default(context: Any, inspected: Any, column: Any, *defaults: Any) -> bool | None:
    """Whether a column's default differs from the model's; PostgreSQL compares no JSON values, so their texts are."""
    if not isinstance(column.type, JSON):
        return None
    there, _, written = defaults
    return (there or "").removesuffix("::json") != (written or "")


@lru_cache
def _revisions(folder: Path) -> tuple[frozenset[str], str]:
    scripts = ScriptDirectory(str(folder))
    head = scripts.get_current_head()
    if head is None:
        raise RuntimeError(f"There is no revision in {folder}.")
    return frozenset(script.revision for script in scripts.walk_revisions()), head
