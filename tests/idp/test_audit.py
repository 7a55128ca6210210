"""The journal and the chain over it."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import update
from structlog.testing import capture_logs

from idp import audit
from idp.clock import now
from idp.db import db
from idp.db import own_transaction
from idp.db import transaction
from idp.models import AuditEvent
from idp.models import AuditSeal
from idp.provider import provider
from keys import Vault

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


def lines() -> list[AuditEvent]:
    return list(db.session.scalars(select(AuditEvent).order_by(AuditEvent.sequence)))


def events() -> list[str]:
    with db.engine.connect() as connection:
        return list(connection.execute(select(AuditEvent.event).order_by(AuditEvent.sequence)).scalars())


def write(statement: Any) -> None:
    """What somebody with the database's password can do."""
    with own_transaction() as connection:
        connection.execute(statement)


def record_some(number: int) -> None:
    for each in range(number):
        audit.record_alone("sign_in", account_id=f"account-{each}", kind="sms")


def fail_after_recording(event: str) -> None:
    with suppress(ZeroDivisionError), transaction() as session:
        audit.record(event)
        session.flush()
        raise ZeroDivisionError


def test_a_line_says_who_did_what_from_where(app: Flask) -> None:
    before = now()
    with app.test_request_context("/", environ_overrides={"REMOTE_ADDR": "2001:db8:0::1"}), transaction():
        audit.record(
            "factor",
            "refused",
            account_id="account-1",
            subject="P-1",
            client_id="portal",
            session="sid-1",
            reason="wrong",
            kind="sms",
            tries=3,
        )

    (line,) = lines()
    assert before <= line.at <= now()
    assert (line.event, line.outcome, line.reason, line.address) == ("factor", "refused", "wrong", "2001:db8::1")
    assert (line.account_id, line.subject, line.client_id, line.session) == ("account-1", "P-1", "portal", "sid-1")
    assert line.details == {"kind": "sms", "tries": 3}


def test_a_line_is_gone_with_the_thing_it_tells_of(logged: list[Any]) -> None:
    fail_after_recording("enrolled")
    with transaction():
        audit.record("sign_in")

    assert events() == ["sign_in"]
    assert [line["action"] for line in logged if line["event"] == "audit"] == ["sign_in"]


def test_a_line_without_a_transaction_would_be_lost_and_is_refused() -> None:
    with pytest.raises(RuntimeError, match="record_alone"):
        audit.record("sign_in")


def test_a_refusal_is_kept_although_nothing_else_is(logged: list[Any]) -> None:
    audit.record_alone("password", "refused", account_id="account-1", reason="wrong")
    with pytest.raises(ZeroDivisionError), transaction():
        raise ZeroDivisionError

    assert events() == ["password"]
    assert logged == [
        {
            "event": "audit",
            "action": "password",
            "outcome": "refused",
            "account_id": "account-1",
            "reason": "wrong",
            "log_level": "info",
        }
    ]


def test_the_log_tells_of_a_line_when_it_is_kept(logged: list[Any]) -> None:
    with transaction() as session:
        audit.record("enrolled", client_id="portal", kind="totp")
        session.flush()
        assert logged == []

    assert [line["action"] for line in logged] == ["enrolled"]
    assert logged[0]["details"] == {"kind": "totp"}


@pytest.mark.parametrize(
    "name",
    [
        *(
            "password",
            "new_password",
            "code",
            "activation_code",
            "Code",
            "totp_secret",
            "access_token",
            "ahv",
            "ahv_number",
        ),
        *("email", "phone", "birth_date", "client_assertion", "pin", "answers"),
    ],
)
def test_a_detail_with_a_telling_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="journal"):
        audit.record_alone("sign_in", **{name: "x"})
    with pytest.raises(ValueError, match="journal"), transaction():
        audit.record("sign_in", **{name: "x"})

    assert events() == []


def test_numbers_of_codes_may_be_told() -> None:
    audit.record_alone("activation_codes_issued", codes=20, replaced=3, kind="sms", scope="openid email")

    assert lines()[0].details == {"codes": 20, "replaced": 3, "kind": "sms", "scope": "openid email"}


