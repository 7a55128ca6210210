"""Step 1 and the end of the enrolment (decisions 18–20, security.md 2.66 and 2.67)."""

import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import event

from idp.clock import now
from idp.db import db
from idp.db import transaction
from idp.models import Account
from idp.models import AuditEvent
from idp.throttle import Paused
from pensioners import activation
from pensioners import activation_code
from pensioners.activation import AlreadyUsed
from pensioners.activation import CodeExpired
from pensioners.activation import CodeReplaced
from pensioners.activation import CodeUsed
from pensioners.activation import CodeVoid
from pensioners.activation import NoMatch
from pensioners.models import ActivationCode
from pensioners.models import Pensioner

AHV = ("ahv", "7561234567897")
UNKNOWN = ("ahv", "7569217076985")
EMAIL = ("email", "Claire@EXAMPLE.org")
BORN = date(1948, 3, 27)
WRONG = "000000000000"

Row = dict[str, str]

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def code(load: Callable[..., Any], claire: Row, give_code: Callable[..., str]) -> str:
    """Claire is in the register and has this code."""
    load(claire)
    return give_code()


@pytest.mark.parametrize("identifier", [AHV, EMAIL])
def test_number_or_address_birth_date_and_code_name_the_person(
    code: str, person: Callable[..., Pensioner], identifier: tuple[str, str]
) -> None:
    match = activation.identify(identifier, BORN, code)

    assert match.pensioner_id == person().id
    assert match.activation_code_id == db.session.query(ActivationCode).one().id
    assert (match.language, match.salutation, match.first_name, match.last_name) == (
        "fr",
        "Madame",
        "Claire",
        "Exemple",
    )
    assert match.email == "claire@example.org"


@pytest.mark.parametrize(
    ("identifier", "born", "right_code"),
    [
        (UNKNOWN, BORN, True),
        (AHV, date(1948, 3, 28), True),
        (AHV, BORN, False),
        (("email", "x@example.org"), BORN, True),
    ],
)
def test_everything_that_does_not_fit_is_one_answer(
    code: str, identifier: tuple[str, str], born: date, right_code: bool
) -> None:
    with pytest.raises(NoMatch) as answer:
        activation.identify(identifier, born, code if right_code else WRONG)

    assert answer.value.args == ()


@pytest.mark.parametrize("status", ["left", "deceased"])
def test_who_left_or_died_gets_the_same_answer(code: str, load: Callable[..., Any], claire: Row, status: str) -> None:
    load(claire | {"status": status})

    with pytest.raises(NoMatch):
        activation.identify(AHV, BORN, code)


def test_somebody_elses_code_does_not_fit(
    code: str, load: Callable[..., Any], claire: Row, hans: Row, give_code: Callable[..., str]
) -> None:
    load(claire, hans)

    with pytest.raises(NoMatch):
        activation.identify(AHV, BORN, give_code("10002"))


def test_an_address_that_two_persons_share_names_nobody(
    code: str, load: Callable[..., Any], claire: Row, hans: Row
) -> None:
    load(claire, hans | {"email": claire["email"].upper()})

    with pytest.raises(NoMatch):
        activation.identify(EMAIL, BORN, code)


def test_an_older_code_of_ones_own_is_called_replaced(code: str, give_code: Callable[..., str]) -> None:
    newer = give_code()

    with pytest.raises(CodeReplaced):
        activation.identify(AHV, BORN, code)
    assert activation.identify(AHV, BORN, newer)


def test_a_code_ends_after_its_last_day(code: str) -> None:
    with time_machine.travel(now() + timedelta(days=89), tick=False):
        assert activation.identify(AHV, BORN, code)
    with time_machine.travel(now() + timedelta(days=92), tick=False), pytest.raises(CodeExpired):
        activation.identify(AHV, BORN, code)


def test_who_has_an_account_is_told_so_with_any_code_of_their_own(
    code: str, give_code: Callable[..., str], account_of: Callable[..., str], person: Callable[..., Pensioner]
) -> None:
    newer = give_code()
    account_id = account_of()

    for own in (code, newer):
        with pytest.raises(CodeUsed) as used:
            activation.identify(AHV, BORN, own)
        assert (used.value.account_id, used.value.pensioner_id) == (account_id, person().id)


