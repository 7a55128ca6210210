"""The enrolment: five steps, and everything a person, or somebody else, may do on the way (pages.md E1–E6)."""

import difflib
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from application import make_app
from oidc import change
from visitor import PASSWORD
from visitor import Page
from visitor import Visitor
from visitor import a_member
from visitor import a_person
from visitor import account_count
from visitor import ahv
from visitor import code
from visitor import messages
from visitor import names
from visitor import wrong
from walk import e164

from idp import passwords
from idp.clock import now
from idp.db import db
from idp.models import Account
from idp.models import StoreEntry
from idp.provider import provider
from pensioners import activation_code
from pensioners import codes
from pensioners.models import ActivationCode
from pensioners.models import Pensioner


def pensioner(id: str) -> Pensioner:
    db.session.rollback()
    return db.session.get_one(Pensioner, id, populate_existing=True)


def only_account() -> Account:
    db.session.rollback()
    return db.session.query(Account).one()


def masked(page: Page, *own: str) -> str:
    text = re.sub(r'name="csrf_token" value="[^"]*"|data-csrf="[^"]*"', "", page.response.text)
    for word in own:
        text = text.replace(f'value="{word}"', "")
    return re.sub(r"/i/[\w-]{22}", "/i/ID", text)


@pytest.mark.parametrize("factor", ["sms", "totp"])
def test_five_steps_make_an_account(visitor: Visitor, factor: str) -> None:
    person = a_person()

    done = visitor.enrol_until("/done", person, factor=factor)

    assert done.says("done.h1")
    assert person.email in done.text
    account = only_account()
    assert account.email == person.email
    assert passwords.verify(account.password_hash, PASSWORD)
    assert [one.kind for one in account.authenticators] == [factor]
    assert pensioner(person.pensioner_id).account_id == account.id
    assert names(person.email)[0] == "activated"
    assert visitor.answer(done).location == "https://www.valora-pensionskasse.com"
    assert visitor.browser.get_cookie("idp_session")


def test_step_one_answers_alike_whatever_does_not_fit(another: Callable[[], Visitor]) -> None:
    """Decision 18: unknown number, wrong birth date, wrong code, left, deceased."""
    right, left, dead = a_person(1), a_person(2, status="left"), a_person(3, status="deceased")
    other_code = activation_code.new()
    tries = [
        {"id": ahv(99), "dob": right.birth_date, "act": right.code},
        {"id": right.ahv_number, "dob": "28.03.1948", "act": right.code},
        {"id": right.ahv_number, "dob": right.birth_date, "act": other_code},
        {"id": left.ahv_number, "dob": left.birth_date, "act": left.code},
        {"id": dead.ahv_number, "dob": dead.birth_date, "act": dead.code},
        {"id": "nobody@example.org", "dob": right.birth_date, "act": right.code},
    ]
    seen = set()
    for given in tries:
        browser = another()
        page = browser.answer(browser.open("/enrol"), **given, terms="1")
        assert page.says("e1.err.nomatch"), page.errors()
        assert page.status == 422
        seen.add(masked(page, *given.values()))

    assert len(seen) == 1, list(difflib.unified_diff(*[one.splitlines() for one in list(seen)[:2]], lineterm=""))


def test_an_old_letter_is_told_to_its_own_person_only(visitor: Visitor, another: Callable[[], Visitor]) -> None:
    person, stranger = a_person(1), a_person(2)
    codes.issue_to([person.pensioner_id], "second letter")
    page = visitor.open("/enrol")

    own = visitor.identify(page, person)
    foreign = visitor.identify(page, stranger, act=person.code)

    assert own.says("e1.err.code_old"), own.errors()
    assert foreign.says("e1.err.nomatch")


def test_an_expired_letter_is_told(visitor: Visitor) -> None:
    person = a_person()
    row = db.session.query(ActivationCode).filter_by(pensioner_id=person.pensioner_id).one()
    change(row, expires_at=now() - timedelta(seconds=1))

    assert visitor.identify(visitor.open("/enrol"), person).says("e1.err.code_old")