def test_what_looks_like_personal_data_is_taken_out() -> None:
    audit.record_alone("sign_in", reason="no account for 756.1234.5678.97", note={"who": ["anna@example.ch"]})

    (line,) = lines()
    assert "1234" not in str(line.reason)
    assert "anna" not in str(line.details)


def test_an_address_is_one_or_unknown(app: Flask) -> None:
    for given in ("203.0.113.9", "a\nb" * 5000, None):
        with app.test_request_context("/", environ_overrides={"REMOTE_ADDR": given}):
            audit.record_alone("sign_in")
    audit.record_alone("register_import")

    assert [line.address for line in lines()] == ["203.0.113.9", "unknown", None, None]


def test_an_untouched_chain_verifies(logged: list[Any]) -> None:
    assert audit.verify() == []
    assert audit.seal() == 0
    record_some(3)
    assert audit.seal() == 3
    assert audit.seal() == 0
    record_some(2)
    assert audit.verify() == []  # two lines are not sealed yet
    assert audit.seal() == 2

    assert audit.verify() == []
    assert [(line["number"], line["events"]) for line in logged if line["event"] == "audit sealed"] == [(1, 3), (2, 2)]


def test_many_lines_are_sealed_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "BATCH", 3)
    record_some(7)

    assert audit.seal() == 7

    assert db.session.scalars(select(AuditSeal.events).order_by(AuditSeal.number)).all() == [3, 3, 1]
    assert audit.verify() == []


def test_details_survive_the_way_through_the_database() -> None:
    audit.record_alone("odd", note="é 安 \u2028 \"'", number=1.5, big=10**15, list=[1, None, {"b": 1, "a": True}])
    audit.seal()

    assert audit.verify() == []


