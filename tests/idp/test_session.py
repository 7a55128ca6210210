"""Sessions: how long they live, and what ends them (security rows 2.44 and 2.45)."""

from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from oidc import a_client
from oidc import an_account
from oidc import answer
from oidc import authorize
from oidc import change
from oidc import redeem
from oidc import request_of
from oidc import sign_in
from sqlalchemy import update
from visitor import Visitor
from visitor import a_member

from idp import pushed
from idp.clock import epoch
from idp.clock import now
from idp.db import db
from idp.models import Account
from idp.models import StoreEntry
from idp.provider import provider


def is_signed_in(visitor: Visitor) -> bool:
    """Whether our own door lets the browser pass without a question."""
    return visitor.open("/signin").status == 303


def only_account() -> Account:
    db.session.rollback()
    return db.session.query(Account).one()


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    """Somebody who has just signed in."""
    visitor = Visitor(app)
    visitor.sign_in(a_member())
    assert is_signed_in(visitor)
    return visitor


def in_sql(app: Flask) -> None:
    if app.extensions["idp"].settings.redis_url:
        pytest.skip("Redis has a clock of its own")


def test_it_ends_after_half_an_hour_without_a_visit(app: Flask, visitor: Visitor) -> None:
    in_sql(app)
    with time_machine.travel(now() + timedelta(minutes=29)):
        assert is_signed_in(visitor)
    with time_machine.travel(now() + timedelta(minutes=29 + 31)):
        assert not is_signed_in(visitor)


def test_and_after_twelve_hours_however_often_it_is_used(app: Flask, visitor: Visitor) -> None:
    in_sql(app)
    begun = now()
    for quarter in range(1, 12 * 4):
        with time_machine.travel(begun + timedelta(minutes=15 * quarter)):
            assert is_signed_in(visitor), quarter
    with time_machine.travel(begun + timedelta(hours=12, seconds=5)):
        assert not is_signed_in(visitor)


def test_a_disabled_account_is_signed_out_at_once(visitor: Visitor) -> None:
    """Security row V29."""
    change(only_account(), disabled_at=now())

    assert not is_signed_in(visitor)


def test_an_end_of_all_sessions_counts_whatever_the_store_says(visitor: Visitor) -> None:
    """Decision 11."""
    change(only_account(), sessions_valid_after=now() + timedelta(seconds=1))

    assert not is_signed_in(visitor)


def test_a_planted_id_never_becomes_signed_in(app: Flask) -> None:
    """Security row 2.44."""
    visitor, planted = Visitor(app), "p" * 43
    visitor.browser.set_cookie("idp_session", planted)
    visitor.sign_in(a_member())

    given = visitor.browser.get_cookie("idp_session")
    assert given is not None
    assert given.value != planted
    thief = Visitor(app)
    thief.browser.set_cookie("idp_session", planted)
    assert not is_signed_in(thief)


def test_whoever_proves_themselves_again_within_the_same_second_gets_another_id(app: Flask) -> None:
    """ASVS V7.2.4; proofs count whole seconds."""
    client, person, visitor = a_client(), a_member(), Visitor(app)
    with time_machine.travel(now(), tick=False):
        sign_in(visitor.browser, only_account())
        first = visitor.browser.get_cookie("idp_session")
        page = visitor.sign_in(person, visitor.open("/authorize", **request_of(client, prompt="login")))
        second = visitor.browser.get_cookie("idp_session")

        assert "code" in answer(page.response)
        assert first is not None
        assert second is not None
        assert second.value != first.value
        assert "code" in answer(authorize(visitor.browser, client, prompt="none"))
        assert visitor.browser.get_cookie("idp_session") == second


def test_the_cookie_is_kept_from_scripts_and_other_sites(app: Flask, visitor: Visitor) -> None:
    cookie = visitor.browser.get_cookie("idp_session")

    assert cookie is not None
    assert cookie.http_only
    assert cookie.same_site == "Lax"
    assert cookie.path == "/"
    assert len(cookie.value) >= 22


def test_the_store_knows_the_id_by_its_hash_only(app: Flask, visitor: Visitor) -> None:
    in_sql(app)
    cookie = visitor.browser.get_cookie("idp_session")
    assert cookie is not None

    kept = [(row.key, row.value or b"") for row in db.session.query(StoreEntry).filter_by(kind="session")]

    assert len(kept) == 1
    assert all(cookie.value not in key and cookie.value.encode() not in value for key, value in kept)
    assert provider.settings.session_idle_seconds == 1800


def test_an_end_all_that_comes_while_a_request_is_answered_ends_what_it_gives(
    app: Flask, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a request gives counts from its beginning: the account it has read may be older than its end."""
    client, account = a_client(), an_account()
    sign_in(browser, account, at=epoch() - 10)
    account_id = account.id

    def end_all_meanwhile(_: object) -> bool:
        with db.engine.begin() as connection:
            connection.execute(update(Account).where(Account.id == account_id).values(sessions_valid_after=now()))
        return True

    monkeypatch.setattr(pushed, "use_up", end_all_meanwhile)
    code = answer(authorize(browser, client))["code"]
    monkeypatch.undo()

    assert redeem(browser, code).json["error"] == "invalid_grant"
    assert answer(authorize(browser, client, prompt="none"))["error"] == "login_required"


def test_a_sign_out_that_comes_while_a_request_is_answered_is_not_undone(
    app: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 2.36: the request has read the session, and keeps it because the application is new to it."""
    client, other, copied = a_client(), Visitor(app), visitor.browser.get_cookie("idp_session")
    assert copied is not None
    other.browser.set_cookie("idp_session", copied.value)

    def sign_out_meanwhile(_: object) -> bool:
        with app.app_context():
            assert other.answer(other.open("/signout")).url.endswith("/signed-out")
        return True

    monkeypatch.setattr(pushed, "use_up", sign_out_meanwhile)
    code = answer(authorize(visitor.browser, client))["code"]
    monkeypatch.undo()

    assert redeem(visitor.browser, code).json["error"] == "invalid_grant"
    thief = Visitor(app)
    thief.browser.set_cookie("idp_session", copied.value)
    assert not is_signed_in(thief)
    assert not is_signed_in(visitor)