def test_five_wrong_answers_pause_alike_for_known_and_unknown_numbers(another: Callable[[], Visitor]) -> None:
    person = a_person()
    for number in (person.ahv_number, ahv(98)):
        browser = another()
        page = browser.open("/enrol")
        seen = [browser.identify(page, person, id=number, act=activation_code.new()).status for _ in range(6)]
        assert seen == [422] * 5 + [429], number


def test_the_pause_page_of_an_enrolment_leads_back_to_it_and_names_the_telephone(visitor: Visitor) -> None:
    """Pages.md P8."""
    person = a_person()
    page = visitor.open("/enrol")
    for _ in range(6):
        paused = visitor.identify(page, person, act=activation_code.new())

    assert paused.status == 429
    assert paused.says("lock.call")
    home = page.url.rsplit("/", 2)[0]
    assert f'<a class="btn" href="{home}">' in paused.text
    assert visitor.open(home).url == page.url


def test_a_typing_error_costs_no_try(visitor: Visitor) -> None:
    """Decision 19: what cannot be a number, a date or a code is not counted."""
    person = a_person()
    page = visitor.open("/enrol")
    for _ in range(7):
        assert visitor.identify(page, person, id=person.ahv_number[:-1] + "x").status == 422
        assert visitor.identify(page, person, dob="31.02.1948").status == 422

    assert "user-data" in visitor.identify(page, person).url


def test_a_used_letter_shows_that_there_is_an_account_and_tells_its_holder(
    visitor: Visitor, another: Callable[[], Visitor]
) -> None:
    person = a_person()
    visitor.enrol_until("/done", person)
    second = another()

    page = second.identify(second.open("/enrol"), person)

    assert "account-exists" in page.url
    assert page.says("e1.exists.h1")
    assert person.email not in page.text
    assert names(person.email)[0] == "attempt"
    assert account_count() == 1
    assert "sign_in/credentials" in second.answer(page).url


def test_the_terms_must_be_accepted(visitor: Visitor) -> None:
    person = a_person()
    page = visitor.open("/enrol")

    assert visitor.identify(page, person, terms="").says("terms.err")


def test_the_code_of_the_address_fills_the_field_and_leaves_the_address(visitor: Visitor) -> None:
    page = visitor.open("/enrol", act="ABCD")

    assert "act=" not in page.url
    assert 'value="ABCD"' in page.text


def test_step_two_offers_the_registers_address_to_whoever_passed_step_one(visitor: Visitor) -> None:
    """Issue 2, pages.md E2: after a full, right step 1 only."""
    person = a_person(register_email="odile.register@example.org")
    page = visitor.open("/enrol")

    refused = visitor.identify(page, person, act=activation_code.new())
    not_yet = visitor.open(page.url.replace("identification", "user-data"))
    passed = visitor.identify(page, person)

    assert "odile.register" not in refused.text + not_yet.text
    assert passed.form()[1]["email"] == "odile.register@example.org"


def test_the_registers_address_is_a_proposal_that_a_person_may_change(visitor: Visitor) -> None:
    person = a_person(register_email="odile.register@example.org")
    page = visitor.enrol_until("user-data", person)

    page = visitor.give_data(page, person)

    assert "confirm-email" in page.url
    assert names("odile.register@example.org") == []
    assert names(person.email) == ["enrol_code"]
    assert visitor.open(page.link("/user-data")).form()[1]["email"] == person.email


def test_the_registers_address_is_proven_as_any_other(visitor: Visitor) -> None:
    person = a_person(register_email="odile.register@example.org")
    page = visitor.enrol_until("user-data", person)

    page = visitor.answer(page, password=PASSWORD, password2=PASSWORD)

    assert "confirm-email" in page.url
    assert "second-factor" in visitor.answer(page, code=code("odile.register@example.org")).url


def test_where_the_register_knows_no_address_the_field_is_empty(visitor: Visitor) -> None:
    assert visitor.enrol_until("user-data", a_person()).form()[1]["email"] == ""


