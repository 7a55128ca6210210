"""Health: constants for whoever asks, reasons for the operator's log."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from idp import schema
from idp.db import db
from idp.endpoints import health
from idp.provider import provider
from idp.store import StoreUnavailable
from keys import WrongKey


@pytest.fixture
def ready(app: Flask) -> Iterator[None]:
    """A database whose tables carry their revision, and signing keys."""
    with db.engine.connect() as connection, connection.begin():
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:newest)"), {"newest": schema.newest()})
    provider.keys.ensure()
    yield
    db.session.remove()
    with db.engine.connect() as connection, connection.begin():
        connection.execute(text("DROP TABLE alembic_version"))


@pytest.mark.usefixtures("ready")
def test_a_provider_that_has_everything_is_ready(browser: FlaskClient) -> None:
    answer = browser.get("/health/ready")

    assert (answer.status_code, answer.json) == (200, {"status": "ready"})


def test_a_process_lives_whatever_else_fails(browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECKS", {"database": _raises(OperationalError("SELECT 1", {}, Exception("gone")))})

    assert browser.get("/health/live").json == {"status": "live"}
    assert browser.get("/health/ready").status_code == 503


def test_an_old_schema_is_not_ready(app: Flask, browser: FlaskClient) -> None:
    with capture_logs() as lines:
        answer = browser.get("/health/ready")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert {line["part"] for line in lines if line["event"] == "not ready"} >= {"schema"}


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize(
    ("part", "error"),
    [
        ("database", OperationalError("SELECT 1", {}, Exception("connection to 10.0.0.1 refused"))),
        ("store", StoreUnavailable("redis at 10.0.0.1 is gone")),
        ("keys", WrongKey("sealed under another root")),
    ],
)
def test_what_fails_is_told_to_the_log_and_not_to_whoever_asks(
    browser: FlaskClient, monkeypatch: pytest.MonkeyPatch, part: str, error: Exception
) -> None:
    monkeypatch.setitem(health.CHECKS, part, _raises(error))

    with capture_logs() as lines:
        answer = browser.get("/health/ready")

    assert (answer.status_code, answer.json) == (503, {"status": "not ready"})
    assert [line["part"] for line in lines if line["event"] == "not ready"] == [part]


@pytest.mark.usefixtures("ready")
def test_a_store_that_is_gone_makes_the_provider_not_ready(
    app: Flask, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider.store, "ping", _raises(StoreUnavailable("gone")))

    assert browser.get("/health/ready").status_code == 503


@pytest.mark.usefixtures("ready")
def test_a_provider_without_a_key_of_each_kind_is_not_ready(
    app: Flask, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = provider.keys.stored()
    for kind in provider.keys.kinds:
        monkeypatch.setattr(provider.keys, "stored", lambda kind=kind: [key for key in keys if key.alg != kind])

        assert browser.get("/health/ready").status_code == 503


@pytest.mark.parametrize("address", ["/health/live", "/health/ready"])
def test_health_tells_no_versions_and_sets_no_cookies(browser: FlaskClient, address: str) -> None:
    answer = browser.get(address)

    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert not any(character.isdigit() for character in answer.text)


def _raises(error: Exception):  # type: ignore[no-untyped-def]
    def fail(*_: object) -> None:
        raise error

    return fail
