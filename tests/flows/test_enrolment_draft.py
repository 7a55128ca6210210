"""What a half-done enrolment leaves behind, and for whom: the same letter may be in other hands (decision 21)."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from visitor import PASSWORD
from visitor import Visitor
from visitor import a_person
from visitor import account_count

from idp import passwords
from idp.clock import now
from idp.db import db
from idp.models import Account
from idp.provider import provider
from pensioners import activation_code


def only_account() -> Account:
    db.session.rollback()
    return db.session.query(Account).one()


@pytest.mark.parametrize(
    "stopped", ["confirm-email", "second-factor", "second-factor-details", "confirm-second-factor"]
)
def test_the_address_is_there_after_a_right_step_one_and_the_password_is_asked_again(
    visitor: Visitor, another: Callable[[], Visitor], stopped: str
) -> None:
    """Decision 21; security.md 2.67: the letter may be in other hands now."""
    person = a_person()
    visitor.enrol_until(f"/enrol/{stopped}", person)
    second = another()

    page = second.identify(second.open("/enrol"), person)

    assert page.url.endswith("/kept-address")
    assert page.says("enrol.resume")
    assert "o…@example.org" in page.text
    assert person.email not in page.text
    assert visitor.post(page.url, csrf_token=page.form()[1]["csrf_token"]).status in {400, 422}
    person.password = "Anderes Wort, 1 Mal"
    page = second.answer(page, password=person.password, password2=person.password)
    assert ("confirm-email" if stopped == "confirm-email" else "second-factor") in page.url, page.errors()
    assert person.email not in page.text
    with time_machine.travel(now() + timedelta(seconds=61)):
        second.enrol_until("/done", person, page)
    account = only_account()
    assert account.email == person.email
    assert passwords.verify(account.password_hash, person.password)


LATER = ["confirm-email", "second-factor", "second-factor-details", "confirm-second-factor", "done", "account-exists"]


def test_a_draft_keeps_neither_password_nor_second_factor(visitor: Visitor, another: Callable[[], Visitor]) -> None:
    person = a_person()
    visitor.enrol_until("confirm-second-factor", person)
    second = another()
    page = second.identify(second.open("/enrol"), person)

    assert page.url.endswith("/kept-address")
    posts = [second.answer(page, password="", password2=""), second.answer(page, password="kurz", password2="kurz")]
    later = [second.open(page.url.replace("kept-address", step)) for step in LATER]

    assert [one.status for one in posts] == [422, 422]
    assert {one.url for one in later} == {page.url}
    assert account_count() == 0


def test_the_address_of_a_draft_can_be_changed(visitor: Visitor, another: Callable[[], Visitor]) -> None:
    person = a_person()
    visitor.enrol_until("second-factor", person)
    second = another()
    page = second.identify(second.open("/enrol"), person)

    assert page.url.endswith("/kept-address")
    form = second.open(page.link("user-data"))
    person.email = "neue@example.org"
    second.enrol_until("/done", person, second.give_data(form, person))

    assert only_account().email == "neue@example.org"


def test_a_password_beside_the_address_of_a_draft_is_judged_with_it(
    visitor: Visitor, another: Callable[[], Visitor]
) -> None:
    person = a_person()
    person.email = "vier.gruppen@example.org"
    person.password = "Anderes Wort, 1 Mal"
    visitor.enrol_until("second-factor", person)
    second = another()
    page = second.identify(second.open("/enrol"), person)

    assert second.answer(page, password=PASSWORD, password2=PASSWORD).says("pw.err.personal")


def test_a_draft_needs_the_whole_step_one(visitor: Visitor, another: Callable[[], Visitor]) -> None:
    person = a_person()
    visitor.enrol_until("second-factor", person)
    second = another()

    page = second.identify(second.open("/enrol"), person, act=activation_code.new())

    assert page.status == 422
    assert person.email not in page.text


def test_a_draft_is_gone_after_a_day(visitor: Visitor, another: Callable[[], Visitor]) -> None:
    person = a_person()
    visitor.enrol_until("second-factor", person)
    if provider.settings.redis_url:
        pytest.skip("Redis has a clock of its own")
    with time_machine.travel(now() + timedelta(hours=25)):
        second = another()
        page = second.identify(second.open("/enrol"), person)

    assert "user-data" in page.url