def test_a_slip_in_the_address_is_asked_about_once(visitor: Visitor) -> None:
    person = a_person()
    page = visitor.enrol_until("user-data", person)

    asked = visitor.give_data(page, person, email="odile@gmial.com")
    kept = visitor.answer(asked, email="odile@gmial.com", password=PASSWORD, password2=PASSWORD)

    assert asked.status == 422
    assert asked.says("email.warn.typo", suggestion="odile@gmail.com")
    assert "confirm-email" in kept.url
    assert names("odile@gmial.com") == ["enrol_code"]


def test_an_address_that_has_an_account_gets_another_mail_and_no_code(visitor: Visitor) -> None:
    """Pages.md 2.1.7: the page says the same."""
    member, person = a_member(1), a_person(2)
    page = visitor.enrol_until("user-data", person)

    page = visitor.give_data(page, person, email=member.email)

    assert "confirm-email" in page.url
    assert names(member.email) == ["exists"]
    mail = messages(member.email)[0]
    assert mail["language"] == "fr-CH", "the language of whom it reaches, not of who typed the address"
    assert provider.texts.text("fr", "mail.not_me") in mail["text"]
    assert not re.search(r"\b\d{6}\b", messages(member.email)[0]["text"])
    assert visitor.answer(page, code="123456").says("code.err.wrong")
    assert account_count() == 1


@pytest.mark.parametrize("steps_back", [1, 2])
def test_who_looks_back_and_goes_on_gets_no_second_mail(visitor: Visitor, steps_back: int) -> None:
    """The code that was sent is still good; only «Envoyer un nouveau code» sends another."""
    person = a_person()
    page = visitor.enrol_until("confirm-email", person)
    sent = code(person.email)

    with time_machine.travel(now() + timedelta(minutes=5)):
        for step in ("user-data", "identification")[:steps_back]:
            page = visitor.open(page.link(step))
        again = visitor.enrol_until("confirm-email", person, page)

        assert names(person.email) == ["enrol_code"]
        assert not again.says("code.err.wait", seconds=60)
        assert "second-factor" in visitor.answer(again, code=sent).url


@pytest.mark.parametrize("spoiled", ["expired", "guessed at"])
def test_who_looks_back_gets_another_mail_once_the_code_is_no_longer_good(visitor: Visitor, spoiled: str) -> None:
    person = a_person()
    page = visitor.enrol_until("confirm-email", person)
    if spoiled == "guessed at":
        for _ in range(5):
            visitor.answer(page, code=wrong(code(person.email)))

    with time_machine.travel(now() + timedelta(minutes=61 if spoiled == "expired" else 2)):
        back = visitor.open("/enrol") if spoiled == "expired" else visitor.open(page.link("user-data"))
        again = visitor.enrol_until("confirm-email", person, back)

        assert names(person.email) == ["enrol_code"] * 2
        assert "second-factor" in visitor.answer(again, code=code(person.email)).url


def test_who_looks_back_at_the_mobile_number_gets_no_second_sms(visitor: Visitor) -> None:
    person = a_person()
    page = visitor.enrol_until("confirm-second-factor", person)
    sent = code(e164(person.phone))

    with time_machine.travel(now() + timedelta(minutes=2)):
        again = visitor.enrol_until("confirm-second-factor", person, visitor.open(page.link("second-factor-details")))

        assert names(e164(person.phone)) == ["code"]
        assert visitor.answer(again, code=sent).url.endswith("/done")


def test_a_new_address_is_proven_anew(visitor: Visitor) -> None:
    person = a_person()
    page = visitor.enrol_until("confirm-email", person)
    old = code(person.email)
    back = visitor.open(page.link("user-data"))

    changed = visitor.answer(back, email="neue@example.org", password=PASSWORD, password2=PASSWORD)

    assert "confirm-email" in changed.url, changed.errors()
    assert "neue@example.org" in changed.text
    if old != code("neue@example.org"):
        assert visitor.answer(changed, code=old).status == 422
    assert "second-factor" in visitor.answer(changed, code=code("neue@example.org")).url


