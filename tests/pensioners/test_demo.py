"""The fictive register of `make run`."""

import csv
import stat
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from flask import Flask
from oidc import Configure

from idp.db import db
from idp.db import transaction
from idp.models import Account
from pensioners import activation
from pensioners import activation_code
from pensioners import ahv_number
from pensioners import codes
from pensioners import demo
from pensioners.models import ActivationCode
from pensioners.models import Pensioner

pytestmark = pytest.mark.usefixtures("app")


def listed(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "demo-codes.csv").open(encoding="utf-8", newline="") as file:
        return {row["person_number"]: row for row in csv.DictReader(file)}


def identify(person: demo.DemoPerson) -> activation.Match:
    born = datetime.strptime(person.birth_date, "%d.%m.%Y").date()
    code = activation_code.parse(person.activation_code)
    return activation.identify(("ahv", ahv_number.parse(person.ahv_number)), born, code)


def test_the_first_three_speak_french_german_and_italian_and_can_enrol(tmp_path: Path) -> None:
    shown = demo.load_demo(tmp_path)

    assert [person.language for person in shown] == ["fr", "de", "it"]
    assert [identify(person).last_name for person in shown] == [person.name.split()[-1] for person in shown]


def test_the_register_has_every_status_and_language_and_people_without_mail(tmp_path: Path) -> None:
    demo.load_demo(tmp_path)
    people = db.session.query(Pensioner).all()

    assert Counter(person.status for person in people).keys() == {"active", "left", "deceased"}
    assert Counter(person.language for person in people).keys() == {"de", "fr", "it", "en"}
    assert len(people) == 60
    assert {bool(person.email) for person in people} == {True, False}


def test_every_active_person_stands_in_the_file_which_only_its_owner_reads(tmp_path: Path) -> None:
    demo.load_demo(tmp_path)

    assert len(listed(tmp_path)) == db.session.query(Pensioner).filter_by(status="active").count()
    assert stat.S_IMODE((tmp_path / "demo-codes.csv").stat().st_mode) == 0o600


def test_the_next_start_keeps_the_codes(tmp_path: Path) -> None:
    first = demo.load_demo(tmp_path)
    issued = db.session.query(ActivationCode).count()

    assert demo.load_demo(tmp_path) == first
    assert db.session.query(ActivationCode).count() == issued


def test_who_has_enrolled_is_no_longer_shown(tmp_path: Path, make_account: Callable[..., Account]) -> None:
    first, second, third = demo.load_demo(tmp_path)
    match = identify(first)
    with transaction() as session:
        account = make_account()
        session.add(account)
        activation.consume(session, match.pensioner_id, match.activation_code_id, account.id)

    shown = demo.load_demo(tmp_path)

    assert shown[:2] == [second, third]
    assert first.person_number not in listed(tmp_path)


def test_a_lost_file_is_made_anew(tmp_path: Path) -> None:
    before = demo.load_demo(tmp_path)
    (tmp_path / "demo-codes.csv").unlink()

    after = demo.load_demo(tmp_path)

    assert [person.name for person in after] == [person.name for person in before]
    assert identify(after[0])


def test_letters_that_somebody_printed_stay_valid(tmp_path: Path) -> None:
    demo.load_demo(tmp_path)
    codes.issue("by hand", tmp_path / "by-hand.csv")

    assert demo.load_demo(tmp_path) == []
    assert db.session.query(ActivationCode).filter_by(campaign="by hand", replaced_at=None).count() > 50


def test_it_is_refused_in_production(app: Flask, tmp_path: Path, configure: Configure) -> None:
    configure(environment="production")

    with pytest.raises(RuntimeError):
        demo.load_demo(tmp_path)

    assert db.session.query(Pensioner).count() == 0
