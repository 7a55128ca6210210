"""Issuing activation codes: who gets one, what ends, and the file for the fund's printing."""

import csv
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from idp.clock import now
from idp.db import db
from idp.db import transaction
from pensioners import campaigns
from pensioners import codes
from pensioners.activation_code import parse
from pensioners.activation_code import show
from pensioners.models import ActivationCode
from pensioners.models import Pensioner
from pensioners.models import code_fingerprint

Row = dict[str, str]
Load = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "codes.csv"


def lines(path: Path) -> list[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def test_every_active_person_without_account_gets_a_code(
    load: Load, persons: Callable[..., Row], account_of: Callable[..., str], output: Path
) -> None:
    load(persons(1), persons(2, status="left"), persons(3, status="deceased"), persons(4), persons(5))
    account_of("4")

    issued = codes.issue("autumn", output)

    assert issued.codes == 2
    assert [line["person_number"] for line in lines(output)] == ["1", "5"]
    assert db.session.query(ActivationCode).count() == 2


def test_the_file_has_what_a_letter_needs(load: Load, claire: Row, output: Path) -> None:
    load(claire)

    issued = codes.issue("autumn", output)

    line = lines(output)[0]
    same = (
        "person_number",
        "salutation",
        "first_name",
        "last_name",
        "street",
        "postcode",
        "town",
        "country",
        "language",
    )
    assert {name: line[name] for name in same} == {name: claire[name] for name in same}
    assert line["campaign"] == "autumn"
    assert line["valid_until"] == issued.valid_until.isoformat()
    assert line["activation_code"] == show(parse(line["activation_code"]))
    assert not {"ahv_number", "birth_date", "email"} & set(line)


def test_the_printed_code_is_the_one_in_force(
    load: Load, claire: Row, output: Path, person: Callable[..., Pensioner]
) -> None:
    load(claire)
    codes.issue("autumn", output)

    stored = db.session.query(ActivationCode).one()

    assert stored.code_fingerprint == code_fingerprint(parse(lines(output)[0]["activation_code"]))
    assert (stored.pensioner_id, stored.campaign) == (person().id, "autumn")


def test_a_code_is_accepted_through_its_last_day_in_switzerland(load: Load, claire: Row, output: Path) -> None:
    load(claire)

    with time_machine.travel("2026-11-24T22:30:00Z", tick=False):
        issued = codes.issue("autumn", output, valid_days=30)

    assert issued.valid_until.isoformat() == "2026-12-24"
    assert db.session.query(ActivationCode).one().expires_at.isoformat() == "2026-12-24T23:00:00+00:00"


def test_the_file_is_readable_by_its_owner_only(load: Load, claire: Row, output: Path) -> None:
    load(claire)

    codes.issue("autumn", output, letters=output.with_suffix(".pdf"))

    for path in (output, output.with_suffix(".pdf")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(path.name for path in output.parent.iterdir()) == ["codes.csv", "codes.pdf", "register.csv"]


def test_a_new_code_ends_the_old_one(load: Load, claire: Row, hans: Row, output: Path, tmp_path: Path) -> None:
    load(claire, hans)
    codes.issue("spring", output)

    issued = codes.issue("autumn", tmp_path / "autumn.csv")

    assert issued.replaced == 2
    by_campaign = {code.campaign: code.replaced_at for code in db.session.query(ActivationCode)}
    assert by_campaign["spring"] is not None
    assert by_campaign["autumn"] is None


def test_a_campaign_is_issued_once_unless_it_is_meant_again(
    load: Load, claire: Row, output: Path, tmp_path: Path
) -> None:
    load(claire)
    codes.issue("autumn", output)
    first = lines(output)[0]["activation_code"]

    with pytest.raises(codes.CampaignExists) as refused:
        codes.issue("autumn", tmp_path / "other.csv")
    assert (refused.value.codes, lines(output)[0]["activation_code"]) == (1, first)
    assert not (tmp_path / "other.csv").exists()

    codes.issue("autumn", output, again=True)
    assert lines(output)[0]["activation_code"] != first


def test_no_other_file_is_overwritten(load: Load, claire: Row, output: Path) -> None:
    load(claire)
    output.write_text("mine")

    with pytest.raises(FileExistsError):
        codes.issue("autumn", output)

    assert output.read_text() == "mine"
    assert db.session.query(ActivationCode).count() == 0


@pytest.mark.parametrize("breaks", ["pensioners.codes.PrintingFile.add", "pensioners.codes._insert"])
def test_when_it_breaks_off_the_old_letters_stay_valid_and_no_file_is_left(
    load: Load, claire: Row, output: Path, monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    load(claire)
    codes.issue("spring", output)

    def break_off(*args: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(breaks, break_off)

    with pytest.raises(OSError, match="disk"):
        codes.issue("autumn", output.with_name("autumn.csv"), letters=output.with_name("autumn.pdf"))

    assert [code.replaced_at for code in db.session.query(ActivationCode)] == [None]
    assert sorted(path.name for path in output.parent.iterdir()) == ["codes.csv", "register.csv"]


def test_who_left_while_letters_were_printed_gets_a_void_code(
    load: Load, claire: Row, output: Path, monkeypatch: pytest.MonkeyPatch, person: Callable[..., Pensioner]
) -> None:
    load(claire)
    put_in_force = codes._put_in_force

    def leave_first(*args: Any) -> int:
        id = person().id
        with transaction() as session:
            session.get_one(Pensioner, id).status = "left"
        return put_in_force(*args)

    monkeypatch.setattr(codes, "_put_in_force", leave_first)

    codes.issue("autumn", output)

    assert db.session.query(ActivationCode).one().void_reason == "left"


@pytest.mark.parametrize("cell", ['=HYPERLINK("http://x")', "+41", "-1", "@SUM(A1)", "＝1+1"])
def test_no_cell_can_be_taken_for_a_formula(load: Load, claire: Row, output: Path, cell: str) -> None:
    """CWE-1236: what a spreadsheet would run is shown as text."""
    load(claire | {"last_name": cell, "street": cell})

    codes.issue("autumn", output)

    assert (lines(output)[0]["last_name"], lines(output)[0]["street"]) == (f"'{cell}", f"'{cell}")


def test_names_keep_their_letters_quotes_and_separators(load: Load, claire: Row, output: Path) -> None:
    load(claire | {"first_name": 'Zoë; "Zo"', "last_name": "D'Ölé-Petrović"})

    codes.issue("autumn", output)

    assert (lines(output)[0]["first_name"], lines(output)[0]["last_name"]) == ('Zoë; "Zo"', "D'Ölé-Petrović")
    assert output.read_bytes().startswith(b"\xef\xbb\xbf")


def test_more_people_than_a_batch_get_one_code_each(
    load: Load, persons: Callable[..., Row], output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "BATCH", 7)
    load(*(persons(number) for number in range(100, 130)))
    steps: list[tuple[str, int, int]] = []

    codes.issue("autumn", output, progress=lambda *step: steps.append(step))

    assert [line["person_number"] for line in lines(output)] == [str(number) for number in range(100, 130)]
    assert len({line["activation_code"] for line in lines(output)}) == 30
    assert steps[29] == ("print", 30, 30)
    assert steps[-1] == ("write", 30, 30)


def test_with_nobody_to_write_to_no_file_is_begun(output: Path) -> None:
    with pytest.raises(codes.NobodyWaits):
        codes.issue("autumn", output, letters=output.with_suffix(".pdf"))

    assert list(output.parent.glob("codes*")) == []


def test_what_became_of_the_codes_is_counted(
    load: Load, persons: Callable[..., Row], output: Path, account_of: Callable[..., str], tmp_path: Path
) -> None:
    load(*(persons(number) for number in range(1, 7)))
    codes.issue("spring", output, valid_days=10)
    with transaction() as session:
        for code, field in zip(session.query(ActivationCode), ("used_at", "replaced_at"), strict=False):
            setattr(code, field, now())
        session.query(ActivationCode).filter_by(used_at=None, replaced_at=None).first().void_reason = "left"
    account_of("6")

    with time_machine.travel(now() + timedelta(days=5), tick=False):
        before = campaigns.campaigns()[0], campaigns.reach()
    with time_machine.travel(now() + timedelta(days=15), tick=False):
        after = campaigns.campaigns()[0]

    def counts(each: campaigns.Campaign) -> tuple[int, ...]:
        return each.used, each.replaced, each.void, each.open, each.expired

    assert counts(before[0]) == (1, 1, 1, 3, 0)
    assert counts(after) == (1, 1, 1, 0, 3)
    assert before[1].with_account == 1
    assert sum((before[1].with_open_code, before[1].without)) == 5


def test_nothing_issued_is_nothing_to_count() -> None:
    assert campaigns.campaigns() == []
    assert campaigns.reach() == campaigns.Reach(0, 0, 0)