def test_an_address_changed_after_its_proof_is_proven_anew(visitor: Visitor) -> None:
    """CVE-2026-27946: security row V28; the proof is of the address, not of the step."""
    person = a_person()
    page = visitor.enrol_until("confirm-second-factor", person)
    back = visitor.open(page.url.replace("confirm-second-factor", "user-data"))
    assert "user-data" in back.url

    changed = visitor.answer(back, email="neue@example.org", password=PASSWORD, password2=PASSWORD)

    assert "confirm-email" in changed.url
    person.email = "neue@example.org"
    visitor.enrol_until("/done", person, changed)
    assert only_account().email == "neue@example.org"


def test_a_password_given_once_may_stay_when_going_back(visitor: Visitor) -> None:
    person = a_person()
    page = visitor.enrol_until("confirm-email", person)
    back = visitor.open(page.link("user-data"))
    visitor.answer(back, password="", password2="")

    visitor.enrol_until("/done", person, visitor.open(page.url))

    assert passwords.verify(only_account().password_hash, PASSWORD)


def test_a_password_is_judged_again_beside_another_address(visitor: Visitor) -> None:
    """Pages.md 2.2.7: only its hash is kept, so it is asked for again."""
    person = a_person()
    page = visitor.enrol_until("confirm-email", person)
    back = visitor.open(page.link("user-data"))

    kept = visitor.answer(back, email="vier.gruppen@example.org", password="", password2="")
    judged = visitor.answer(back, email="vier.gruppen@example.org", password=PASSWORD, password2=PASSWORD)

    assert kept.status == judged.status == 422
    assert kept.says("e2.err.pw_again")
    assert judged.says("pw.err.personal")
    other_case = visitor.answer(back, email=person.email.upper(), password="", password2="")
    assert "confirm-email" in other_case.url


def test_after_the_proof_step_two_only_offers_to_change_the_address(visitor: Visitor) -> None:
    """Pages.md 2.1.5; looking at it loses nothing."""
    person = a_person()
    page = visitor.enrol_until("confirm-second-factor", person)
    choice = visitor.open(page.link("second-factor-details").replace("second-factor-details", "second-factor"))

    kept = visitor.open(choice.link("kept-address"))

    assert person.email in kept.text
    assert 'name="password"' not in kept.text
    assert kept.says("e3.change")
    assert "identification" not in kept.text
    assert visitor.open(kept.link("user-data")).url.endswith("/user-data")
    assert visitor.open(page.url.rpartition("/enrol/")[0]).url == page.url
    assert "/done" in visitor.answer(page, code=code(e164(person.phone))).url


def test_step_one_again_in_the_same_visit_loses_nothing(visitor: Visitor) -> None:
    person = a_person()
    page = visitor.enrol_until("confirm-email", person)
    first = visitor.open(visitor.open(page.link("user-data")).link("identification"))

    again = visitor.identify(first, person)

    assert "confirm-email" in again.url
    visitor.enrol_until("/done", person, again)
    assert passwords.verify(only_account().password_hash, PASSWORD)


STEPS = [
    "user-data",
    "kept-address",
    "confirm-email",
    "second-factor",
    "second-factor-details",
    "confirm-second-factor",
    "done",
    "account-exists",
]


@pytest.mark.parametrize("step", STEPS)
def test_no_step_can_be_skipped_by_posting_to_it(visitor: Visitor, step: str) -> None:
    """Security row V28 as well: facts cannot be posted."""
    page = visitor.open("/enrol")
    action, fields = page.form()
    target = action.replace("identification", step)
    forged = {"email_verified": "1", "confirmed": "a@example.org", "account_id": "x", "pensioner_id": "x"}

    answered = visitor.post(
        target, **fields, **forged, email="a@example.org", password=PASSWORD, password2=PASSWORD, code="1", method="sms"
    )

    assert "identification" in answered.url
    assert account_count() == 0


@pytest.mark.parametrize("step", STEPS[:-1])
def test_nor_after_step_one(visitor: Visitor, step: str) -> None:
    page = visitor.enrol_until("user-data", a_person())
    action, fields = page.form()
    if step == "user-data":
        pytest.skip("that is the page that is due")

    answered = visitor.post(action.replace("user-data", step), csrf_token=fields["csrf_token"], code="123456")

    assert "user-data" in answered.url
    assert account_count() == 0


