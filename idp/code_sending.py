"""How often a one-time code may be sent, and what codes are found by (decision 23, security.md 2.63).

A place is reserved in a transaction of its own before a code is made, so that parallel requests are counted like any
others; `one_time_codes.py` fills the place.
"""

import math
import secrets
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement
from sqlalchemy import Connection
from sqlalchemy import insert
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy import text

from .clock import now
from .db import own_transaction
from .models import OneTimeCode
from .provider import provider

log = structlog.get_logger("one-time codes")

_Sent = Any
"""A row of what was sent: purpose, holder, person, target, sent_at, used_at."""


@dataclass(frozen=True)
class Purpose:
    """What a code is for, how long it is valid, and whether it travels by SMS."""

    name: str
    seconds: int
    by_sms: bool = False

    @property
    def minutes(self) -> int:
        """The validity as pages and messages tell it."""
        return self.seconds // 60


ENROL_EMAIL = Purpose("enrol_email", 60 * 60)
ENROL_SMS = Purpose("enrol_sms", 10 * 60, by_sms=True)
SIGN_IN_SMS = Purpose("sign_in_sms", 10 * 60, by_sms=True)
PASSWORD_RESET = Purpose("password_reset", 15 * 60)
PURPOSES = (ENROL_EMAIL, ENROL_SMS, SIGN_IN_SMS, PASSWORD_RESET)

PAUSE_BETWEEN = timedelta(seconds=60)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
UNUSED_AN_HOUR = 5
"""Codes for one holder or person and purpose that nobody entered."""
UNUSED_A_DAY = 5
"""Codes to one number that nobody entered, whoever asked for them (security.md 2.63)."""
ALL_A_DAY = 10
"""Codes for one person and purpose, entered ones included."""

_SMS = tuple(purpose.name for purpose in PURPOSES if purpose.by_sms)


class Wait(Exception):
    """A code has just been sent."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"wait {seconds} seconds")
        self.seconds = seconds


class SendLimit(Exception):
    """Too many codes were asked for; the next one may be sent at `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__("too many codes")
        self.until = until


def may_send(purpose: Purpose, holder: str, target: str, *, person: str | None) -> None:
    """Reserve a place for one more code, or raise `Wait` or `SendLimit`; called before the transaction.

    A code that was entered gives its place back: somebody who signs in often is not somebody who floods a telephone.
    """
    keys = Keys(purpose, holder, target, person)
    with own_transaction() as connection:
        _queue_up(connection, keys)
        moment = now()
        recent = _recent(connection, keys, moment - DAY)
        _refuse_haste(recent, keys, moment)
        _refuse_flood(recent, keys, moment)
        if purpose.by_sms:
            _refuse_beyond_budget(connection, moment)
        connection.execute(insert(OneTimeCode).values(**keys.row(moment), tries=0))


class Keys:
    """What a code is found by, as the table has it."""

    def __init__(self, purpose: Purpose, holder: str, target: str, person: str | None) -> None:
        vault = provider.vault
        self.purpose, self.holder = purpose, holder
        self.targets = vault.fingerprints("one-time code target", target)
        self.persons = vault.fingerprints("one-time code person", person) if person else []

    def row(self, moment: datetime) -> dict[str, Any]:
        """A new row without a code."""
        return {
            "id": secrets.token_urlsafe(16),
            "purpose": self.purpose.name,
            "holder": self.holder,
            "person": self.persons[0] if self.persons else None,
            "target": self.targets[0],
            "sent_at": moment,
            "expires_at": moment + timedelta(seconds=self.purpose.seconds),
        }

    def here(self) -> tuple[ColumnElement[bool], ...]:
        """Rows of this purpose, holder and address that hold a code."""
        return (
            OneTimeCode.purpose == self.purpose.name,
            OneTimeCode.holder == self.holder,
            OneTimeCode.target.in_(self.targets),
            OneTimeCode.code_hash.is_not(None),
        )


def _queue_up(connection: Connection, keys: Keys) -> None:
    """Requests for one address or person are counted one after another; SQLite has one writer anyway."""
    if connection.dialect.name != "postgresql":
        return
    for name in sorted({keys.targets[0], *keys.persons[:1], keys.holder}):
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 23))"), {"name": name})


def _recent(connection: Connection, keys: Keys, since: datetime) -> Sequence[_Sent]:
    """Newest first: everything of this holder, person or address."""
    whose = or_(
        (OneTimeCode.purpose == keys.purpose.name) & (OneTimeCode.holder == keys.holder),
        OneTimeCode.person.in_(keys.persons),
        OneTimeCode.target.in_(keys.targets),
    )
    columns = (OneTimeCode.purpose, OneTimeCode.holder, OneTimeCode.person, OneTimeCode.target)
    query = select(*columns, OneTimeCode.sent_at, OneTimeCode.used_at).where(whose, OneTimeCode.sent_at > since)
    return connection.execute(query.order_by(OneTimeCode.sent_at.desc())).all()


def _refuse_haste(recent: Iterable[_Sent], keys: Keys, moment: datetime) -> None:
    same = (row for row in recent if _is_own(row, keys) and row.holder == keys.holder and row.target in keys.targets)
    last = next((row for row in same if row.used_at is None), None)
    if last is not None and last.sent_at + PAUSE_BETWEEN > moment:
        raise Wait(math.ceil((last.sent_at + PAUSE_BETWEEN - moment).total_seconds()))


def _refuse_flood(recent: Sequence[_Sent], keys: Keys, moment: datetime) -> None:
    own = [row for row in recent if _is_own(row, keys)]
    unused = [row for row in own if row.used_at is None]
    _refuse_more_than(UNUSED_AN_HOUR, unused, HOUR, moment)
    _refuse_more_than(ALL_A_DAY, own, DAY, moment)
    if keys.purpose.by_sms:
        to_number = [row for row in recent if row.target in keys.targets and row.purpose in _SMS]
        _refuse_more_than(UNUSED_A_DAY, [row for row in to_number if row.used_at is None], DAY, moment)


def _is_own(row: _Sent, keys: Keys) -> bool:
    """Of this purpose and this holder or person: asking for one thing never uses up another."""
    return row.purpose == keys.purpose.name and (row.holder == keys.holder or row.person in keys.persons)


def _refuse_more_than(most: int, rows: Sequence[_Sent], window: timedelta, moment: datetime) -> None:
    counted = [row for row in rows if row.sent_at > moment - window]
    if len(counted) >= most:
        raise SendLimit(counted[most - 1].sent_at + window)


def _refuse_beyond_budget(connection: Connection, moment: datetime) -> None:
    """The breaker against pumping; parallel requests may overstep it by a handful."""
    budget = provider.settings.sms_daily_budget
    query = select(OneTimeCode.sent_at).where(OneTimeCode.purpose.in_(_SMS), OneTimeCode.sent_at > moment - DAY)
    last = connection.execute(query.order_by(OneTimeCode.sent_at.desc()).offset(budget - 1).limit(1)).scalar()
    if last is not None:
        log.error("the SMS budget of the day is spent", budget=budget)
        raise SendLimit(last + DAY)
