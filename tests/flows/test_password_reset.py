"""Forgotten password (pages.md F1–F5): the same pages for everybody, and never without the second factor."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from oidc import a_client
from oidc import change
from oidc import refresh
from oidc import tokens_for
from visitor import PASSWORD
from visitor import Page
from visitor import Person
from visitor import Visitor
from visitor import a_member
from visitor import ahv
from visitor import audited
from visitor import code
from visitor import messages
from visitor import names
from visitor import wrong
from walk import e164

from idp import accounts
from idp import passwords
from idp.clock import epoch
from idp.clock import now
from idp.db import db
from idp.models import Account

NEW = "Neue-Gruppen 2027?"


def ask(visitor: Visitor, name: str) -> Page:
    return visitor.answer(visitor.open("/password/forgot"), username=name)


def at_second_factor(visitor: Visitor, person: Person) -> Page:
    return visitor.answer(ask(visitor, person.email), code=code(person.email))


def at_new_password(visitor: Visitor, person: Person) -> Page:
    return visitor.answer(at_second_factor(visitor, person), code=code(e164(person.phone)))


def stored(person: Person) -> Account:
    db.session.rollback()
    return db.session.get_one(Account, person.account_id, populate_existing=True)


def masked(page: Page, name: str) -> tuple[int, str]:
    text = re.sub(r'name="csrf_token" value="[^"]*"|data-csrf="[^"]*"|data-session="\d+"', "", page.response.text)
    return page.status, re.sub(r"/i/[\w-]{22}", "/i/ID", text).replace(name, "NAME")


def test_the_whole_way(visitor: Visitor) -> None:
    person = a_member()
    page = at_new_password(visitor, person)
    assert page.url.endswith("/password/new"), page.url

    done = visitor.answer(page, password=NEW, password2=NEW)

    assert "sign_in/credentials" in done.url
    assert done.says("fp.done.h1")
    assert passwords.verify(stored(person).password_hash, NEW)
    assert names(person.email)[0] == "pw_changed"
    assert [line.account_id for line in audited("password_changed")] == [person.account_id]
    assert visitor.browser.get_cookie("idp_session") is None
    assert visitor.give_password(done, person.email, PASSWORD).status == 422
    assert "two_factor" in visitor.give_password(done, person.email, NEW).url


def test_the_ahv_number_names_the_account_as_well(visitor: Visitor) -> None:
    person = a_member()

    ask(visitor, person.ahv_number)

    assert names(person.email) == ["reset_code"]


def test_nobody_can_tell_who_has_an_account(another: Callable[[], Visitor]) -> None:
    """Security row V25: the same pages, for every answer, and no mail to nobody."""
    member, disabled = a_member(1), a_member(2)
    account = stored(disabled)
    change(account, disabled_at=account.created_at)
    seen = []
    for name in (member.email, disabled.email, "nobody@example.org", member.ahv_number, ahv(66)):
        browser = another()
        page = ask(browser, name)
        pages = [masked(page, name), *(masked(browser.answer(page, code="000000"), name) for _ in range(5))]
        pages.append(masked(browser.answer(page, 1, action="resend"), name))
        seen.append([(status, re.sub(r"\d+ secondes", "N secondes", text)) for status, text in pages])

    assert seen[0] == seen[1] == seen[2]
    assert [status for status, _ in seen[3]] == [status for status, _ in seen[4]]
    assert names(disabled.email) == []
    assert names("nobody@example.org") == []


@pytest.mark.parametrize("minutes", [2, 16])
def test_no_page_says_that_a_code_went_to_an_ahv_number(visitor: Visitor, minutes: int) -> None:
    """It goes by e-mail; to which address, and whether at all, nobody is told."""
    person = a_member()
    page = ask(visitor, person.ahv_number)

    with time_machine.travel(now() + timedelta(minutes=minutes)):
        told = visitor.answer(page, 1, action="resend") if minutes < 15 else visitor.answer(page, code="000000")

    assert told.says("fp.code_resent" if minutes < 15 else "fp.code_expired")
    assert names(person.email) == ["reset_code"] * 2
    assert person.ahv_number not in told.text
    assert person.email not in told.text


def test_who_looks_back_and_goes_on_gets_no_second_mail(visitor: Visitor) -> None:
    person = a_member()
    page = ask(visitor, person.email)
    sent = code(person.email)

    with time_machine.travel(now() + timedelta(minutes=2)):
        again = visitor.answer(visitor.open(page.link("/password/forgot")), username=person.ahv_number)

        assert names(person.email) == ["reset_code"]
        assert "/password/code" in visitor.answer(again, code=sent).url


def test_what_is_written_for_nobody_is_never_sent(visitor: Visitor) -> None:
    ask(visitor, "nobody@example.org")

    stand_in = accounts.nobody("email:nobody@example.org")
    assert [message["lives"] for message in messages(stand_in)] == ["False"]
    assert stand_in != accounts.nobody("email:somebody@example.org")


@pytest.mark.parametrize("step", ["code-by-email", "methods", "code", "new"])
def test_no_step_can_be_skipped(visitor: Visitor, step: str) -> None:
    person = a_member()
    page = visitor.open("/password/forgot")
    action, fields = page.form()

    answered = visitor.post(
        action.replace("/forgot", f"/{step}"),
        csrf_token=fields["csrf_token"],
        password=NEW,
        password2=NEW,
        code="123456",
        username=person.email,
    )

    assert answered.url.endswith("/password/forgot")
    assert passwords.verify(stored(person).password_hash, PASSWORD)


def test_the_second_factor_is_never_skipped(visitor: Visitor) -> None:
    """CVE-2026-3429: a mailbox alone opens nothing (decision 25)."""
    person = a_member()
    page = at_second_factor(visitor, person)
    assert page.url.endswith("/password/code")
    action, fields = page.form()

    skipped = visitor.post(
        action.replace("/code", "/new"), csrf_token=fields["csrf_token"], password=NEW, password2=NEW
    )
    guessed = visitor.answer(page, code=wrong(code(e164(person.phone))))

    assert skipped.url.endswith("/password/code")
    assert guessed.status == 422
    assert passwords.verify(stored(person).password_hash, PASSWORD)


def test_the_mail_code_is_no_sms_code(visitor: Visitor) -> None:
    """CVE-2026-27946: a code counts for its purpose and address."""
    person = a_member()
    page = at_second_factor(visitor, person)
    if code(person.email) == code(e164(person.phone)):
        pytest.skip("the same six digits by chance")

    assert visitor.answer(page, code=code(person.email)).status == 422


def test_an_account_without_a_second_factor_is_answered_like_nobody(visitor: Visitor) -> None:
    """Who has lost the factor must call: the mailbox is no way around it (decision 25)."""
    person = a_member(phone=False)

    page = visitor.answer(ask(visitor, person.email), code="000000")

    assert page.status == 422
    assert names(person.email) == []


def test_the_same_password_is_refused(visitor: Visitor) -> None:
    person = a_member()
    page = at_new_password(visitor, person)

    refused = visitor.answer(page, password=PASSWORD, password2=PASSWORD)

    assert refused.status == 422
    assert refused.says("pw.err.same")


def test_a_weak_or_unlike_password_is_refused(visitor: Visitor) -> None:
    person = a_member()
    page = at_new_password(visitor, person)

    for first, second in (("kurz", "kurz"), (NEW, NEW + "x"), (NEW, ""), ("", "")):
        refused = visitor.answer(page, password=first, password2=second)
        assert refused.status == 422, (first, second)
        assert NEW not in refused.text
    assert passwords.verify(stored(person).password_hash, PASSWORD)


def test_sessions_and_refresh_tokens_end(visitor: Visitor, another: Callable[[], Visitor]) -> None:
    """Security row 2.40."""
    person = a_member()
    client = a_client()
    thief = another()
    thief.sign_in(person)
    assert thief.open("/signin").status == 303
    tokens: dict[str, Any] = tokens_for(thief.browser, client, scope="openid offline_access")
    change(stored(person).authenticators[0], last_used_at=None)

    with time_machine.travel(epoch() + 90):
        done = visitor.answer(at_new_password(visitor, person), password=NEW, password2=NEW)
        assert done.says("fp.done.h1")

        assert "sign_in/credentials" in thief.open("/signin").url
        refused = refresh(thief.browser, tokens["refresh_token"])
    assert (refused.status_code, refused.json["error"]) == (400, "invalid_grant")


def test_a_session_of_this_browser_proves_nothing_here(visitor: Visitor) -> None:
    person = a_member()
    visitor.sign_in(person)

    assert visitor.open("/password/forgot").url.endswith("/password/forgot")


def test_a_disabled_account_gets_no_new_password_midway(visitor: Visitor) -> None:
    """Security row V29."""
    person = a_member()
    page = at_new_password(visitor, person)
    account = stored(person)
    change(account, disabled_at=account.created_at)

    visitor.answer(page, password=NEW, password2=NEW)
    after = visitor.give_password(visitor.open("/signin"), person.email, NEW)

    assert after.status in {403, 422}
    assert visitor.browser.get_cookie("idp_session") is None