@pytest.mark.parametrize("step", ["identification", *(step for step in STEPS[:6] if step != "kept-address")])
def test_an_empty_answer_is_refused_at_every_step(visitor: Visitor, step: str) -> None:
    person = a_person()
    page = visitor.enrol_until(f"/enrol/{step}", person)
    action, fields = page.form()

    answered = visitor.post(action, csrf_token=fields["csrf_token"])

    assert answered.status == 422, answered.url
    assert answered.errors()
    assert account_count() == 0


def test_cancel_asks_first_and_forgets(visitor: Visitor) -> None:
    person = a_person()
    page = visitor.enrol_until("second-factor", person)

    asked = visitor.open(page.link("/cancel"))
    assert asked.says("cancel.h1")
    kept = visitor.open(asked.link("second-factor"))
    assert "second-factor" in kept.url
    ended = visitor.answer(asked)

    assert "sign_in/credentials" in ended.url
    assert ended.says("cancel.done")
    assert not ended.says("enrol.resume")
    again = visitor.identify(visitor.open("/enrol"), person)
    assert "user-data" in again.url
    assert person.email not in again.text


def test_two_tabs_enrol_two_persons(visitor: Visitor) -> None:
    one, two = a_person(1), a_person(2)
    first = visitor.enrol_until("confirm-second-factor", one)
    second = visitor.enrol_until("confirm-second-factor", two)

    assert "/done" in visitor.enrol_until("/done", one, first).url
    assert "/done" in visitor.enrol_until("/done", two, second).url

    for person in (one, two):
        account = db.session.get_one(Account, pensioner(person.pensioner_id).account_id)
        assert account.email == person.email
        assert account.authenticators[0].data["phone"] == e164(person.phone)


def test_a_code_counts_in_its_own_tab_only(visitor: Visitor) -> None:
    """CVE-2026-27946: security row V28."""
    one, two = a_person(1), a_person(2)
    first, second = visitor.enrol_until("confirm-email", one), visitor.enrol_until("confirm-email", two)
    if code(one.email) == code(two.email):
        pytest.skip("the same six digits by chance")

    assert visitor.answer(second, code=code(one.email)).status == 422
    assert "second-factor" in visitor.answer(first, code=code(one.email)).url


def test_two_tabs_of_one_person_make_one_account(visitor: Visitor) -> None:
    person = a_person()
    first = visitor.enrol_until("confirm-second-factor", person, factor="totp")
    second = visitor.enrol_until("confirm-second-factor", person, factor="totp")
    visitor.enrol_until("/done", person, first, factor="totp")

    lost = visitor.enrol_until("account-exists", person, second, factor="totp")

    assert lost.says("e1.exists.h1")
    assert account_count() == 1


@pytest.mark.parametrize("status", ["left", "deceased"])
def test_who_leaves_on_the_way_gets_no_account(visitor: Visitor, status: str) -> None:
    """CVE-2025-29928: security row V29, a half-done enrolment."""
    person = a_person()
    page = visitor.enrol_until("confirm-second-factor", person)
    change(pensioner(person.pensioner_id), status=status)

    answered = visitor.answer(page, code=code(e164(person.phone)))

    assert account_count() == 0
    assert "/done" not in answered.url
    assert visitor.browser.get_cookie("idp_session") is None
    assert answered.status < 500


def test_a_newer_letter_on_the_way_ends_the_older_one(visitor: Visitor) -> None:
    person = a_person()
    page = visitor.enrol_until("confirm-second-factor", person)
    codes.issue_to([person.pensioner_id], "second letter")

    answered = visitor.answer(page, code=code(e164(person.phone)))

    assert account_count() == 0
    assert answered.url.endswith("/identification")
    assert answered.says("e1.err.code_old")


