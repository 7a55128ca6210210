"""`idp clients tokens`: who may register an application without an operator."""

import re
from datetime import timedelta

import pytest
import time_machine
from click.testing import CliRunner
from click.testing import Result
from flask import Flask

from admin.commands import clients
from idp import initial_access_tokens
from idp.clock import now
from idp.db import db
from idp.models import AuditEvent
from idp.models import InitialAccessToken


def idp(*arguments: str) -> Result:
    db.session.rollback()
    result = CliRunner().invoke(clients, ["tokens", *arguments])
    db.session.rollback()
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def row() -> InitialAccessToken:
    return db.session.query(InitialAccessToken).one()


def test_a_token_is_made_and_shown_once(app: Flask) -> None:
    result = idp("issue", "--note", "the developers", "--uses", "3", "--days", "2")

    found = re.search(r"shown once\): ([A-Za-z0-9_-]{43})$", result.output, re.MULTILINE)
    assert found
    known = initial_access_tokens.find(found[1])
    assert known is not None
    assert (known.note, known.uses_left) == ("the developers", 3)
    assert timedelta(days=1, hours=23) < known.expires_at - now() <= timedelta(days=2)
    assert found[1] not in idp("list").output


def test_an_operator_hears_that_the_token_does_not_count_yet(app: Flask) -> None:
    assert "IDP_REGISTRATION is closed" in idp("issue", "--note", "x").output


def test_tokens_are_listed_with_what_has_become_of_them(app: Flask) -> None:
    for note in ("good", "spent", "withdrawn"):
        idp("issue", "--note", note)
    tokens = {each.note: each for each in db.session.query(InitialAccessToken)}
    withdrawn = tokens["withdrawn"].id
    tokens["spent"].uses_left = 0
    db.session.commit()
    idp("revoke", withdrawn)

    output = idp("list").output
    with time_machine.travel(now() + timedelta(days=8)):
        later = idp("list").output

    for note, state in {"good": "valid", "spent": "used up", "withdrawn": "revoked"}.items():
        assert re.search(rf"{note} .*{state}", output)
    assert re.search(r"good .*expired", later)


def test_a_revoked_token_stays_revoked(app: Flask) -> None:
    idp("issue", "--note", "x")
    name = row().id

    assert f"{name} is revoked" in idp("revoke", name).output
    first = row().revoked_at
    idp("revoke", name)

    assert first is not None
    assert row().revoked_at == first


def test_an_unknown_token_is_said_to_be_unknown(app: Flask) -> None:
    result = idp("revoke", "nothing")

    assert result.exit_code == 1
    assert "There is no token nothing." in result.output


@pytest.mark.parametrize(
    "arguments",
    [(), ("--note", ""), ("--note", "\x00"), ("--note", "x", "--uses", "0"), ("--note", "x", "--days", "0")],
)
def test_a_token_for_nobody_or_nothing_is_not_made(app: Flask, arguments: tuple[str, ...]) -> None:
    assert idp("issue", *arguments).exit_code != 0
    assert db.session.query(InitialAccessToken).count() == 0


def test_the_journal_names_the_token_and_never_shows_it(app: Flask) -> None:
    idp("issue", "--note", "x")
    name = row().id
    idp("revoke", name)

    lines = db.session.query(AuditEvent).order_by(AuditEvent.sequence).all()
    assert [(line.event, line.reason) for line in lines] == [
        ("registration_opened", name),
        ("registration_closed", name),
    ]
