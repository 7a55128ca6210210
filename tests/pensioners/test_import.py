"""The import as a whole: idempotent, all or nothing, and what it does to accounts."""

import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from idp.clock import now
from idp.db import db
from idp.db import transaction
from idp.models import Account
from idp.models import AuditEvent
from idp.models import Client
from idp.models import RefreshFamily
from keys import Vault
from keys import WrongKey
from pensioners.models import ActivationCode
from pensioners.models import Pensioner
from pensioners.models import RegisterImport
from pensioners.register import Overtaken
from pensioners.register import Summary
from pensioners.register import import_file
from pensioners.register import importing

Row = dict[str, str]
Load = Callable[..., Summary]
Person = Callable[..., Pensioner]

pytestmark = pytest.mark.usefixtures("app")


def counts(summary: Summary) -> tuple[int, int, int, int]:
    return summary.new, summary.changed, summary.unchanged, summary.gone


def test_a_file_is_imported_and_a_second_time_changes_nothing(
    load: Load, person: Person, claire: Row, hans: Row
) -> None:
    first = load(claire, hans)
    before = person().updated_at, person().row_hash, person().ahv_sealed

    second = load(hans, claire)

    assert counts(first) == (2, 0, 0, 0)
    assert counts(second) == (0, 0, 2, 0)
    assert (person().updated_at, person().row_hash, person().ahv_sealed) == before
    assert db.session.query(RegisterImport).count() == 2


def test_every_field_is_kept(load: Load, person: Person, claire: Row) -> None:
    load(claire)

    found = person()

    assert {column: getattr(found, column) for column in claire} == claire | {
        "ahv_number": "7561234567897",
        "birth_date": found.birth_date,
    }
    assert found.birth_date.isoformat() == "1948-03-27"
    assert found.imported_at <= now()


def test_changed_and_new_and_missing_persons_are_told_apart(
    load: Load, person: Person, persons: Callable[..., Row]
) -> None:
    load(persons(1), persons(2), persons(3))

    summary = load(persons(1), persons(2, town="Sion", email=""), persons(4))

    assert counts(summary) == (1, 1, 1, 1)
    assert summary.gone_persons == ("3",)
    assert person("2").town == "Sion"
    assert person("2").email is None
    assert person("2").email_fingerprint is None
    assert person("3").status == "active"


def test_the_newest_import_a_person_stood_in_is_noted(load: Load, person: Person, persons: Callable[..., Row]) -> None:
    load(persons(1), persons(2), persons(3))
    load(persons(1), persons(2, town="Sion"))
    newest = db.session.query(RegisterImport).order_by(RegisterImport.at.desc()).first()

    seen = {number: person(number).seen_in_import == newest.id for number in "123"}

    assert seen == {"1": True, "2": True, "3": False}


def test_a_dry_run_tells_the_same_and_writes_nothing(
    load: Load, write_csv: Callable[..., Path], person: Person, persons: Callable[..., Row]
) -> None:
    load(persons(1), persons(2))

    summary = import_file(write_csv(persons(1, town="Sion"), persons(3)), dry_run=True)

    assert counts(summary) == (1, 1, 0, 1)
    assert not summary.written
    assert person("1").town == "Genève"
    assert db.session.query(Pensioner).count() == 2
    assert db.session.query(RegisterImport).count() == 1


def test_bad_rows_stop_everything_unless_they_are_skipped(
    write_csv: Callable[..., Path], persons: Callable[..., Row]
) -> None:
    path = write_csv(persons(1), persons(2, language="rm"), persons(3))

    refused = import_file(path)
    after_refusal = db.session.query(Pensioner).count()
    skipped = import_file(path, skip_bad=True)

    assert (refused.written, refused.bad, after_refusal) == (False, 1, 0)
    assert (skipped.written, skipped.bad, skipped.new) == (True, 1, 2)
    assert db.session.query(Pensioner).count() == 2


def test_a_person_whose_row_is_bad_is_neither_touched_nor_gone(
    load: Load, write_csv: Callable[..., Path], person: Person, persons: Callable[..., Row]
) -> None:
    load(persons(1), persons(2))

    summary = import_file(write_csv(persons(1, town="Sion"), persons(2, status="?")), skip_bad=True)

    assert counts(summary) == (0, 1, 0, 0)
    assert person("2").status == "active"


