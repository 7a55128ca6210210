"""Second factors at sign-in and on their own: clocks that are off, codes used twice, numbers that are no mobile."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
import time_machine
from application import make_app
from flask import Flask
from oidc import a_client
from oidc import request_of
from visitor import Page
from visitor import Person
from visitor import Visitor
from visitor import a_member
from visitor import a_person
from visitor import audited
from visitor import code
from visitor import messages
from visitor import names
from visitor import totp_key
from visitor import wrong
from walk import e164

from idp.assurance import TWO_FACTOR
from idp.clock import now
from idp.db import db
from idp.db import transaction
from idp.models import Account
from idp.models import Authenticator
from idp.models import OneTimeCode
from idp.provider import provider

MINUTE = timedelta(seconds=61)


def at_code(visitor: Visitor, person: Person) -> Page:
    page = visitor.give_password(visitor.open("/signin"), person.email)
    assert "two_factor" in page.url, page.errors()
    return page


def totp(person: Person, steps: int = 0) -> str:
    return pyotp.TOTP(person.totp_secret).at(int(time.time()) + 30 * steps)


def is_signed_in(visitor: Visitor) -> bool:
    return visitor.browser.get_cookie("idp_session") is not None


@pytest.mark.parametrize(("steps", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_an_app_may_be_one_step_off_at_sign_in(visitor: Visitor, steps: int, accepted: bool) -> None:
    """Decision 23."""
    person = a_member(phone=False, app=True)
    with time_machine.travel(1_800_000_005, tick=False):
        page = at_code(visitor, person)
        answered = visitor.answer(page, code=totp(person, steps))

    assert is_signed_in(visitor) == accepted
    assert (answered.status == 422) != accepted


@pytest.mark.parametrize(("steps", "accepted"), [(-3, False), (-2, True), (2, True), (3, False)])
def test_and_two_steps_at_set_up(visitor: Visitor, steps: int, accepted: bool) -> None:
    person = a_person()
    with time_machine.travel(1_800_000_005, tick=False):
        page = visitor.enrol_until("confirm-second-factor", person, factor="totp")
        person.totp_secret = totp_key(page)
        answered = visitor.answer(page, code=totp(person, steps))

    assert ("/done" in answered.url) == accepted


def test_an_app_code_counts_once(visitor: Visitor, another: Callable[[], Visitor]) -> None:
    """RFC 6238 §5.2."""
    person = a_member(phone=False, app=True)
    second = another()
    with time_machine.travel(1_800_000_005, tick=False):
        used = totp(person)
        visitor.answer(at_code(visitor, person), code=used)
        page = at_code(second, person)
        again, older = second.answer(page, code=used), second.answer(page, code=totp(person, -1))
        newer = second.answer(page, code=totp(person, 1))

    assert is_signed_in(visitor)
    assert again.status == older.status == 422
    assert newer.status == 303


def test_the_code_of_the_set_up_opens_nothing_afterwards(visitor: Visitor, another: Callable[[], Visitor]) -> None:
    person, second = a_person(), another()
    with time_machine.travel(1_800_000_005, tick=False):
        visitor.answer(visitor.enrol_until("/done", person, factor="totp"))
        page = at_code(second, person)
        assert second.answer(page, code=totp(person)).status == 422


def test_the_secret_stays_the_same_after_a_wrong_code_and_a_reload(visitor: Visitor) -> None:
    page = visitor.enrol_until("confirm-second-factor", a_person(), factor="totp")
    shown = totp_key(page)

    refused = visitor.answer(page, code="000000")

    assert refused.status == 422
    assert totp_key(refused) == totp_key(visitor.open(page.url)) == shown


def test_an_sms_code_opens_once(visitor: Visitor) -> None:
    person = a_member()
    page = at_code(visitor, person)
    received = code(e164(person.phone))

    done = visitor.answer(page, code=received)

    assert is_signed_in(visitor)
    assert done.status == 303
    assert visitor.answer(page, code=received).status in {303, 400}


def test_the_remaining_tries_are_told_from_three(visitor: Visitor) -> None:
    person = a_member()
    page = at_code(visitor, person)
    bad = wrong(code(e164(person.phone)))

    seen = [visitor.answer(page, code=bad) for _ in range(5)]

    told = [next((n for n in range(5) if one.says("code.err.left", n=n)), None) for one in seen]
    assert told == [None, 3, 2, 1, None]
    assert seen[4].says("code.err.spent")
    assert visitor.answer(page, code=code(e164(person.phone))).status == 422
    assert not is_signed_in(visitor)


@pytest.mark.parametrize("where", ["sms", "totp", "e-mail"])
def test_after_the_last_try_a_page_says_what_happens_and_never_none_left(visitor: Visitor, where: str) -> None:
    """Pages.md D7: ten wrong codes in an hour, whatever codes they were meant for, and then a pause."""
    moment, target, seen = now(), "", []
    if where == "totp":
        page = at_code(visitor, a_member(phone=False, app=True))
    else:
        page, target, _ = resendable(visitor, where)
    for tried in range(10):
        if tried == 5 and where != "totp":
            with time_machine.travel(moment + MINUTE):
                page = visitor.answer(page, 1, action="resend")
        with time_machine.travel(moment + 2 * MINUTE):
            bad = wrong(code(target)) if where != "totp" else "000000"
            seen.append(visitor.answer(page, code=bad))

    with time_machine.travel(moment + 2 * MINUTE):
        paused = visitor.answer(page, code="000001")
    assert [one.status for one in [*seen, paused]] == [422] * 10 + [429]
    assert [one.says("lock.now_code", minutes=15) for one in seen] == [False] * 9 + [True]
    assert not [one for one in seen if one.says("code.err.left", n=0)]


@pytest.mark.parametrize("where", ["sms", "e-mail", "reset"])
def test_a_new_code_has_to_wait_for_a_minute(visitor: Visitor, where: str) -> None:
    page, target, key = resendable(visitor, where)
    first = code(target)

    hasty = visitor.answer(page, 1, action="resend")
    assert hasty.status == 200, "nothing is wrong with what was typed"
    assert not hasty.says("err.summary")
    assert 'class="note warn" role="status"><p>Un code vient d\'être envoyé' in hasty.text
    assert len(messages(target)) == 1
    with time_machine.travel(now() + MINUTE):
        resent = visitor.answer(page, 1, action="resend")
        assert resent.status == 200
        told = {"sms": ("tf.sms.resent", {"phone_end": target[-2:]}), "e-mail": ("code.resent", {"target": target})}
        text, values = told.get(where, ("fp.code_resent", {}))
        assert resent.says(text, **values)
        assert len(messages(target)) == 2
        if first != code(target):
            assert visitor.answer(resent, code=first).says("code.err.old")
        assert leads_on(visitor.answer(resent, code=code(target)), key)


@pytest.mark.parametrize("where", ["sms", "e-mail", "reset"])
def test_no_more_than_five_codes_an_hour(visitor: Visitor, where: str) -> None:
    page, target, _ = resendable(visitor, where)
    moment = now()
    for number in range(1, 5):
        with time_machine.travel(moment + number * MINUTE):
            assert visitor.answer(page, 1, action="resend").status == 200
    with time_machine.travel(moment + 5 * MINUTE):
        refused = visitor.answer(page, 1, action="resend")

    assert refused.status == 200
    assert 'class="note warn" role="status"><p>Vous avez demandé trop de codes' in refused.text
    assert len(messages(target)) == 5


@pytest.mark.parametrize(("where", "minutes"), [("sms", 10), ("e-mail", 60), ("reset", 15)])
def test_in_place_of_an_expired_code_comes_a_new_one(visitor: Visitor, where: str, minutes: int) -> None:
    page, target, key = resendable(visitor, where)
    old = code(target)
    with time_machine.travel(now() + timedelta(minutes=minutes - 1)):
        assert visitor.answer(page, code=wrong(old)).says("code.err.wrong")
    with time_machine.travel(now() + timedelta(minutes=minutes, seconds=5)):
        refused = visitor.answer(page, code=old)
        assert refused.status == 422
        assert "Ce code n'est plus valable" in refused.text, refused.errors()
        assert len(messages(target)) == 2
        assert leads_on(visitor.answer(refused, code=code(target)), key)


def leads_on(page: Page, part: str) -> bool:
    """Whether the answer was taken: another page of ours, or away to somebody else."""
    return page.status == 303 or (page.status == 200 and part not in page.url)


def resendable(visitor: Visitor, where: str) -> tuple[Page, str, str]:
    """A page that asks for a sent code, where it was sent, and the page's name."""
    if where == "sms":
        person = a_member()
        return at_code(visitor, person), e164(person.phone), "two_factor/code"
    if where == "e-mail":
        person = a_person()
        return visitor.enrol_until("confirm-email", person), person.email, "confirm-email"
    person = a_member()
    page = visitor.answer(visitor.open("/password/forgot"), username=person.email)
    return page, person.email, "code-by-email"


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("", "phone.err.empty"),
        ("061 265 12 34", "phone.err.landline"),
        ("079 123", "phone.err.format"),
        ("+44 7400 123456", "phone.err.country"),
    ],
)
def test_no_sms_goes_to_a_number_that_is_no_mobile(visitor: Visitor, typed: str, key: str) -> None:
    page = visitor.enrol_until("second-factor-details", a_person())

    refused = visitor.answer(page, phone=typed)

    assert refused.status == 422
    words = provider.texts.text("fr", key).partition("{")[0]
    assert words in refused.text, refused.errors()
    assert db.session.query(OneTimeCode).filter_by(purpose="enrol_sms").count() == 0