def test_of_two_people_with_one_address_the_second_is_asked_for_another(
    visitor: Visitor, another: Callable[[], Visitor]
) -> None:
    """Both have proven the mailbox; an address that fits two accounts would sign in neither (decision 22)."""
    first = a_person(1)
    second = a_person(2, register_email=first.email)
    second.email = first.email
    page, later = visitor.enrol_until("confirm-second-factor", first), another()
    their_page = later.enrol_until("confirm-second-factor", second)
    visitor.answer(page, code=code(e164(first.phone)))

    answered = later.answer(their_page, code=code(e164(second.phone)))

    assert answered.url.endswith("/user-data")
    assert answered.says("e2.err.taken")
    assert answered.form()[1]["email"] == ""
    assert account_count() == 1
    second.email = "andere@example.org"
    assert later.answer(answered, email=second.email).says("pw.err.empty")
    with time_machine.travel(now() + timedelta(seconds=61)):
        assert "/done" in later.enrol_until("/done", second, later.give_data(answered, second)).url


def test_a_wrong_confirmation_makes_no_account(visitor: Visitor) -> None:
    person = a_person()
    page = visitor.enrol_until("confirm-second-factor", person)

    answered = visitor.answer(page, code=wrong(code(e164(person.phone))))

    assert answered.status == 422
    assert account_count() == 0


def test_own_words_are_no_password(visitor: Visitor) -> None:
    page = visitor.enrol_until("user-data", a_person())

    weak = visitor.answer(page, email="a@example.org", password="Odile-1948", password2="Odile-1948")
    unlike = visitor.answer(page, email="a@example.org", password=PASSWORD, password2=PASSWORD + "x")

    assert weak.status == unlike.status == 422
    assert PASSWORD not in unlike.text


def test_nothing_personal_lies_open_in_the_store(visitor: Visitor) -> None:
    if provider.settings.redis_url:
        pytest.skip("read from SQL here; the sealing is the same code")
    person = a_person()
    visitor.enrol_until("confirm-second-factor", person)
    raw = b"".join(row.value or b"" for row in db.session.query(StoreEntry).all())

    assert raw
    for secret in (person.email, person.ahv_number, e164(person.phone), PASSWORD, person.code):
        assert secret.encode() not in raw


@pytest.mark.parametrize("step", ["confirm-email", "confirm-second-factor"])
def test_the_letters_code_in_place_of_the_one_that_was_sent_is_told_and_costs_no_try(
    visitor: Visitor, step: str
) -> None:
    """The paper calls both «code d'activation» (pages.md 0, question 3)."""
    person = a_person()
    page = visitor.enrol_until(step, person)
    of_letter = "e3.err.paper" if step == "confirm-email" else "e5.sms.err.paper"

    for typed in ["K7XM 3QPA 9TZ2", "k7xm3qpa9tz2", "K7X1-2345-6TZ2", "K7X123456TZ2"] * 2:
        assert visitor.answer(page, code=typed).says(of_letter), typed
    for typed in ["codice 447683", "Ihr Code: 44768", "4476 8344 7683"]:
        assert not visitor.answer(page, code=typed).says(of_letter), typed

    sent = code(person.email if step == "confirm-email" else e164(person.phone))
    assert step not in visitor.answer(page, code=f"{sent[:3]} {sent[3:]}").url


def test_messages_speak_the_language_of_the_pages_and_so_does_the_account(visitor: Visitor) -> None:
    person = a_person()
    page = visitor.open("/enrol")
    page = visitor.identify(visitor.open(page.url, lang="it"), person)

    visitor.enrol_until("/done", person, page)

    sent = [messages(person.email)[-1], messages(e164(person.phone))[0], messages(person.email)[0]]
    assert [message["name"] for message in sent] == ["enrol_code", "code", "activated"]
    for message, words in zip(sent, ("Buongiorno", "Il suo codice", "Buongiorno"), strict=True):
        assert words in message["text"], message["text"]
    assert only_account().language == "it"


def test_who_chose_no_language_is_written_to_in_the_registers(another: Callable[[], Visitor]) -> None:
    person = a_person(language="de")

    another().enrol_until("/done", person)

    assert "Guten Tag" in messages(person.email)[-1]["text"]
    assert only_account().language == "de"


def test_the_version_of_the_accepted_terms_is_a_setting(tmp_path: Path) -> None:
    app = make_app(database_url=f"sqlite:///{tmp_path / 'idp.sqlite'}", terms_version="2027-02")
    with app.app_context():
        provider.keys.ensure()

        Visitor(app).enrol_until("/done", a_person())

        assert only_account().terms_version == "2027-02"
