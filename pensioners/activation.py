"""Step 1 of the enrolment and its end: who is this, and one account per person.

`identify` answers alike, in words and in work done, whether a number is unknown, the birth date wrong, the code wrong,
or the person left or dead (decision 18); `consume` is the conditional update that lets one of fifty win.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.orm import Session

from idp import audit
from idp import throttle
from idp.clock import now
from idp.db import db
from idp.db import transaction
from idp.email_address import canonical
from idp.provider import provider

from .models import ACTIVE
from .models import ActivationCode
from .models import Pensioner
from .own_words import own_words

WRONG_ANSWERS = throttle.Limit("enrolment step 1", tries=5, window=3600, pause=900)
"""Per person, by number and address together; where neither names anybody, per number or address (decision 19)."""
TALLY = "activation code"
TRIES_OF_A_CODE = 20
"""After so many wrong answers for one person the code is void: an outsider can delay, not easily destroy."""
VOID_AFTER_TRIES = "too many tries"

NOBODY = "nobody"

_Person = Row[str, str, bytes | None, str | None]
_Code = Row[str, str | None, datetime, datetime | None, datetime | None, str | None]


class NoMatch(Exception):
    """Number, birth date and code do not belong together, or the person has no right to an account (any more)."""


class CodeEnded(Exception):
    """Number and birth date fit, and the code was once this person's own, but no longer is."""


class CodeReplaced(CodeEnded):
    """A newer letter has been sent."""


class CodeVoid(CodeReplaced):
    """Too many wrong answers were given for this person; as with a replaced code, only a new letter helps."""


class CodeExpired(CodeEnded):
    """The letter was valid until a day that is over."""


class CodeUsed(CodeEnded):
    """The person has an account already."""

    def __init__(self, account_id: str, pensioner_id: str) -> None:
        super().__init__("used")
        self.account_id = account_id
        self.pensioner_id = pensioner_id


class AlreadyUsed(Exception):
    """Somebody was faster, or the code or the person's right ended on the way: nothing was written."""


@dataclass(frozen=True)
class Match:
    """The person a full, right step 1 belongs to."""

    pensioner_id: str
    activation_code_id: str
    language: str
    salutation: str
    first_name: str
    last_name: str
    email: str | None


def identify(identifier: tuple[str, str], birth_date: date, code: str) -> Match:
    """Tell who this is: `identifier` is `("ahv", digits)` or `("email", address)`, `code` a parsed code.

    Raises `NoMatch`, a `CodeEnded`, or `throttle.Paused`. The try is spent before anything is compared, so that
    parallel guesses count. A right answer clears all tries; an older code of one's own was no guess and gives its own
    back.
    """
    kind, name = identifier
    name = canonical(name) if kind == "email" else name
    person = _find(kind, name)
    subject = f"pensioner:{person.id}" if person else provider.vault.fingerprint(kind, name)
    throttle.spend(WRONG_ANSWERS, subject)
    codes = _codes_of(person)
    own = _own(codes, code)
    born = _born_on(person, birth_date)
    if person is None or own is None or not born or person.status != ACTIVE:
        _count_against(codes, subject)
        raise NoMatch
    if person.account_id is not None:  # the holder gets a mail for each: these tries stay spent
        raise CodeUsed(person.account_id, person.id)
    try:
        _refuse_ended(own)
    except CodeEnded:
        throttle.give_back(WRONG_ANSWERS, subject)
        raise
    throttle.clear(WRONG_ANSWERS, subject)
    return _match(person.id, own.id)


def consume(session: Session, pensioner_id: str, activation_code_id: str, account_id: str) -> None:
    """Use the code up and give the person this account; exactly one caller ever gets through.

    Stands inside `transaction()`, after the account was added. Raises `AlreadyUsed`.
    """
    session.flush()
    moment = now()
    person = (
        update(Pensioner)
        .where(Pensioner.id == pensioner_id, Pensioner.account_id.is_(None), Pensioner.status == ACTIVE)
        .values(account_id=account_id, former_account_id=None, enrolled_at=moment)
    )
    code = (
        update(ActivationCode)
        .where(
            ActivationCode.id == activation_code_id,
            ActivationCode.pensioner_id == pensioner_id,
            ActivationCode.expires_at > moment,
            *ActivationCode.is_untouched(),
        )
        .values(used_at=moment)
    )
    for statement in (person, code):  # in this order, as the import locks them
        if _rows_changed(session, statement) != 1:
            raise AlreadyUsed