def test_an_ahv_number_of_somebody_else_in_the_register_is_refused(
    load: Load, write_csv: Callable[..., Path], persons: Callable[..., Row]
) -> None:
    load(persons(1))
    found: list[tuple[int, str]] = []

    summary = import_file(
        write_csv(persons(2, ahv_number=persons(1)["ahv_number"])), report=lambda *problem: found.append(problem)
    )

    assert found == [(2, "ahv_number: belongs to person 1 in the register")]
    assert not summary.written


def test_a_refused_number_refuses_whoever_waits_for_it(
    load: Load, write_csv: Callable[..., Path], person: Person, persons: Callable[..., Row]
) -> None:
    """1 takes the number of 2, 2 that of 3, and 3 keeps it: neither can be written."""
    load(persons(1), persons(2), persons(3))
    rows = [persons(1, ahv_number=persons(2)["ahv_number"]), persons(2, ahv_number=persons(3)["ahv_number"])]

    summary = import_file(write_csv(*rows, persons(4)), skip_bad=True)

    assert (summary.bad, summary.new, summary.changed) == (2, 1, 0)
    assert person("1").ahv_number == persons(1)["ahv_number"]


def test_two_persons_can_exchange_their_ahv_numbers(load: Load, person: Person, persons: Callable[..., Row]) -> None:
    load(persons(1), persons(2))

    summary = load(persons(1, ahv_number=persons(2)["ahv_number"]), persons(2, ahv_number=persons(1)["ahv_number"]))

    assert summary.changed == 2
    assert person("1").ahv_number == persons(2)["ahv_number"]
    assert person("2").ahv_number == persons(1)["ahv_number"]