@pytest.mark.parametrize(("born", "own"), [(date(1948, 3, 28), True), (BORN, False)])
def test_that_an_account_exists_is_told_to_nobody_else(
    code: str, account_of: Callable[..., str], born: date, own: bool
) -> None:
    account_of()

    with pytest.raises(NoMatch):
        activation.identify(AHV, born, code if own else WRONG)


def test_an_outdated_code_with_a_wrong_birth_date_says_nothing(code: str, give_code: Callable[..., str]) -> None:
    give_code()

    with pytest.raises(NoMatch):
        activation.identify(AHV, date(1948, 3, 28), code)


@pytest.mark.parametrize("identifier", [AHV, UNKNOWN, EMAIL, ("email", "nobody@example.org")])
def test_five_wrong_answers_make_a_pause_whether_the_number_exists_or_not(
    code: str, identifier: tuple[str, str]
) -> None:
    for _ in range(5):
        with pytest.raises(NoMatch):
            activation.identify(identifier, BORN, WRONG)

    with pytest.raises(Paused) as pause:
        activation.identify(identifier, BORN, code)

    assert timedelta(minutes=14) < pause.value.until - now() <= timedelta(minutes=15)


def test_after_the_pause_the_right_answer_counts(code: str) -> None:
    for _ in range(5):
        with pytest.raises(NoMatch):
            activation.identify(AHV, BORN, WRONG)

    with time_machine.travel(now() + timedelta(minutes=16), tick=False):
        assert activation.identify(AHV, BORN, code)


def test_a_pause_stops_no_other_number(code: str) -> None:
    for _ in range(6):
        with pytest.raises((NoMatch, Paused)):
            activation.identify(UNKNOWN, BORN, WRONG)

    assert activation.identify(AHV, BORN, code)


def test_spellings_of_an_address_are_counted_together(code: str) -> None:
    for address in ("a@example.org", "A@example.org", "a@EXAMPLE.org", "a@Example.Org", " a@example.org"):
        with pytest.raises(NoMatch):
            activation.identify(("email", address), BORN, WRONG)

    with pytest.raises(Paused):
        activation.identify(("email", "A@EXAMPLE.ORG"), BORN, WRONG)


def test_number_and_address_of_one_person_are_counted_together(code: str) -> None:
    for identifier in (AHV, EMAIL, AHV, EMAIL, AHV):
        with pytest.raises(NoMatch):
            activation.identify(identifier, BORN, WRONG)

    for identifier in (AHV, EMAIL):
        with pytest.raises(Paused):
            activation.identify(identifier, BORN, code)


@pytest.mark.parametrize("ended", ["replaced", "expired"])
def test_an_older_code_of_ones_own_costs_no_try(code: str, give_code: Callable[..., str], ended: str) -> None:
    newer, later = (give_code(), now()) if ended == "replaced" else ("", now() + timedelta(days=92))
    with time_machine.travel(later, tick=False):
        for _ in range(7):
            with pytest.raises((CodeReplaced, CodeExpired)):
                activation.identify(AHV, BORN, code)
        assert not newer or activation.identify(AHV, BORN, newer)


def test_an_older_code_of_ones_own_gives_no_other_try_back(code: str, give_code: Callable[..., str]) -> None:
    """Whoever holds an old letter must not guess at the new one for ever."""
    give_code()
    for _ in range(4):
        with pytest.raises(NoMatch):
            activation.identify(AHV, BORN, WRONG)
        with pytest.raises(CodeReplaced):
            activation.identify(AHV, BORN, code)

    with pytest.raises(NoMatch):
        activation.identify(AHV, BORN, WRONG)
    with pytest.raises(Paused):
        activation.identify(AHV, BORN, WRONG)


def test_the_code_of_an_account_costs_a_try_for_its_holder_is_told(code: str, account_of: Callable[..., str]) -> None:
    account_of()
    for _ in range(5):
        with pytest.raises(CodeUsed):
            activation.identify(AHV, BORN, code)

    with pytest.raises(Paused):
        activation.identify(AHV, BORN, code)