def test_another_number_is_proven_anew(visitor: Visitor) -> None:
    person = a_person()
    page = visitor.enrol_until("confirm-second-factor", person)
    old = code(e164(person.phone))
    back = visitor.open(page.link("second-factor-details"))

    page = visitor.answer(back, phone="079 888 77 66")

    if old != code("+41798887766"):
        assert visitor.answer(page, code=old).status == 422
    assert "/done" in visitor.answer(page, code=code("+41798887766")).url
    db.session.rollback()
    assert db.session.query(Account).one().authenticators[0].data == {"phone": "+41798887766"}


def test_an_account_without_a_second_factor_gets_one_after_the_password(visitor: Visitor) -> None:
    person = a_member(phone=False)
    page = visitor.give_password(visitor.open("/signin"), person.email)

    assert "two_factor_enrolment/second-factor" in page.url
    page = visitor.answer(page, method="sms")
    page = visitor.answer(page, phone=person.phone)
    assert not is_signed_in(visitor)
    done = visitor.answer(page, code=code(e164(person.phone)))

    assert done.status == 303
    assert is_signed_in(visitor)
    assert "factor_added" in names(person.email)


def test_a_factor_that_nobody_here_can_ask_for_blocks_and_is_not_enrolled_over(visitor: Visitor) -> None:
    """CVE-2026-3429: a kind switched off or not known (yet) must not leave the password alone in charge."""
    person = a_member(phone=False)
    with transaction() as session:
        session.add(Authenticator(account_id=person.account_id, kind="passkey", data={"public_key": "…"}))
    page = visitor.open("/signin")

    blocked = visitor.give_password(page, person.email)
    home = blocked.url.rpartition("/two_factor_enrolment/")[0]
    _, token = page.form()
    posted = [
        visitor.post(f"{home}/two_factor_enrolment/{step}", csrf_token=token["csrf_token"], method="sms")
        for step in ("blocked", "second-factor")
    ]

    assert blocked.says("lock.admin.h1")
    assert [answer.status for answer in (blocked, *posted)] == [403, 403, 403]
    assert [line.reason for line in audited("factor", "refused")] == ["unknown kind"]
    assert not is_signed_in(visitor)


