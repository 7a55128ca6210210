"""Consents, and `idp clients consents`: what a person allowed to applications of others, and how it is taken back."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient
from oidc import a_client
from oidc import answer
from oidc import authorize
from oidc import basic
from oidc import code_for
from oidc import consent
from oidc import is_error
from oidc import redeem
from oidc import refresh
from oidc import sign_in
from oidc import userinfo
from sqlalchemy import select
from visitor import Person
from visitor import a_member
from visitor import audited

from admin.commands import clients
from idp.clock import now
from idp.db import db
from idp.models import Account
from idp.models import Client
from idp.models import ConsentDetail
from idp.models import RefreshFamily
from pensioners.models import Pensioner

SCOPE = "openid email offline_access"
WHO = ("--operator", "Erika", "--reason", "asked on the telephone")


@pytest.fixture
def member(app: Flask) -> Person:
    return a_member()


@pytest.fixture
def number(member: Person) -> str:
    return str(db.session.scalar(select(Pensioner.person_number).where(Pensioner.id == member.pensioner_id)))


@pytest.fixture
def account(member: Person, browser: FlaskClient) -> Account:
    account = db.session.get_one(Account, member.account_id)
    sign_in(browser, account)
    return account


@pytest.fixture
def third(account: Account) -> Client:
    """An application of others, which has asked and been allowed."""
    client = a_client("third", first_party=False)
    consent(account, client, SCOPE)
    return client


def consents(*arguments: str) -> Result:
    db.session.rollback()
    result = CliRunner().invoke(clients, ["consents", *arguments])
    db.session.rollback()
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def tokens(browser: FlaskClient, client: Client) -> dict[str, str]:
    """What the client gets with the code of this browser."""
    code = code_for(browser, client, scope=SCOPE)
    return dict(redeem(browser, code, headers=basic(client.client_id)).json)


def test_what_a_person_allowed_is_listed(third: Client, number: str) -> None:
    output = consents("list", number, "--operator", "Erika").output

    assert "third" in output
    assert SCOPE in output
    assert [line.details for line in audited("consents_shown")] == [{"operator": "Erika"}]


def test_every_token_of_a_withdrawn_consent_ends(browser: FlaskClient, third: Client, number: str) -> None:
    given = tokens(browser, third)
    code = code_for(browser, third, scope=SCOPE)

    assert consents("withdraw", number, "third", *WHO).exit_code == 0

    assert userinfo(browser, given["access_token"]).status_code == 401
    assert is_error(refresh(browser, given["refresh_token"], headers=basic("third")), "invalid_grant")
    assert is_error(redeem(browser, code, headers=basic("third")), "invalid_grant")
    assert answer(authorize(browser, third, scope=SCOPE, prompt="none"))["error"] == "consent_required"
    (family,) = db.session.scalars(select(RefreshFamily)).all()
    assert (family.end_reason, family.ended_at is None) == ("consent_withdrawn", False)
    (line,) = audited("consent_withdrawn")
    assert (line.client_id, line.reason, line.details) == ("third", "asked on the telephone", {"operator": "Erika"})


def test_what_was_allowed_in_more_words_goes_with_it(account: Account, third: Client, number: str) -> None:
    """RFC 9396: no detail of the old consent opens anything under a new one."""
    row = ConsentDetail(account_id=account.id, client_id="third", fingerprint="x", type="case", granted_at=now())
    db.session.add(row)
    db.session.commit()

    consents("withdraw", number, "third", *WHO)

    assert db.session.query(ConsentDetail).count() == 0


def test_a_new_consent_does_not_revive_what_the_old_one_gave(
    browser: FlaskClient, account: Account, third: Client, number: str
) -> None:
    before = tokens(browser, third)
    consents("withdraw", number, "third", *WHO)

    consent(account, third, SCOPE)

    after = tokens(browser, third)
    assert userinfo(browser, before["access_token"]).status_code == 401
    assert is_error(refresh(browser, before["refresh_token"], headers=basic("third")), "invalid_grant")
    assert userinfo(browser, after["access_token"]).status_code == 200
    assert refresh(browser, after["refresh_token"], headers=basic("third")).status_code == 200


def test_tokens_of_other_applications_and_other_people_live_on(
    app: Flask, browser: FlaskClient, account: Account, third: Client, number: str
) -> None:
    other = a_client("other", first_party=False)
    consent(account, other, SCOPE)
    somebody = type(browser)(app)
    neighbour = db.session.get_one(Account, a_member(2).account_id)
    sign_in(somebody, neighbour)
    consent(neighbour, third, SCOPE)
    kept = [
        ("other", tokens(browser, other)),
        ("third", tokens(somebody, third)),
    ]

    consents("withdraw", number, "third", *WHO)

    for client_id, given in kept:
        assert userinfo(browser, given["access_token"]).status_code == 200
        assert refresh(browser, given["refresh_token"], headers=basic(client_id)).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (lambda number: ("withdraw", "nobody", "third", *WHO), "no such person"),
        (lambda number: ("withdraw", number, "portal", *WHO), "allowed portal nothing"),
        (lambda number: ("list", "nobody", "--operator", "E"), "no such person"),
        (lambda number: ("withdraw", number, "third"), "--operator"),
        (lambda number: ("list", number), "--operator"),
    ],
)
def test_what_cannot_be_withdrawn_is_one_sentence(
    browser: FlaskClient, third: Client, number: str, arguments: Callable[[str], tuple[str, ...]], said: str
) -> None:
    first = a_client("portal")
    given = tokens(browser, first)

    result = consents(*arguments(number))

    assert result.exit_code != 0
    assert said in result.output
    assert userinfo(browser, given["access_token"]).status_code == 200, "an application of the fund has no consent"