def test_a_right_answer_gives_the_tries_back(code: str) -> None:
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(NoMatch):
                activation.identify(AHV, BORN, WRONG)
        activation.identify(AHV, BORN, code)


def give_wrong_answers(number: int) -> None:
    """As an outsider does who waits for every pause to end."""
    for minute in range(number):
        with time_machine.travel(now() + timedelta(minutes=20 * minute), tick=False), pytest.raises(NoMatch):
            activation.identify(AHV, BORN, WRONG)


def test_after_twenty_wrong_answers_the_code_is_void_and_the_journal_says_so(code: str) -> None:
    give_wrong_answers(19)
    with time_machine.travel(now() + timedelta(hours=8), tick=False):
        assert activation.identify(AHV, BORN, code)

        with pytest.raises(NoMatch):
            activation.identify(AHV, BORN, WRONG)
        with pytest.raises(CodeVoid):
            activation.identify(AHV, BORN, code)

    assert db.session.query(ActivationCode).one().void_reason == "too many tries"
    assert db.session.query(AuditEvent).filter_by(event="activation_code_void").count() == 1


def test_a_new_letter_begins_with_twenty_tries_of_its_own(code: str, give_code: Callable[..., str]) -> None:
    give_wrong_answers(20)
    newer = give_code()

    with time_machine.travel(now() + timedelta(hours=8), tick=False):
        with pytest.raises(NoMatch):
            activation.identify(AHV, BORN, WRONG)
        assert activation.identify(AHV, BORN, newer)


def test_an_outdated_code_of_ones_own_does_not_spoil_the_new_letter(code: str, give_code: Callable[..., str]) -> None:
    newer = give_code()
    for minute in range(25):
        with time_machine.travel(now() + timedelta(minutes=20 * minute), tick=False), pytest.raises(CodeReplaced):
            activation.identify(AHV, BORN, code)

    with time_machine.travel(now() + timedelta(days=1), tick=False):
        assert activation.identify(AHV, BORN, newer)


def test_wrong_answers_of_all_kinds_ask_the_database_the_same_questions(code: str) -> None:
    asked: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        asked.append(statement)

    def questions(identifier: tuple[str, str], born: date, typed: str) -> list[str]:
        db.session.rollback()
        asked.clear()
        with pytest.raises(NoMatch):
            activation.identify(identifier, born, typed)
        return list(asked)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        kinds = [
            questions(UNKNOWN, BORN, WRONG),
            questions(AHV, BORN, WRONG),
            questions(AHV, date(1950, 1, 1), code),
        ]
        again = [questions(UNKNOWN, BORN, WRONG), questions(AHV, BORN, WRONG)]
    finally:
        event.remove(db.engine, "before_cursor_execute", note)

    assert kinds[0] == kinds[1]
    assert len(kinds[2]) == len(kinds[0])
    assert again[0] == again[1]


def test_wrong_answers_of_all_kinds_take_the_same_time(
    code: str, load: Callable[..., Any], claire: Row, persons: Callable[..., Row]
) -> None:
    load(claire, *(persons(number) for number in range(60)))
    times: dict[str, list[float]] = {"known": [], "unknown": []}

    for number in range(60):
        for kind, digits in (
            ("known", persons(number)["ahv_number"]),
            ("unknown", persons(900 + number)["ahv_number"]),
        ):
            begin = time.perf_counter()
            with pytest.raises(NoMatch):
                activation.identify(("ahv", digits), BORN, WRONG)
            times[kind].append(time.perf_counter() - begin)

    known, unknown = (statistics.median(times[kind]) for kind in ("known", "unknown"))
    assert abs(known - unknown) < 0.3 * max(known, unknown) + 0.001


def enrol(person_id: str, code_id: str, account: Account) -> str:
    with transaction() as session:
        session.add(account)
        activation.consume(session, person_id, code_id, account.id)
        return account.id


def test_a_code_used_up_gives_the_person_the_account(
    code: str, person: Callable[..., Pensioner], make_account: Callable[..., Account]
) -> None:
    match = activation.identify(AHV, BORN, code)

    account_id = enrol(match.pensioner_id, match.activation_code_id, make_account())

    assert person().account_id == account_id
    assert person().enrolled_at <= now()
    assert db.session.query(ActivationCode).one().used_at is not None
    assert activation.find_account_id("7561234567897") == account_id


