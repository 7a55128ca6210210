"""`idp doctor`: every part is asked, and each failure says how to mend it."""

from collections.abc import Callable
from collections.abc import Iterator
from datetime import datetime
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from oidc import Configure
from rich.console import Console
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from idp import channels
from idp import doctor
from idp import schema
from idp.clock import now
from idp.db import db
from idp.doctor import Finding
from idp.message import Unreachable
from idp.models import StoreEntry
from idp.provider import provider
from idp.store import StoreUnavailable
from keys import WrongKey


@pytest.fixture(autouse=True)
def healthy(app: Flask) -> Iterator[None]:
    """A provider on which the doctor finds nothing."""
    with db.engine.connect() as connection, connection.begin():
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:newest)"), {"newest": schema.newest()})
    provider.keys.ensure()
    yield
    db.session.remove()
    with db.engine.connect() as connection, connection.begin():
        connection.execute(text("DROP TABLE alembic_version"))


def finding(app: Flask, part: str) -> Finding:
    return next(each for each in doctor.examine(app) if each.part == part)


def test_a_healthy_provider_has_nothing_bad(app: Flask) -> None:
    findings = doctor.examine(app)

    assert [each for each in findings if each.state != "good"] == []
    assert doctor.is_healthy(findings)
    assert {each.part for each in findings} == {
        *("settings", "issuer", "database", "schema", "secret", "keys", "store", "mail", "SMS", "clock")
    }


def test_settings_that_nobody_reads_are_bad(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_REDIS_ULR", "redis://store")

    found = finding(app, "settings")

    assert found.state == "bad"
    assert "IDP_REDIS_ULR: there is no such setting. Did you mean IDP_REDIS_URL?" in found.text


def test_asking_leaves_nothing_behind(app: Flask) -> None:
    doctor.examine(app)

    assert db.session.scalar(select(func.count()).select_from(StoreEntry).where(StoreEntry.kind == "doctor")) == 0


def test_an_old_schema_is_bad_and_a_newer_one_a_warning(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "state", lambda engine: schema.State.OLD)
    assert (finding(app, "schema").state, finding(app, "schema").remedy) == ("bad", "run: idp migrate")

    monkeypatch.setattr(schema, "state", lambda engine: schema.State.NEWER)
    assert finding(app, "schema").state == "warning"
    assert doctor.is_healthy(doctor.examine(app))


def test_a_database_that_cannot_be_written_is_bad_and_the_others_are_still_asked(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.engine.connect() as connection, connection.begin():
        connection.execute(text("ALTER TABLE store_entry RENAME TO away"))
    try:
        findings = {each.part: each for each in doctor.examine(app)}
    finally:
        with db.engine.connect() as connection, connection.begin():
            connection.execute(text("ALTER TABLE away RENAME TO store_entry"))

    assert findings["database"].state == "bad"
    assert "IDP_DATABASE_URL" in findings["database"].remedy
    assert findings["keys"].state == "good"


def test_a_channel_that_is_not_reached_says_which_settings_to_look_at(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent:
        name = "smtp"

        def check(self) -> str:
            raise Unreachable("not reached: ConnectionRefusedError")

    monkeypatch.setattr(channels, "one", lambda settings, medium: Silent())

    found = finding(app, "mail")

    assert (found.state, found.text) == ("bad", "not reached: ConnectionRefusedError")
    assert "IDP_SMTP_HOST" in found.remedy


def test_sms_that_are_not_set_up_are_no_fault_of_the_mail(app: Flask, configure: Configure) -> None:
    configure(sms_channel="sms_http", sms_gateway="ecall")

    assert (finding(app, "mail").state, finding(app, "SMS").state) == ("good", "bad")
    assert "IDP_SMS_USERNAME" in finding(app, "SMS").remedy


def test_a_store_that_does_not_answer_is_bad(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider.store, "ping", _raises(StoreUnavailable("gone")))

    assert finding(app, "store").state == "bad"


def test_a_secret_that_opens_nothing_is_bad(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider.keys, "jwks", _raises(WrongKey("another root")))

    found = finding(app, "secret")

    assert found.state == "bad"
    assert "IDP_OLD_SECRETS" in found.remedy


@pytest.mark.parametrize(
    ("seconds", "state"), [(1, "good"), (10, "warning"), (-10, "warning"), (31, "bad"), (-90, "bad")]
)
def test_clocks_that_differ_are_told(app: Flask, monkeypatch: pytest.MonkeyPatch, seconds: int, state: str) -> None:
    def clocks() -> Iterator[tuple[str, datetime, datetime]]:
        yield "database", now() + timedelta(seconds=seconds), now()

    monkeypatch.setattr(doctor, "_clocks", clocks)

    assert finding(app, "clock").state == state


@pytest.mark.parametrize("backend", ["postgres"])
def test_the_clocks_of_database_and_redis_are_compared(app: Flask) -> None:
    found = finding(app, "clock")

    assert found.state == "good"
    assert "database 0." in found.text
    assert "Redis 0." in found.text


def test_keys_that_are_missing_or_overdue_are_bad(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = provider.keys.stored()
    monkeypatch.setattr(provider.keys, "stored", lambda: keys[:1])
    assert "there is no key for" in finding(app, "keys").text

    monkeypatch.setattr(provider.keys, "stored", lambda: ())
    assert (finding(app, "keys").state, "first start" in finding(app, "keys").remedy) == ("warning", True)

    monkeypatch.setattr(provider.keys, "stored", lambda: keys)
    monkeypatch.setattr(doctor, "now", lambda: max(key.signs_until for key in keys) + timedelta(hours=2))
    assert "overdue" in finding(app, "keys").text


def test_an_https_issuer_without_a_trusted_proxy_is_a_warning(app: Flask, configure: Configure) -> None:
    configure(issuer="https://localhost")

    assert "IDP_TRUSTED_PROXIES" in finding(app, "issuer").remedy


def test_what_the_driver_says_is_cut_to_its_reason() -> None:
    error = OperationalError("SELECT 1", {"secret": "marker"}, Exception("connection refused\n\thint"))

    assert doctor._reason(error) == "connection refused"


def test_the_table_shows_findings_and_remedies() -> None:
    console = Console(width=160, record=True)

    console.print(doctor.table([Finding("mail", "bad", "[bold]not[/] reached", "see IDP_SMTP_HOST")]))

    shown = console.export_text()
    assert "[bold]not[/] reached" in shown
    assert "see IDP_SMTP_HOST" in shown


def _raises(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise error

    return fail