class TestTampering:
    """Security row 2.71: a change or a gap is reported."""

    @pytest.fixture(autouse=True)
    def chain(self, app: Flask) -> None:
        for _ in range(3):
            record_some(3)
            audit.seal()

    @pytest.mark.parametrize(
        "change",
        [
            {"event": "sign_out"},
            {"outcome": "refused"},
            {"account_id": None},
            {"address": "192.0.2.1"},
            {"details": None},
            {"details": {"kind": "totp"}},
            {"reason": ""},
        ],
    )
    def test_a_changed_line_is_reported(self, change: dict[str, Any]) -> None:
        fifth = lines()[4].sequence
        write(update(AuditEvent).where(AuditEvent.sequence == fifth).values(change))

        assert audit.verify() == [f"Seal 2, lines {fifth - 1}–{fifth + 1}: a line or a seal was changed."]

    def test_a_changed_moment_is_reported(self) -> None:
        write(update(AuditEvent).where(AuditEvent.sequence == lines()[0].sequence).values(at=now()))

        assert len(audit.verify()) == 1

    def test_a_missing_line_is_reported(self) -> None:
        write(delete(AuditEvent).where(AuditEvent.sequence == lines()[4].sequence))

        (problem,) = audit.verify()
        assert problem.endswith("3 lines were sealed, 2 are there.")

    def test_a_line_put_in_is_reported(self) -> None:
        fifth = lines()[4].sequence
        write(delete(AuditEvent).where(AuditEvent.sequence == fifth))
        write(insert(AuditEvent).values(sequence=fifth, at=now(), event="sign_in", outcome="ok"))

        assert audit.verify() == [f"Seal 2, lines {fifth - 1}–{fifth + 1}: a line or a seal was changed."]

    def test_two_lines_that_changed_places_are_reported(self) -> None:
        first, second = lines()[4].sequence, lines()[5].sequence
        for old, new in ((first, 10**6), (second, first), (10**6, second)):
            write(update(AuditEvent).where(AuditEvent.sequence == old).values(sequence=new))

        assert len(audit.verify()) == 1

    def test_a_missing_seal_is_reported(self) -> None:
        write(delete(AuditSeal).where(AuditSeal.number == 2))

        problems = audit.verify()
        assert problems[0] == "Seal 2: not there any more."

    def test_a_missing_first_seal_is_reported(self) -> None:
        write(delete(AuditSeal).where(AuditSeal.number <= 2))

        assert audit.verify()[0] == "Seals 1–2: not there any more."

    @pytest.mark.parametrize("number", [1, 2, 3])
    @pytest.mark.parametrize("change", [{"digest": "0" * 64}, {"events": 4}])
    def test_a_changed_seal_is_reported(self, number: int, change: dict[str, Any]) -> None:
        write(update(AuditSeal).where(AuditSeal.number == number).values(change))

        assert audit.verify() != []

    def test_a_chain_closed_again_without_the_secret_is_reported(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever has the database but not the secret can compute every digest, and no mark."""
        write(update(AuditEvent).where(AuditEvent.sequence == lines()[0].sequence).values(account_id="else"))
        write(delete(AuditSeal))
        with monkeypatch.context() as patch:
            patch.setattr(provider, "vault", Vault("x" * 32))
            assert audit.seal() == 9

        assert audit.verify() == ["Seal 1: not made with this provider's secret."]

    def test_a_line_put_behind_the_newest_seal_is_sealed_like_any_other(self) -> None:
        record_some(1)
        assert audit.seal() == 1

        assert audit.verify() == []

    def test_the_chain_verifies_under_a_new_root_secret(self, monkeypatch: pytest.MonkeyPatch, app: Flask) -> None:
        old = app.extensions["idp"].settings.secret.get_secret_value()
        monkeypatch.setattr(provider, "vault", Vault("n" * 40, old_secrets=[old]))

        assert audit.verify() == []

        record_some(1)
        audit.seal()
        monkeypatch.setattr(provider, "vault", Vault("n" * 40))
        assert audit.verify() == []


def test_nodes_that_seal_at_once_make_one_chain(app: Flask) -> None:
    barrier = threading.Barrier(4)

    def work() -> int:
        with app.app_context():
            sealed = 0
            for _ in range(5):
                barrier.wait(20)
                record_some(3)
                sealed += audit.seal()
            return sealed

    with ThreadPoolExecutor(4) as pool:
        sealed = sum(future.result() for future in [pool.submit(work) for _ in range(4)])
    sealed += audit.seal()

    assert sealed == 60
    assert audit.verify() == []
    assert sum(db.session.scalars(select(AuditSeal.events))) == 60


def test_a_late_commit_does_not_slip_in_behind_a_seal(app: Flask, backend: str) -> None:
    """PostgreSQL gives a line its number before its transaction commits."""
    if backend != "postgres":
        pytest.skip("on SQLite writers come one after another")
    written, may_commit = threading.Event(), threading.Event()

    def slow() -> None:
        with app.app_context(), transaction() as session:
            audit.record("slow")
            session.flush()
            written.set()
            may_commit.wait(10)

    with ThreadPoolExecutor(2) as pool:
        writer = pool.submit(slow)
        written.wait(10)
        audit.record_alone("fast")
        sealer = pool.submit(_seal, app)
        time.sleep(0.3)
        assert not sealer.done()
        audit.record_alone("another")  # nobody waits for the sealer
        may_commit.set()
        writer.result()

        assert sealer.result() == 2
    assert events() == ["slow", "fast", "another"]
    audit.seal()
    assert audit.verify() == []


def _seal(app: Flask) -> int:
    with app.app_context():
        return audit.seal()


def test_the_sealer_does_not_wait_for_ever(app: Flask, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if backend != "postgres":
        pytest.skip("on SQLite writers come one after another")
    monkeypatch.setattr(audit, "LONGEST_WAIT", 0.2)
    with transaction() as session:
        audit.record("slow")
        session.flush()
        audit.record_alone("fast")

        assert audit.seal() == 0

    assert audit.seal() == 2
    assert audit.verify() == []


def test_numbers_of_rolled_back_lines_are_no_gap() -> None:
    record_some(1)
    fail_after_recording("never")
    record_some(1)
    audit.seal()

    assert audit.verify() == []
