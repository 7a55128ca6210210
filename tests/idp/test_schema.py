"""The schema: what the revisions make is what the models say, on both databases, forwards and back."""

import shutil
import threading
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest
import services
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine
from sqlalchemy import create_engine
from sqlalchemy import inspect
from sqlalchemy import text

import pensioners.models
from idp import schema
from idp.db import Base
from idp.db import prepare
from idp.schema import State

assert pensioners.models  # its tables belong to the metadata


@pytest.fixture
def engine(backend: str, tmp_path: Path, worker: str) -> Iterator[Engine]:
    """An empty database."""
    if backend == "sqlite":
        engine = create_engine(f"sqlite:///{tmp_path / 'empty.sqlite'}")
        prepare(engine)
        yield engine
        engine.dispose()
        return
    with services.postgres(f"idp_schema_{worker}") as url:
        engine = create_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'one.sqlite'}")
    prepare(engine)
    yield engine
    engine.dispose()


def test_the_revisions_make_what_the_models_say(engine: Engine) -> None:
    schema.upgrade(engine)

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": schema.is_other_default})
        differences = compare_metadata(context, Base.metadata)

    assert differences == []


def test_the_revisions_make_the_same_as_the_models_do_for_tests(engine: Engine) -> None:
    schema.upgrade(engine)
    made = {table: _describe(engine, table) for table in inspect(engine).get_table_names()}
    del made["alembic_version"]
    schema.downgrade(engine, "base")

    Base.metadata.create_all(engine)

    assert made == {table: _describe(engine, table) for table in made}
    assert set(made) == set(Base.metadata.tables)


def test_going_back_leaves_nothing(engine: Engine) -> None:
    schema.upgrade(engine)

    schema.downgrade(engine, "base")

    assert inspect(engine).get_table_names() == ["alembic_version"]
    assert schema.state(engine) is State.EMPTY


def test_a_database_is_empty_old_current_or_newer(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert schema.state(engine) is State.EMPTY
    assert not schema.is_current(engine)

    schema.upgrade(engine)
    assert schema.state(engine) is State.CURRENT
    assert schema.is_current(engine)

    monkeypatch.setattr(schema, "_revisions", lambda folder: (frozenset({schema.revision(engine), "next"}), "next"))
    assert schema.state(engine) is State.OLD
    assert not schema.is_current(engine)

    monkeypatch.setattr(schema, "_revisions", lambda folder: (frozenset({"first"}), "first"))
    assert schema.state(engine) is State.NEWER
    assert schema.is_current(engine), "the version before keeps working while an update runs"


def test_upgrading_twice_changes_nothing(engine: Engine) -> None:
    schema.upgrade(engine)
    _add_account(engine)

    schema.upgrade(engine)

    assert _count(engine, "account") == 1


def test_nodes_that_migrate_at_once_all_succeed(engine: Engine) -> None:
    failures: list[BaseException] = []

    def migrate() -> None:
        try:
            schema.upgrade(engine)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert failures == []
    assert schema.state(engine) is State.CURRENT


REBUILD = '''"""A later revision."""
from alembic import op
import sqlalchemy as sa

revision, down_revision, branch_labels, depends_on = "later", "{head}", None, None


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    with op.batch_alter_table("account", recreate="always" if is_sqlite else "never") as table:
        table.add_column(sa.Column("nickname", sa.String(), nullable=True))
    {then}


def downgrade() -> None:
    with op.batch_alter_table("account") as table:
        table.drop_column("nickname")
'''


@pytest.fixture
def later(tmp_path: Path) -> Callable[[str], Path]:
    """The revisions with one more, which rebuilds the table `account` and then does something else."""

    def write(then: str = "pass") -> Path:
        folder = tmp_path / "migrations"
        shutil.copytree(schema.FOLDER, folder)
        (folder / "versions" / "later.py").write_text(REBUILD.format(head=schema.newest(), then=then))
        return folder

    return write


def test_a_table_that_is_rebuilt_keeps_its_children(engine: Engine, later: Callable[[str], Path]) -> None:
    schema.upgrade(engine)
    _add_account(engine)

    schema.upgrade(engine, folder=later("pass"))

    assert "nickname" in {column["name"] for column in inspect(engine).get_columns("account")}
    assert (_count(engine, "account"), _count(engine, "authenticator")) == (1, 1)


def test_a_revision_that_fails_leaves_the_database_as_it_was(engine: Engine, later: Callable[[str], Path]) -> None:
    schema.upgrade(engine)
    before = schema.revision(engine)

    with pytest.raises(ZeroDivisionError):
        schema.upgrade(engine, folder=later("1 / 0"))

    assert schema.revision(engine) == before
    assert "nickname" not in {column["name"] for column in inspect(engine).get_columns("account")}


def test_a_revision_that_would_leave_orphans_is_refused(sqlite: Engine, later: Callable[[str], Path]) -> None:
    schema.upgrade(sqlite)
    _add_account(sqlite)

    with pytest.raises(schema.DataDamaged, match="authenticator"):
        schema.upgrade(sqlite, folder=later('op.execute("DELETE FROM account")'))

    assert _count(sqlite, "account") == 1


def test_foreign_keys_hold_again_after_a_migration(sqlite: Engine) -> None:
    schema.upgrade(sqlite)

    with sqlite.connect() as connection:
        assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1


def test_a_draft_holds_what_the_models_have_and_the_database_has_not(sqlite: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(schema.FOLDER, folder)
    schema.upgrade(sqlite)
    with sqlite.connect() as connection, connection.begin():
        connection.execute(text("ALTER TABLE client DROP COLUMN disabled_at"))

    draft = schema.draft(sqlite, "bring it back", folder).read_text()

    assert "batch_op.add_column(sa.Column('disabled_at', sa.DateTime(timezone=True), nullable=True))" in draft
    assert "idp" not in draft.replace("idp.sqlite", "")
    compile(draft, "draft", "exec")


def _describe(engine: Engine, table: str) -> object:
    found = inspect(engine)
    uniques = [(unique["name"], unique["column_names"]) for unique in found.get_unique_constraints(table)]
    if engine.dialect.name == "sqlite":  # where constraints without a name have none
        uniques = [("", columns) for _, columns in uniques]
    return (
        sorted((column["name"], repr(column["type"]), column["nullable"]) for column in found.get_columns(table)),
        found.get_pk_constraint(table)["constrained_columns"],
        sorted(uniques),
        sorted((index["name"] or "", index["column_names"]) for index in found.get_indexes(table)),
        sorted(
            (key["constrained_columns"], key["referred_table"], key["options"]) for key in found.get_foreign_keys(table)
        ),
    )


def _add_account(engine: Engine) -> None:
    moment = "'2026-01-01 00:00:00'"
    with engine.connect() as connection, connection.begin():
        connection.execute(
            text(
                "INSERT INTO account (id, email_fingerprint, email_verified_at, password_hash, password_changed_at,"
                " language, terms_version, terms_accepted_at, created_at, factors_changed_at, sessions_valid_after)"
                f" VALUES ('a', 'f', {moment}, 'h', {moment}, 'de', '1', {moment}, {moment}, {moment}, {moment})"
            )
        )
        connection.execute(
            text(f"INSERT INTO authenticator (id, account_id, kind, created_at) VALUES ('b', 'a', 'totp', {moment})")
        )


def _count(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())