def test_a_client_that_demands_two_factors_has_one_enrolled_also_where_the_rule_is_off(tmp_path: Path) -> None:
    app = make_app(database_url=f"sqlite:///{tmp_path / 'idp.sqlite'}", second_factor="off")
    with app.app_context():
        provider.keys.ensure()
        person, client, visitor = a_member(phone=False), a_client(minimum_acr=TWO_FACTOR), Visitor(app)

        page = visitor.give_password(visitor.open("/authorize", **request_of(client)), person.email)

    assert "two_factor_enrolment/second-factor" in page.url


def test_who_has_a_factor_cannot_add_one_with_the_password_alone(visitor: Visitor) -> None:
    """CVE-2026-3429: security row V21."""
    page = at_code(visitor, a_member())
    action, fields = page.form()
    base = action.rpartition("/two_factor/")[0]

    for step in ("second-factor", "second-factor-details", "confirm-second-factor"):
        answered = visitor.post(
            f"{base}/two_factor_enrolment/{step}",
            csrf_token=fields["csrf_token"],
            method="totp",
            phone="079 888 77 66",
            code="123456",
        )
        assert "two_factor/code" in answered.url
    db.session.rollback()
    assert [one.kind for one in db.session.query(Account).one().authenticators] == ["sms"]
    assert not is_signed_in(visitor)


def test_the_sms_speaks_the_language_chosen_on_the_pages(visitor: Visitor) -> None:
    person, page = a_member(), visitor.open("/signin")

    visitor.give_password(visitor.open(page.url, lang="it"), person.email)

    assert "Il suo codice" in messages(e164(person.phone))[0]["text"]


def test_where_nobody_chose_it_speaks_the_persons_as_the_page_does(app: Flask) -> None:
    """The password page is in the browser's language; from then on the account's counts (pages.md 2.1.1)."""
    person, visitor = a_member(), Visitor(app, **{"Accept-Language": "de"})

    page = at_code(visitor, person)

    assert page.says("tf.sms.h1", "fr")
    assert "Votre code" in messages(e164(person.phone))[0]["text"]


def test_who_has_two_factors_may_choose(visitor: Visitor) -> None:
    person = a_member(app=True)
    page = at_code(visitor, person)
    methods = visitor.open(page.link("two_factor/methods"))
    assert methods.says("tf.methods.h1")
    values = [line.split('value="')[1].split('"')[0] for line in methods.text.splitlines() if 'type="radio"' in line]
    assert len(values) == 2
    assert person.phone[-2:] in methods.text
    assert e164(person.phone) not in methods.text

    page = visitor.answer(methods, method=values[1])
    done = visitor.answer(page, code=totp(person))

    assert done.status == 303, done.errors()
    assert is_signed_in(visitor)


def test_another_accounts_method_cannot_be_chosen(visitor: Visitor) -> None:
    mine, other = a_member(1, app=True), a_member(2, app=True)
    page = at_code(visitor, mine)
    methods = visitor.open(page.link("two_factor/methods"))
    foreign = db.session.get_one(Account, other.account_id).authenticators[0].id

    assert visitor.answer(methods, method=foreign).status == 422
    assert visitor.answer(methods).status == 422


def test_a_person_with_one_factor_sees_no_choice(visitor: Visitor) -> None:
    page = at_code(visitor, a_member())

    assert "two_factor/methods" not in page.text
    assert "two_factor/code" in visitor.open(page.url.replace("/code", "/methods")).url
