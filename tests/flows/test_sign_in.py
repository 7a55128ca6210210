"""Connexion (pages.md P2, P8, P9): one answer for everybody who is not right, and limits that count the person."""

import re
from collections.abc import Callable

import pytest
import time_machine
from oidc import change
from visitor import PASSWORD
from visitor import Visitor
from visitor import a_member
from visitor import ahv
from visitor import audited
from visitor import messages
from visitor import names

from idp import accounts
from idp import passwords
from idp.db import db
from idp.models import Account


def stored(account_id: str) -> Account:
    db.session.rollback()
    return db.session.get_one(Account, account_id, populate_existing=True)


def spellings(number: str) -> list[str]:
    groups = (number[:3], number[3:7], number[7:11], number[11:])
    return [number, ".".join(groups), " ".join(groups), "-".join(groups), "\u00a0".join(groups)]


def test_the_e_mail_address_opens_in_any_case(visitor: Visitor) -> None:
    person = a_member()

    assert "two_factor" in visitor.give_password(visitor.open("/signin"), f" {person.email.upper()} ").url


@pytest.mark.parametrize("number", range(5))
def test_the_ahv_number_opens_in_any_spelling(visitor: Visitor, number: int) -> None:
    person = a_member()

    page = visitor.give_password(visitor.open("/signin"), spellings(person.ahv_number)[number])

    assert "two_factor" in page.url


def test_a_full_sign_in_without_a_client_ends_at_the_fund(visitor: Visitor) -> None:
    page = visitor.sign_in(a_member())

    assert page.location == "https://www.valora-pensionskasse.com"
    assert visitor.browser.get_cookie("idp_session")


def test_the_password_alone_signs_nobody_in(visitor: Visitor) -> None:
    page = visitor.give_password(visitor.open("/signin"), a_member().email)

    assert "two_factor" in page.url
    assert visitor.browser.get_cookie("idp_session") is None
    assert "two_factor" in visitor.open(page.url.rpartition("/two_factor")[0]).url


def test_the_last_wrong_password_costs_the_same_for_nobody(visitor: Visitor) -> None:
    """A mail is written either way; the one for nobody is never sent."""
    page = visitor.open("/signin")

    for _ in range(10):
        page = visitor.give_password(page, "nobody@example.org", "Falsch-2026 nein")

    written = messages(accounts.nobody("email:nobody@example.org"))
    assert [(message["name"], message["lives"]) for message in written] == [("locked", "False")]
    assert names("nobody@example.org") == []


def test_all_spellings_share_one_counter_and_the_rest_is_told_from_three(visitor: Visitor) -> None:
    """CVE-2025-24806, CVE-2026-47203: security row V23."""
    person = a_member()
    names_of_person = [person.email, person.email.upper(), f" {person.email}", *spellings(person.ahv_number)]
    page = visitor.open("/signin")

    for tried, name in enumerate([*names_of_person, person.email], start=1):
        page = visitor.give_password(page, name, "Falsch-2026 nein")
        left = 10 - tried
        assert page.status == 422
        assert page.says("signin.err.mismatch")
        assert page.says("signin.err.remaining", minutes=15, n=left) == (left <= 3), tried

    last = visitor.give_password(page, person.email, "Falsch-2026 nein")
    assert last.says("lock.now", minutes=15)
    assert not last.says("signin.err.remaining", minutes=15, n=0)
    assert "locked" in names(person.email)
    paused = visitor.give_password(page, spellings(person.ahv_number)[2], PASSWORD)
    assert paused.status == 429


def test_the_pause_page_tells_the_time_and_is_over_then(visitor: Visitor) -> None:
    with time_machine.travel("2026-03-02T10:00:00+00:00", tick=False) as clock:
        person = a_member()
        page = visitor.open("/signin")
        for _ in range(10):
            page = visitor.give_password(page, person.email, "Falsch-2026 nein")
        paused = visitor.give_password(page, person.email)

        assert paused.status == 429
        assert re.search(r"11\s?h\s?15", paused.text), paused.errors()
        assert paused.link("/password/forgot")
        assert f'<a class="btn" href="{page.url.rsplit("/", 2)[0]}">' in paused.text
        clock.shift(15 * 60 + 1)
        assert "two_factor" in visitor.give_password(page, person.email).url


def test_a_right_password_gives_the_tries_back(visitor: Visitor, another: Callable[[], Visitor]) -> None:
    person = a_member()
    page = visitor.open("/signin")
    for _ in range(8):
        page = visitor.give_password(page, person.email, "Falsch-2026 nein")
    assert "two_factor" in visitor.give_password(page, person.email).url

    page = another()
    again = page.give_password(page.open("/signin"), person.email, "Falsch-2026 nein")

    assert again.status == 422
    assert "Essais restants" not in again.text


