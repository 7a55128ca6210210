"""Connections to the database: one that the server has closed meanwhile is given to nobody."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text

import idp.db
from idp.db import db

pytestmark = pytest.mark.parametrize("backend", ["postgres"], indirect=True)


@pytest.fixture
def asked(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The connections that were asked whether they still live; one rests in the pool, used a moment ago."""
    asked: list[Any] = []
    ping = db.engine.dialect.do_ping

    def noted(connection: Any) -> bool:
        asked.append(connection)
        return ping(connection)

    db.session.remove()
    db.engine.dispose()
    use()
    monkeypatch.setattr(db.engine.dialect, "do_ping", noted)
    yield asked
    db.engine.dispose()


def use() -> int:
    """Borrow a connection; the server's process behind it."""
    with db.engine.connect() as connection:
        return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def end(process: int) -> None:
    """What a restart of the server does to a connection."""
    url = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (process,))


def test_one_that_was_used_a_moment_ago_is_not_asked(asked: list[Any]) -> None:
    assert use() == use()

    assert asked == []


def test_one_that_the_server_has_closed_is_replaced_without_an_error(asked: list[Any]) -> None:
    before = use()
    end(before)

    after = use()

    assert after != before
    assert len(asked) == 2, "the dead one, and the new one that nobody has borrowed before"
    assert use() == after


def test_all_that_lay_beside_it_are_replaced_too(asked: list[Any]) -> None:
    with db.engine.connect() as one, db.engine.connect() as other:
        processes = [int(each.execute(text("SELECT pg_backend_pid()")).scalar_one()) for each in (one, other)]
    for process in processes:
        end(process)

    with db.engine.connect() as one, db.engine.connect() as other:
        found = [int(each.execute(text("SELECT pg_backend_pid()")).scalar_one()) for each in (one, other)]

    assert not set(found) & set(processes)


def test_after_a_long_rest_one_is_asked(asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idp.db, "RESTED_SECONDS", 0.0)

    use()

    assert len(asked) == 1