def test_of_two_imports_at_once_one_is_written(
    write_csv: Callable[..., Path], persons: Callable[..., Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one looked at the register before the first was written."""
    path = write_csv(persons(1))
    stage_file = importing._stage_file

    def overtaken(*args: Any) -> None:
        stage_file(*args)
        monkeypatch.undo()
        import_file(path)

    monkeypatch.setattr(importing, "_stage_file", overtaken)

    with pytest.raises(Overtaken):
        import_file(path)

    assert db.session.query(Pensioner).count() == 1
    assert db.session.query(RegisterImport).count() == 1


def test_nothing_is_kept_of_an_import_that_breaks_off(
    write_csv: Callable[..., Path], persons: Callable[..., Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*args: Any) -> None:
        raise RuntimeError("the power is gone")

    monkeypatch.setattr("pensioners.register.write._mark_seen", break_off)

    with pytest.raises(RuntimeError):
        import_file(write_csv(persons(1), persons(2)))

    assert db.session.query(Pensioner).count() == 0
    assert db.session.query(RegisterImport).count() == 0


def test_personal_numbers_lie_encrypted(load: Load, claire: Row) -> None:
    load(claire)
    stored = db.session.execute(text("SELECT * FROM pensioner")).mappings().one()

    dump = b" ".join(value if isinstance(value, bytes) else str(value).encode() for value in stored.values())

    for secret in (b"7561234567897", b"756.1234.5678.97", b"1948-03-27", b"27.03.1948", b"Fiction", b"claire@example"):
        assert secret not in dump
    assert b"Exemple" in dump


@pytest.fixture
def refresh_family() -> Callable[[str], str]:
    """Gives an account a living refresh token."""

    def make(account_id: str) -> str:
        moment = now()
        with transaction() as session:
            if session.get(Client, "portal") is None:
                session.add(new_client())
                session.flush()
            session.add(
                RefreshFamily(
                    id=f"family-{account_id}",
                    account_id=account_id,
                    client_id="portal",
                    scope=["openid"],
                    authentication={},
                    current_hash="x",
                    created_at=moment,
                    idle_until=moment + timedelta(days=1),
                    expires_at=moment + timedelta(days=1),
                )
            )
        return f"family-{account_id}"

    return make


def new_client() -> Client:
    required = {
        column.name: {"str": "x", "list": [], "dict": {}, "bool": False, "int": 1}.get(_python_type(column), now())
        for column in Client.__table__.columns
        if not column.nullable and column.default is None
    }
    return Client(**{**required, "client_id": "portal"})


def _python_type(column: Any) -> str:
    if type(column.type).__name__ == "JSON":
        return "list"
    try:
        return str(column.type.python_type.__name__)
    except NotImplementedError:
        return "datetime"


@pytest.mark.parametrize("status", ["left", "deceased"])
def test_who_left_or_died_cannot_sign_in_from_that_moment(
    load: Load,
    person: Person,
    claire: Row,
    account_of: Callable[..., str],
    refresh_family: Callable[[str], str],
    status: str,
) -> None:
    load(claire)
    account_id = account_of()
    family = refresh_family(account_id)
    before = now()

    summary = load(claire | {"status": status})

    db.session.expire_all()
    account = db.session.get_one(Account, account_id)
    assert summary.closed == 1
    assert not account.is_active
    assert account.sessions_valid_after >= before
    assert db.session.get_one(RefreshFamily, family).ended_at is not None
    event = db.session.query(AuditEvent).filter_by(event="account_closed").one()
    assert (event.account_id, event.subject, event.reason) == (account_id, "10001", status)


@pytest.mark.parametrize("status", ["left", "deceased"])
def test_the_open_code_of_who_left_or_died_is_void(
    load: Load, claire: Row, give_code: Callable[..., str], status: str
) -> None:
    load(claire)
    give_code()

    load(claire | {"status": status})

    assert db.session.query(ActivationCode).one().void_reason == status


def test_who_comes_back_can_sign_in_again(
    load: Load, person: Person, claire: Row, account_of: Callable[..., str]
) -> None:
    load(claire)
    account_id = account_of()
    load(claire | {"status": "left"})

    summary = load(claire)

    assert summary.reopened == 1
    assert db.session.get_one(Account, account_id).is_active
    assert person().access_ended_at is None


def test_an_account_that_staff_closed_stays_closed(
    load: Load, person: Person, claire: Row, account_of: Callable[..., str]
) -> None:
    load(claire)
    closed_by_staff = now()
    account_id = account_of(disabled_at=closed_by_staff)

    left = load(claire | {"status": "left"})
    back = load(claire)

    assert (left.closed, back.reopened) == (0, 0)
    assert db.session.get_one(Account, account_id).disabled_at == closed_by_staff


def test_an_account_that_staff_closed_after_the_import_stays_closed(
    load: Load, person: Person, claire: Row, account_of: Callable[..., str]
) -> None:
    load(claire)
    account_id = account_of()
    load(claire | {"status": "left"})
    with transaction() as session:
        session.get_one(Account, account_id).disabled_at = now()

    summary = load(claire)

    assert summary.reopened == 0
    assert not db.session.get_one(Account, account_id).is_active


def test_another_persons_account_is_left_alone(
    load: Load, claire: Row, hans: Row, account_of: Callable[..., str]
) -> None:
    load(claire, hans)
    account_of("10001")
    account_id = account_of("10002")

    load(claire | {"status": "deceased"}, hans)

    assert db.session.get_one(Account, account_id).is_active


def test_an_account_stays_with_its_person_when_the_row_changes(
    load: Load, person: Person, claire: Row, account_of: Callable[..., str]
) -> None:
    load(claire)
    account_id = account_of()

    load(claire | {"last_name": "Exemple-Muster", "ahv_number": "756.9217.0769.85"})

    assert person().account_id == account_id
    assert person().last_name == "Exemple-Muster"


def test_a_new_root_secret_is_taken_up_without_a_change(
    app: Flask, load: Load, person: Person, claire: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(claire)
    secret = app.extensions["idp"].settings.secret.get_secret_value()
    new = Vault("another secret, forty characters long ...", old_secrets=[secret])
    monkeypatch.setattr(app.extensions["idp"], "vault", new)

    summary = load(claire)

    assert counts(summary) == (0, 0, 1, 0)
    assert not new.needs_resealing(person().ahv_sealed)
    assert person().ahv_fingerprint == new.fingerprint("ahv", "7561234567897")


def test_a_wrong_root_secret_writes_nothing(
    app: Flask, load: Load, write_csv: Callable[..., Path], claire: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(claire)
    monkeypatch.setattr(app.extensions["idp"], "vault", Vault("another secret, forty characters long ..."))

    with pytest.raises(WrongKey):
        import_file(write_csv(claire))

    assert db.session.query(RegisterImport).count() == 1


def test_memory_stays_flat(tmp_path: Path, persons: Callable[..., Row]) -> None:
    """Five times the rows need no more memory."""

    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}.csv"
        with path.open("w", encoding="utf-8") as file:
            file.write(",".join(persons(1)) + "\n")
            for number in range(rows):
                file.write(",".join(persons(number).values()) + "\n")
        tracemalloc.start()
        try:
            assert import_file(path).written
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(500)  # what is loaded and cached once
    small, large = peak(1000), peak(5000)

    assert large < small * 1.3 + 500_000
