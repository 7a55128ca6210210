"""Closing an account: a lost telephone, a new letter, a new enrolment."""

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select
from visitor import Visitor
from visitor import a_member
from visitor import audited
from visitor import names

from idp.db import db
from idp.models import Account
from idp.models import Authenticator
from pensioners import closing
from pensioners import codes
from pensioners.commands import register
from pensioners.models import Pensioner


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    return Visitor(app)


def number_of(pensioner_id: str) -> str:
    db.session.rollback()
    return str(db.session.scalar(select(Pensioner.person_number).where(Pensioner.id == pensioner_id)))


def test_the_person_enrols_again_with_a_new_letter(app: Flask, visitor: Visitor) -> None:
    person = a_member()
    before = person.account_id
    number = number_of(person.pensioner_id)

    closing.close(number, operator="Erika", reason="telephone lost")

    assert db.session.scalars(select(Account).where(Account.id == before)).first() is None
    assert db.session.scalars(select(Authenticator)).first() is None
    assert names(person.email)[0] == "closed"
    (line,) = audited("account_closed")
    assert (line.account_id, line.reason) == (before, "telephone lost")
    person.code = codes.issue_to([person.pensioner_id], "again")[person.pensioner_id]
    page = visitor.enrol_until("done", person)
    assert page.status == 200
    db.session.rollback()
    found = db.session.get_one(Pensioner, person.pensioner_id)
    assert found.account_id not in {None, before}


def test_the_old_password_and_the_old_session_are_worth_nothing(app: Flask, visitor: Visitor) -> None:
    person = a_member()
    visitor.sign_in(person)

    closing.close(number_of(person.pensioner_id), operator="Erika", reason="telephone lost")

    page = visitor.open("/signin")
    assert page.url.endswith("/sign_in/credentials")
    assert visitor.give_password(page, person.email, person.password).says("signin.err.mismatch")


def test_nobody_and_who_has_no_account_are_told_apart_from_success(app: Flask) -> None:
    with pytest.raises(closing.NoAccount):
        closing.close("no such number", operator="Erika", reason="x")

    result = CliRunner().invoke(register, ["close-account", "nobody", "--operator", "E", "--reason", "x", "--yes"])

    assert result.exit_code == 1
    assert "no such person" in result.output
