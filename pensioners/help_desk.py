"""What the telephone service may do for a person: look, end a pause, take lost second factors away.

Nobody here sees a secret or sets one (security.md 2.69). A lost factor is replaced by proof at the strength of the
enrolment (ASVS V6.4.4): the account is shut and waits; with a new letter its person goes through the five steps again
and goes on with the same account, so that applications know it by the same `sub`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.orm import Session

from idp import audit
from idp import endings
from idp import outbox
from idp import throttle
from idp.clock import now
from idp.db import db
from idp.db import transaction
from idp.email_address import canonical
from idp.models import Account
from idp.models import AuditEvent
from idp.models import RefreshFamily
from idp.provider import provider

from . import ahv_number
from .models import ActivationCode
from .models import Pensioner

TOLD_SECONDS = 7 * 86400
NEWEST = 10


class NotFound(LookupError):
    """Nobody of the register, or several, have this name."""


class NoAccount(LookupError):
    """The person has no account that could be used."""


@dataclass(frozen=True)
class View:
    """What is shown of a person; nothing of it is a secret, and no number is whole."""

    person: Pensioner
    account: Account | None
    is_waiting: bool
    """Whether the account is shut until its person enrols again with a new letter."""
    has_open_code: bool
    applications: Sequence[str]
    """The clients that hold a living refresh token."""
    pauses: dict[str, datetime]
    """Which limits keep the person waiting, and until when."""
    events: Sequence[AuditEvent]
    """The newest lines of the journal."""


def find(who: str) -> Pensioner:
    """The one person with this AHV number, e-mail address or person number; raises `NotFound`."""
    query = select(Pensioner)
    if "@" in who:
        prints = provider.vault.fingerprints("email", canonical(who.strip()))
        accounts = select(Account.id).where(Account.email_fingerprint.in_(prints))
        has_account = Pensioner.account_id.in_(accounts) | Pensioner.former_account_id.in_(accounts)
        found = db.session.scalars(query.where(has_account).limit(2)).all()
        found = found or db.session.scalars(query.where(Pensioner.email_fingerprint.in_(prints)).limit(2)).all()
    else:
        found = db.session.scalars(query.where(Pensioner.person_number == who.strip()).limit(2)).all()
        found = found or db.session.scalars(query.where(Pensioner.ahv_fingerprint.in_(_prints(who))).limit(2)).all()
    if len(found) != 1:
        raise NotFound
    return found[0]


def look(person: Pensioner, *, operator: str) -> View:
    """Everything the service needs; that somebody looked is in the journal."""
    account_id = person.account_id or person.former_account_id
    with transaction():
        audit.record("account_looked_at", account_id=account_id, subject=person.id, operator=operator)
    now_open = (ActivationCode.pensioner_id == person.id, ActivationCode.expires_at > now())
    codes = select(ActivationCode.id).where(*now_open, *ActivationCode.is_untouched())
    families = select(RefreshFamily.client_id).where(
        RefreshFamily.account_id == account_id,
        RefreshFamily.ended_at.is_(None),
        RefreshFamily.idle_until > now(),
    )
    about = select(AuditEvent).where(
        AuditEvent.account_id == account_id if account_id else AuditEvent.subject == person.id
    )
    return View(
        person=person,
        account=db.session.get(Account, account_id) if account_id else None,
        is_waiting=person.account_id is None and account_id is not None,
        has_open_code=db.session.scalar(codes.limit(1)) is not None,
        applications=sorted(set(db.session.scalars(families))),
        pauses={name: until for each in _subjects(person) for name, until in throttle.pauses(each).items()},
        events=db.session.scalars(about.order_by(AuditEvent.sequence.desc()).limit(NEWEST)).all(),
    )


def unlock(person: Pensioner, *, operator: str, reason: str) -> int:
    """End the person's pauses and give all tries back; the number of limits that counted something."""
    lifted = sum(throttle.lift(each) for each in _subjects(person))
    with transaction():
        account_id = person.account_id or person.former_account_id
        audit.record(
            "account_unlocked",
            account_id=account_id,
            subject=person.id,
            reason=reason,
            operator=operator,
            limits=lifted,
        )
    return lifted


def reset_factors(person: Pensioner, *, operator: str, reason: str) -> None:
    """Take the second factors away and shut the account until its person enrols again; raises `NoAccount`.

    Sessions and tokens end at once, applications hear of it, and the address is told: whoever persuades the service
    must not go unnoticed.
    """
    with transaction() as session:
        row = session.get_one(Pensioner, person.id, with_for_update=True, populate_existing=True)
        account = session.get(Account, row.account_id) if row.account_id else None
        if account is None or not account.is_active:
            raise NoAccount
        outbox.mail("factors_reset", account.email, account.language, lives=TOLD_SECONDS)
        _shut(session, row, account)
        audit.record("factors_reset", account_id=account.id, subject=row.id, reason=reason, operator=operator)


def _shut(session: Session, person: Pensioner, account: Account) -> None:
    """Only a letter of later opens it again: whoever has an earlier one may have the telephone, too."""
    endings.end_accounts([account.id], "factors reset")
    open_codes = (ActivationCode.pensioner_id == person.id, *ActivationCode.is_untouched())
    session.execute(update(ActivationCode).where(*open_codes).values(replaced_at=now()))
    account.authenticators.clear()
    account.disabled_at = account.factors_changed_at = now()
    person.former_account_id, person.account_id, person.enrolled_at = account.id, None, None
    session.flush()


def _subjects(person: Pensioner) -> tuple[str, ...]:
    """The names under which tries of this person are counted."""
    account_id = person.account_id or person.former_account_id
    return (f"pensioner:{person.id}", *((f"account:{account_id}",) if account_id else ()))


def _prints(text: str) -> list[str]:
    try:
        return provider.vault.fingerprints("ahv", ahv_number.parse(text))
    except ahv_number.AhvProblem:
        return []