def test_fifty_at_once_make_one_account(
    app: Flask, code: str, person: Callable[..., Pensioner], make_account: Callable[..., Account]
) -> None:
    match = activation.identify(AHV, BORN, code)
    db.session.remove()
    barrier, outcomes = threading.Barrier(50), Counter[str]()

    def submit(number: int) -> None:
        with app.app_context():
            account = make_account(email_fingerprint=f"person {number}")
            barrier.wait()
            try:
                enrol(match.pensioner_id, match.activation_code_id, account)
                outcomes["enrolled"] += 1
            except AlreadyUsed:
                outcomes["already used"] += 1
            finally:
                db.session.remove()

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes == {"enrolled": 1, "already used": 49}
    assert db.session.query(Account).count() == 1
    assert person().account_id == db.session.query(Account).one().id


@pytest.mark.parametrize("ending", ["replaced", "void", "expired", "left", "someone else's", "unknown"])
def test_a_code_that_ended_on_the_way_makes_no_account(
    code: str,
    load: Callable[..., Any],
    claire: Row,
    hans: Row,
    give_code: Callable[..., str],
    make_account: Callable[..., Account],
    person: Callable[..., Pensioner],
    ending: str,
) -> None:
    match = activation.identify(AHV, BORN, code)
    code_id, later = match.activation_code_id, now()
    match ending:
        case "replaced":
            give_code()
        case "void":
            give_wrong_answers(20)
        case "expired":
            later += timedelta(days=100)
        case "left":
            load(claire | {"status": "left"})
        case "someone else's":
            load(claire, hans)
            give_code("10002")
            code_id = db.session.query(ActivationCode).filter_by(pensioner_id=person("10002").id).one().id
        case "unknown":
            code_id = "?"

    with time_machine.travel(later, tick=False), pytest.raises(AlreadyUsed):
        enrol(person().id, code_id, make_account())

    assert db.session.query(Account).count() == 0
    assert person().account_id is None


def test_a_person_with_an_account_gets_no_second_one_with_another_code(
    code: str, account_of: Callable[..., str], give_code: Callable[..., str], make_account: Callable[..., Account]
) -> None:
    match = activation.identify(AHV, BORN, code)
    account_of()

    with pytest.raises(AlreadyUsed):
        enrol(match.pensioner_id, match.activation_code_id, make_account())

    assert db.session.query(ActivationCode).one().used_at is None


def test_no_account_belongs_to_a_number_without_one(code: str) -> None:
    assert activation.find_account_id("7561234567897") is None
    assert activation.find_account_id("7569217076985") is None


def test_when_the_account_is_deleted_a_new_letter_lets_the_person_enrol_again(
    code: str, person: Callable[..., Pensioner], make_account: Callable[..., Account], give_code: Callable[..., str]
) -> None:
    match = activation.identify(AHV, BORN, code)
    account_id = enrol(match.pensioner_id, match.activation_code_id, make_account())
    with transaction() as session:
        session.delete(session.get_one(Account, account_id))

    with pytest.raises(CodeReplaced):
        activation.identify(AHV, BORN, code)
    assert activation.identify(AHV, BORN, give_code())


def test_the_persons_own_words_are_known(
    code: str, person: Callable[..., Pensioner], account_of: Callable[..., str]
) -> None:
    words = activation.words_of_pensioner(person().id)

    assert {"Claire", "Exemple", "Genève", "27031948", "27.03.1948", "270348", "1948-03-27", "27.3.1948"} <= set(words)
    assert {"7561234567897", "756.1234.5678.97"} <= set(words)
    assert activation.words_of(account_of()) == words
    assert activation.words_of("nobody") == []


def test_only_a_fingerprint_of_a_code_is_kept(code: str) -> None:
    stored = db.session.query(ActivationCode).one()

    kept = {str(getattr(stored, column.name)) for column in ActivationCode.__table__.columns}

    assert not any(code in value or activation_code.show(code) in value for value in kept)
    assert len(stored.code_fingerprint) == 43
