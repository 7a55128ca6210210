"""Codes that ended are forgotten after 30 days (security.md 4.2); the count of their campaign stays."""

from collections.abc import Callable
from datetime import date
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from idp import serve
from idp.clock import now
from idp.db import db
from idp.db import transaction
from idp.models import Account
from pensioners import activation
from pensioners.activation import CodeExpired
from pensioners.activation import CodeReplaced
from pensioners.activation import CodeUsed
from pensioners.activation import NoMatch
from pensioners.campaigns import campaigns
from pensioners.models import ActivationCode
from pensioners.retention import forget_codes

AHV, BORN = ("ahv", "7561234567897"), date(1948, 3, 27)
VALID_DAYS = 90

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def code(load: Callable[..., Any], claire: dict[str, str], give_code: Callable[..., str]) -> str:
    """Claire is in the register and has this code."""
    load(claire)
    return give_code()


def in_days(days: float) -> Any:
    return time_machine.travel(now() + timedelta(days=days), tick=False)


def forgotten() -> int:
    done = forget_codes()
    db.session.rollback()  # what this test has read before is not what stands there now
    return done


def known() -> int:
    db.session.rollback()
    return db.session.query(ActivationCode).filter(ActivationCode.code_fingerprint.is_not(None)).count()


def test_an_open_code_is_never_forgotten(code: str) -> None:
    with in_days(VALID_DAYS - 1):
        assert forgotten() == 0
        assert activation.identify(AHV, BORN, code)


def test_an_expired_code_is_told_for_thirty_days_and_is_then_like_any_other(code: str) -> None:
    with in_days(VALID_DAYS + 29):
        assert forgotten() == 0
        with pytest.raises(CodeExpired):
            activation.identify(AHV, BORN, code)
    with in_days(VALID_DAYS + 32):
        assert forgotten() == 1
        assert forgotten() == 0
        with pytest.raises(NoMatch):
            activation.identify(AHV, BORN, code)
    assert known() == 0


def test_a_replaced_code_is_forgotten_and_the_newer_one_is_not(code: str, give_code: Callable[..., str]) -> None:
    newer = give_code()
    with in_days(29):
        assert forgotten() == 0
        with pytest.raises(CodeReplaced):
            activation.identify(AHV, BORN, code)
    with in_days(31):
        assert forgotten() == 1
        with pytest.raises(NoMatch):
            activation.identify(AHV, BORN, code)
        assert activation.identify(AHV, BORN, newer)


def test_a_code_that_opened_an_account_leads_to_the_sign_in_as_long_as_there_is_one(
    code: str, account_of: Callable[..., str]
) -> None:
    account_id = account_of()
    with transaction() as session:
        session.query(ActivationCode).update({"used_at": now()})

    with in_days(400):
        assert forgotten() == 0
        with pytest.raises(CodeUsed):
            activation.identify(AHV, BORN, code)
    with transaction() as session:
        session.delete(session.get_one(Account, account_id))
    with in_days(31):
        assert forgotten() == 1


def test_the_campaign_keeps_its_count(code: str, give_code: Callable[..., str]) -> None:
    give_code()
    before = [(each.name, each.replaced) for each in campaigns()]

    with in_days(31):
        assert forgotten() == 1

    assert [(each.name, each.replaced) for each in campaigns()] == before


def test_it_is_done_by_itself_once_an_hour(app: Flask, code: str, give_code: Callable[..., str]) -> None:
    give_code()
    with in_days(31):
        for _, chore in serve.chores(app):
            chore()

    assert known() == 1
    assert (3600, forget_codes) in serve.chores(app)
