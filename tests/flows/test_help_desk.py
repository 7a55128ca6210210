"""The telephone service: looking, ending pauses, and second factors that are lost."""

from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from oidc import a_client
from oidc import id_token_claims
from oidc import is_error
from oidc import refresh
from oidc import sign_in
from oidc import tokens_for
from oidc import userinfo
from sqlalchemy import select
from visitor import Person
from visitor import Visitor
from visitor import a_member
from visitor import audited
from visitor import names

from idp import throttle
from idp.accounts import WRONG_PASSWORDS
from idp.db import db
from idp.models import Account
from idp.models import Client
from pensioners import activation
from pensioners import codes
from pensioners import help_desk
from pensioners.account_commands import accounts
from pensioners.models import Pensioner

WHY = ("--operator", "Erika", "--reason", "telephone lost")


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    return Visitor(app)


def run(*words: str, typed: str = "") -> str:
    result = CliRunner().invoke(accounts, words, input=typed, catch_exceptions=False)
    db.session.rollback()
    return result.output


def row_of(person: Person) -> Pensioner:
    db.session.rollback()
    return db.session.get_one(Pensioner, person.pensioner_id)


def reset(person: Person) -> None:
    help_desk.reset_factors(row_of(person), operator="Erika", reason="telephone lost")
    db.session.rollback()


def test_with_a_new_letter_the_person_goes_on_with_the_same_account(app: Flask, visitor: Visitor) -> None:
    person = a_member()
    before = person.account_id
    old_code = person.code

    reset(person)

    assert names(person.email)[0] == "factors_reset"
    (line,) = audited("factors_reset")
    assert (line.account_id, line.reason, line.details) == (before, "telephone lost", {"operator": "Erika"})
    assert row_of(person).account_id is None
    person.code = codes.issue_to([person.pensioner_id], "again")[person.pensioner_id]
    assert person.code != old_code
    assert visitor.enrol_until("done", person).status == 200
    found = row_of(person)
    assert (found.account_id, found.former_account_id) == (before, None)
    account = db.session.get_one(Account, before)
    assert account.is_active
    assert len(account.authenticators) == 1
    assert len(db.session.scalars(select(Account)).all()) == 1


def test_until_then_the_right_password_leads_to_the_blocked_page_and_nowhere_else(app: Flask, visitor: Visitor) -> None:
    person = a_member()
    visitor.sign_in(person)

    reset(person)

    page = visitor.open("/signin")
    assert page.url.endswith("/sign_in/credentials")
    for name in (person.email, person.ahv_number):
        assert visitor.give_password(page, name, person.password).status == 403
    assert visitor.give_password(page, person.email, "Wrong-Word-2026!").says("signin.err.mismatch")


def test_tokens_from_before_stay_dead_and_the_sub_stays(app: Flask, visitor: Visitor) -> None:
    person, client = a_member(), a_client(grant_types=["authorization_code", "refresh_token"])
    before = tokens_of(app, person, client)

    reset(person)
    assert is_error(refresh(app.test_client(), before["refresh_token"]), "invalid_grant")
    person.code = codes.issue_to([person.pensioner_id], "again")[person.pensioner_id]
    visitor.enrol_until("done", person)

    after = tokens_of(app, person, client)
    assert id_token_claims(after["id_token"])["sub"] == id_token_claims(before["id_token"])["sub"]
    assert is_error(refresh(app.test_client(), before["refresh_token"]), "invalid_grant")
    assert userinfo(app.test_client(), before["access_token"]).status_code == 401
    assert userinfo(app.test_client(), after["access_token"]).status_code == 200


def tokens_of(app: Flask, person: Person, client: Client) -> dict[str, Any]:
    db.session.rollback()
    browser = app.test_client()
    sign_in(browser, db.session.get_one(Account, person.account_id), "pwd", "sms")
    return tokens_for(browser, client, scope="openid offline_access")


def test_the_first_letter_opens_nothing_after_a_reset(app: Flask, visitor: Visitor) -> None:
    person = a_member()
    reset(person)

    page = visitor.identify(visitor.open("/enrol"), person)

    assert page.says("e1.err.code_old")


def test_another_may_not_take_the_address_meanwhile(app: Flask, visitor: Visitor) -> None:
    person, other = a_member(), a_member(2)
    reset(person)
    other.email = person.email
    help_desk.reset_factors(row_of(other), operator="Erika", reason="x")
    other.code = codes.issue_to([other.pensioner_id], "again")[other.pensioner_id]

    visitor.enrol_until("confirm-email", other)

    assert names(person.email)[0] == "exists"


def test_a_reset_needs_an_account_that_is_open(app: Flask) -> None:
    person = a_member()
    reset(person)
    with pytest.raises(help_desk.NoAccount):
        reset(person)
    assert "no account that could be used" in run("reset-factors", number(person), *WHY, "--yes")


def number(person: Person) -> str:
    return row_of(person).person_number


def test_show_finds_by_every_name_and_tells_no_whole_number(app: Flask) -> None:
    person = a_member()
    for who in (person.email, person.ahv_number, number(person)):
        told = run("show", who, "--operator", "Erika")
        assert "756.••••.••••." in told
        assert person.email not in told
        assert "Factor" in told
    assert len(audited("account_looked_at")) == 3
    assert "756" in run("show", "--operator", "Erika", typed=f"{person.ahv_number}\n")
    assert "nobody of the register" in run("show", "nobody@example.ch", "--operator", "Erika")
    assert "nobody of the register" in run("show", "756.9217.0769.84", "--operator", "Erika")


def test_unlock_ends_the_pause_of_wrong_passwords_and_of_step_1(app: Flask, visitor: Visitor) -> None:
    person = a_member()
    subject = f"account:{person.account_id}"
    for _ in range(WRONG_PASSWORDS.tries):
        throttle.spend(WRONG_PASSWORDS, subject)
    throttle.spend(activation.WRONG_ANSWERS, f"pensioner:{person.pensioner_id}")
    assert "Pause: password" in run("show", number(person), "--operator", "Erika")

    assert "may try again" in run("unlock", number(person), *WHY)

    assert throttle.left(WRONG_PASSWORDS, subject) == WRONG_PASSWORDS.tries
    assert throttle.left(activation.WRONG_ANSWERS, f"pensioner:{person.pensioner_id}") == 5
    (line,) = audited("account_unlocked")
    assert line.details == {"operator": "Erika", "limits": 2}
    assert "Nothing was counted" in run("unlock", number(person), *WHY)