def test_a_blocked_account_is_told_so_only_after_the_right_password(visitor: Visitor) -> None:
    """Decision 18."""
    person = a_member()
    change(stored(person.account_id), disabled_at=stored(person.account_id).created_at)
    page = visitor.open("/signin")

    wrong = visitor.give_password(page, person.email, "Falsch-2026 nein")
    right = visitor.give_password(page, person.email)

    assert wrong.status == 422
    assert wrong.says("signin.err.mismatch")
    assert not wrong.says("lock.admin.h1")
    assert right.status == 403
    assert right.says("lock.admin.h1")
    assert visitor.browser.get_cookie("idp_session") is None


def masked(text: str) -> str:
    text = re.sub(r'name="csrf_token" value="[^"]*"|data-csrf="[^"]*"', "", text)
    text = re.sub(r"\b\d{1,2}[\s\u00a0\u202f]h[\s\u00a0\u202f]\d\d\b", "CLOCK", text)
    return re.sub(r"/i/[\w-]{22}", "/i/ID", text)


def test_nobody_can_tell_who_has_an_account(another: Callable[[], Visitor]) -> None:
    """CVE-2026-4633: security row V25; status, text, size and headers are the same, try by try, up to the pause."""
    member, disabled = a_member(1), a_member(2)
    change(stored(disabled.account_id), disabled_at=stored(disabled.account_id).created_at)
    length = len(member.email)
    nobody = "x" * (length - len("@example.org")) + "@example.org"
    names_tried = [member.email, disabled.email, nobody]
    answers = []
    for name in names_tried:
        browser = another()
        page = browser.open("/signin")
        seen = []
        for _ in range(11):
            answer = browser.give_password(page, name, "Falsch-2026 nein")
            headers = {key: value for key, value in answer.response.headers if key != "Date"}
            seen.append((answer.status, masked(answer.response.text).replace(name, "NAME"), headers))
        answers.append(seen)

    assert [status for status, *_ in answers[0]] == [422] * 10 + [429]
    assert answers[0] == answers[1] == answers[2]


def test_an_unknown_ahv_number_is_answered_like_a_known_one(another: Callable[[], Visitor]) -> None:
    member, unknown = a_member(1), ahv(77)
    seen = []
    for name in (member.ahv_number, unknown):
        browser = another()
        page = browser.give_password(browser.open("/signin"), name, "Falsch-2026 nein")
        seen.append((page.status, masked(page.response.text).replace(name, "NAME")))

    assert seen[0] == seen[1]


def test_a_hash_of_old_parameters_is_made_anew_at_sign_in(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decision 27."""
    person = a_member()
    before = stored(person.account_id).password_hash
    monkeypatch.setattr(passwords, "needs_rehash", lambda _hash: True)

    visitor.give_password(visitor.open("/signin"), person.email)

    after = stored(person.account_id).password_hash
    assert after != before
    assert passwords.verify(after, PASSWORD)


def test_a_wrong_password_makes_no_hash_anew(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    person = a_member()
    before = stored(person.account_id).password_hash
    monkeypatch.setattr(passwords, "needs_rehash", lambda _hash: True)

    visitor.give_password(visitor.open("/signin"), person.email, "Falsch-2026 nein")

    assert stored(person.account_id).password_hash == before


def test_the_journal_tells_refused_and_right_passwords(visitor: Visitor) -> None:
    person = a_member()
    page = visitor.give_password(visitor.open("/signin"), person.email, "Falsch-2026 nein")
    visitor.give_password(page, person.email)

    assert [line.outcome for line in audited("password")] == ["refused", "ok"]
    assert {line.account_id for line in audited("password")} == {person.account_id}


@pytest.mark.parametrize("given", [{}, {"username": "", "password": ""}, {"username": "x" * 5000, "password": "\0"}])
def test_an_empty_or_odd_answer_is_a_page_with_errors(visitor: Visitor, given: dict[str, str]) -> None:
    page = visitor.open("/signin")
    _, token = page.form()

    answered = visitor.post(page.url, csrf_token=token["csrf_token"], **given)

    assert answered.status == 422
    assert answered.errors()


def test_a_session_of_this_browser_passes_silently(visitor: Visitor) -> None:
    visitor.sign_in(a_member())

    assert visitor.open("/signin").location == "https://www.valora-pensionskasse.com"


def test_too_many_tries_from_one_address_are_refused(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.sign_in import credentials

    monkeypatch.setattr(credentials, "FROM_ONE_ADDRESS", ("sign_in_test", 3, 600))
    page = visitor.open("/signin")
    seen = [visitor.give_password(page, f"nobody{i}@example.org").status for i in range(5)]

    assert seen == [422, 422, 422, 429, 429]
