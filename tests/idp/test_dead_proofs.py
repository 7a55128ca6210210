"""Proofs that die while an interaction waits: held to the exact moment, and the person is asked again."""

from datetime import datetime
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from oidc import a_client
from oidc import answer
from oidc import change
from oidc import id_token_claims
from oidc import redeem
from oidc import request_of
from oidc import sign_in
from visitor import Page
from visitor import Visitor
from visitor import a_member
from visitor import code
from walk import e164

from idp import accounts
from idp.clock import now
from idp.db import db
from idp.models import Account


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    return Visitor(app)


@pytest.fixture
def second() -> datetime:
    """The beginning of a second."""
    return now().replace(microsecond=0)


def end_all(account_id: str) -> None:
    db.session.rollback()
    account = db.session.get_one(Account, account_id)
    accounts.end_everything(account)
    db.session.commit()


def is_asked_again(page: Page) -> bool:
    return "sign_in/credentials" in page.url and page.says("signin.info.reauth")


def test_an_end_all_within_the_second_of_the_proof_ends_it(visitor: Visitor, second: datetime) -> None:
    """Decision 11: proofs count whole seconds, an "end all" does not."""
    person = a_member()
    page = visitor.open("/authorize", **request_of(a_client()))
    with time_machine.travel(second + timedelta(milliseconds=200), tick=False):
        page = visitor.give_password(page, person.email)
    with time_machine.travel(second + timedelta(milliseconds=500), tick=False):
        end_all(person.account_id)

    assert is_asked_again(visitor.open(page.url))


def test_a_sign_in_right_after_an_end_all_counts(visitor: Visitor, second: datetime) -> None:
    person = a_member()
    page = visitor.open("/authorize", **request_of(a_client()))
    with time_machine.travel(second + timedelta(milliseconds=200), tick=False):
        end_all(person.account_id)
    with time_machine.travel(second + timedelta(milliseconds=500), tick=False):
        page = visitor.give_password(page, person.email)
        done = visitor.answer(page, code=code(e164(person.phone)))

        assert "code=" in done.location
        assert "code=" in visitor.open("/authorize", **request_of(a_client("second"), prompt="none")).location


def test_a_half_done_sign_in_whose_password_died_asks_for_it_again(visitor: Visitor) -> None:
    person = a_member()
    page = visitor.open("/authorize", **request_of(a_client()))
    waiting = visitor.give_password(page, person.email)
    end_all(person.account_id)

    asked = visitor.answer(waiting, code=code(e164(person.phone)))

    assert is_asked_again(asked)
    waiting = visitor.give_password(asked, person.email)
    assert "code=" in visitor.answer(waiting, code=code(e164(person.phone))).location


def test_a_session_signed_out_in_the_second_of_its_proofs_is_gone_for_an_interaction(visitor: Visitor) -> None:
    """Security row 2.36."""
    person, client = a_member(), a_client()
    account = db.session.get_one(Account, person.account_id)
    with time_machine.travel(now(), tick=False):
        sign_in(visitor.browser, account, "pwd")
        page = visitor.open("/authorize", **request_of(client))
        assert "two_factor" in page.url
        visitor.browser.delete_cookie("idp_session")

        assert is_asked_again(visitor.open(page.url))


def test_a_session_that_grows_too_old_while_a_page_waits_counts_no_more(visitor: Visitor) -> None:
    """OIDC Core §3.1.2.1, §3.1.3.7 item 13: the client holds auth_time against its max_age when it is answered."""
    person, client = a_member(), a_client(first_party=False)
    account = db.session.get_one(Account, person.account_id)
    sign_in(visitor.browser, account)
    waiting = visitor.open("/authorize", **request_of(client, max_age="60"))
    assert "consent" in waiting.url

    with time_machine.travel(now() + timedelta(minutes=25)):
        asked = visitor.answer(waiting)

        assert is_asked_again(asked)
        agreed = visitor.answer(visitor.sign_in(person, asked))
        tokens = redeem(visitor.browser, answer(agreed.response)["code"]).json
        claims = id_token_claims(tokens["id_token"])
        assert claims["iat"] - claims["auth_time"] <= 60


@pytest.mark.parametrize("changes", [{"max_age": "0"}, {"max_age": "1"}, {"prompt": "login"}])
def test_whoever_has_signed_in_here_is_not_asked_again_for_being_slow(
    visitor: Visitor, changes: dict[str, str]
) -> None:
    """OIDC Core §3.1.2.1: a fresh sign-in is demanded, and was made; else it would go round for ever."""
    person, client = a_member(), a_client(first_party=False)
    waiting = visitor.sign_in(person, visitor.open("/authorize", **request_of(client, **changes)))
    assert "consent" in waiting.url

    with time_machine.travel(now() + timedelta(minutes=25)):
        assert "code=" in visitor.answer(waiting).location


def test_a_blocked_account_is_not_asked_again(visitor: Visitor) -> None:
    """CVE-2025-29928: it gets its answer at the end, and no second chance to guess the password."""
    person = a_member()
    waiting = visitor.give_password(visitor.open("/authorize", **request_of(a_client())), person.email)
    account = db.session.get_one(Account, person.account_id)
    change(account, disabled_at=now(), sessions_valid_after=now())

    answered = visitor.answer(waiting, code=code(e164(person.phone)))

    assert "error=access_denied" in answered.location