def has_account(pensioner_id: str) -> bool:
    """Whether this person has enrolled."""
    return db.session.scalar(select(Pensioner.account_id).where(Pensioner.id == pensioner_id)) is not None


def former_account_id(pensioner_id: str) -> str | None:
    """The account this person goes on with: staff took its second factors away."""
    return db.session.scalar(select(Pensioner.former_account_id).where(Pensioner.id == pensioner_id))


def find_account_id(ahv_digits: str) -> str | None:
    """The account of the person with this AHV number, for sign-in; also one that is shut and waits for a letter."""
    prints = provider.vault.fingerprints("ahv", ahv_digits)
    account_id = func.coalesce(Pensioner.account_id, Pensioner.former_account_id)
    return db.session.scalar(select(account_id).where(Pensioner.ahv_fingerprint.in_(prints)))


def words_of(account_id: str) -> list[str]:
    """What the account's holder must not use as a password."""
    person = db.session.scalar(select(Pensioner).where(Pensioner.account_id == account_id))
    return own_words(person) if person else []


def words_of_pensioner(pensioner_id: str) -> list[str]:
    """What this person must not use as a password."""
    person = db.session.get(Pensioner, pensioner_id)
    return own_words(person) if person else []


def _find(kind: str, name: str) -> _Person | None:
    """The one person with this number or address; an address that two persons share names nobody (decision 20)."""
    column = Pensioner.email_fingerprint if kind == "email" else Pensioner.ahv_fingerprint
    prints = provider.vault.fingerprints(kind, name)
    query = select(Pensioner.id, Pensioner.status, Pensioner.birth_date_sealed, Pensioner.account_id)
    found = db.session.execute(query.where(column.in_(prints)).limit(2)).all()
    return found[0] if len(found) == 1 else None


def _codes_of(person: _Person | None) -> Sequence[_Code]:
    """All codes the person ever had; asked for nobody as well, so that the work is the same."""
    query = select(
        ActivationCode.id,
        ActivationCode.code_fingerprint,
        ActivationCode.expires_at,
        ActivationCode.used_at,
        ActivationCode.replaced_at,
        ActivationCode.void_reason,
    )
    return db.session.execute(query.where(ActivationCode.pensioner_id == (person.id if person else NOBODY))).all()


def _own(codes: Sequence[_Code], typed: str) -> _Code | None:
    """The one of these codes that was typed, in whatever state it is."""
    prints = provider.vault.fingerprints("activation code", typed)
    return next((code for code in codes if code.code_fingerprint in prints), None)


def _born_on(person: _Person | None, birth_date: date) -> bool:
    sealed = Pensioner(id=NOBODY, birth_date_text="1900-01-01")
    if person is not None:
        sealed.id, sealed.birth_date_sealed = person.id, person.birth_date_sealed
    return hmac.compare_digest(str(sealed.birth_date_text), birth_date.isoformat()) and person is not None


def _count_against(codes: Sequence[_Code], subject: str) -> None:
    """Count a wrong answer against the person's open code, or against the subject where there is none."""
    open_code = next((code for code in codes if _is_open(code)), None)
    tries = throttle.tally(TALLY, open_code.id if open_code else subject)
    if open_code is not None and tries >= TRIES_OF_A_CODE:
        _make_void(open_code.id)


def _is_open(code: _Code) -> bool:
    untouched = code.used_at is None and code.replaced_at is None and code.void_reason is None
    return untouched and code.expires_at > now()


def _make_void(code_id: str) -> None:
    with transaction() as session:
        statement = update(ActivationCode).where(ActivationCode.id == code_id, *ActivationCode.is_untouched())
        if _rows_changed(session, statement.values(void_reason=VOID_AFTER_TRIES)) == 1:
            audit.record("activation_code_void", "refused", subject=code_id, reason=VOID_AFTER_TRIES)


def _refuse_ended(code: _Code) -> None:
    if code.void_reason is not None:
        raise CodeVoid
    if code.replaced_at is not None or code.used_at is not None:  # used for an account that no longer exists
        raise CodeReplaced
    if code.expires_at <= now():
        raise CodeExpired


def _match(pensioner_id: str, code_id: str) -> Match:
    person = db.session.get_one(Pensioner, pensioner_id)
    return Match(
        pensioner_id=person.id,
        activation_code_id=code_id,
        language=person.language,
        salutation=person.salutation,
        first_name=person.first_name,
        last_name=person.last_name,
        email=person.email,
    )


def _rows_changed(session: Session, statement: Any) -> int:
    done: Any = session.execute(statement, execution_options={"synchronize_session": False})
    return int(done.rowcount)
