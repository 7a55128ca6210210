"""One-time codes: six digits by SMS or e-mail, and how often they may be guessed (decision 23).

A code counts once, for one purpose, one holder and one address. A guess is spent in a transaction of its own before
anything is compared, so that parallel guesses are counted like any others. How often codes may be sent is the business
of `code_sending.py`.
"""

import hmac
import secrets
from datetime import datetime
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy import Connection
from sqlalchemy import delete
from sqlalchemy import select
from sqlalchemy import update

from . import throttle
from .clock import now
from .code_sending import DAY
from .code_sending import ENROL_EMAIL
from .code_sending import ENROL_SMS
from .code_sending import PASSWORD_RESET
from .code_sending import SIGN_IN_SMS
from .code_sending import Keys
from .code_sending import Purpose
from .code_sending import SendLimit
from .code_sending import Wait
from .code_sending import may_send
from .db import db
from .db import own_transaction
from .models import OneTimeCode
from .provider import provider
from .throttle import Limit

__all__ = [
    "ENROL_EMAIL",
    "ENROL_SMS",
    "PASSWORD_RESET",
    "SIGN_IN_SMS",
    "CodeExpired",
    "CodeOld",
    "CodeSpent",
    "CodeWrong",
    "Purpose",
    "SendLimit",
    "Wait",
    "check",
    "is_open",
    "issue",
    "may_send",
    "sweep",
]

TRIES = 5
"""Guesses a code."""
PAUSE_SECONDS = 900
"""The pause after ten wrong codes within an hour, whatever code they were meant for."""


class CodeWrong(Exception):
    """Not this code; `left` more guesses, with 0 the pause begins."""

    def __init__(self, left: int) -> None:
        super().__init__("wrong code")
        self.left = left


class CodeOld(Exception):
    """It was replaced by a newer one."""


class CodeExpired(Exception):
    """The newest code is no longer valid, whatever was entered."""


class CodeSpent(Exception):
    """The newest code was guessed at too often, or was used already."""


def issue(purpose: Purpose, holder: str, target: str) -> str:
    """Make a new code, which ends the older ones of this purpose and holder; called inside a transaction."""
    session, moment, keys = db.session, now(), Keys(purpose, holder, target, None)
    older = (OneTimeCode.purpose == purpose.name, OneTimeCode.holder == holder, OneTimeCode.replaced_at.is_(None))
    place = session.scalars(
        select(OneTimeCode)
        .where(*older, OneTimeCode.code_hash.is_(None), OneTimeCode.target.in_(keys.targets))
        .order_by(OneTimeCode.sent_at.desc())
        .limit(1)
    ).first()
    if place is None:
        place = OneTimeCode(**keys.row(moment))
    session.execute(
        update(OneTimeCode).where(*older, OneTimeCode.id != place.id).values(replaced_at=moment),
        execution_options={"synchronize_session": False},
    )
    code = f"{secrets.randbelow(10**6):06}"
    place.code_hash = provider.vault.fingerprint("one-time code", f"{place.id}:{code}")
    place.sent_at, place.expires_at = moment, moment + timedelta(seconds=purpose.seconds)
    session.add(place)
    return code


def is_open(purpose: Purpose, holder: str, target: str) -> bool:
    """Whether a code that was sent there can still be entered: then nobody needs another one."""
    keys = Keys(purpose, holder, target, None)
    query = select(OneTimeCode.id).where(*_living(keys, now())).limit(1)
    with db.engine.connect() as connection:
        return connection.execute(query).first() is not None


def check(purpose: Purpose, holder: str, target: str, entered: str, *, person: str) -> None:
    """Accept the code, once, or raise what is wrong with it or `throttle.Paused`.

    The guess is spent first, for the person and for the code; of parallel right answers one counts.
    """
    limit = _wrong_codes(purpose)
    left_for_person = throttle.spend(limit, person)
    keys = Keys(purpose, holder, target, person)
    with own_transaction() as connection:
        moment = now()
        guess = _spend_guess(connection, keys, moment)
        problem = _problem(connection, keys, guess, entered, moment)
        if problem is None:  # the guess holds the row until we commit: nobody else can be here
            connection.execute(update(OneTimeCode).where(OneTimeCode.id == guess.id).values(used_at=moment))
    if problem is None:
        throttle.clear(limit, person)
        return
    if isinstance(problem, CodeWrong):
        problem.left = min(problem.left, left_for_person)
    elif isinstance(problem, CodeSpent) and left_for_person == 0:  # another code would not help
        raise CodeWrong(0)
    raise problem


def sweep() -> int:
    """Remove what no limit needs any more; the number of rows."""
    moment = now()
    over = (OneTimeCode.sent_at < moment - 2 * DAY, OneTimeCode.expires_at < moment)
    with own_transaction() as connection:
        return int(connection.execute(delete(OneTimeCode).where(*over)).rowcount)


def _wrong_codes(purpose: Purpose) -> Limit:
    """A limit for each purpose, for a right answer clears it: a mailbox must not give new guesses at an SMS."""
    return Limit(f"wrong codes {purpose.name}", tries=10, window=3600, pause=PAUSE_SECONDS)


def _spend_guess(connection: Connection, keys: Keys, moment: datetime) -> Any:
    """The living code, one of whose guesses is now spent."""
    spent = update(OneTimeCode).where(*_living(keys, moment)).values(tries=OneTimeCode.tries + 1)
    return connection.execute(spent.returning(OneTimeCode.id, OneTimeCode.code_hash, OneTimeCode.tries)).first()


def _living(keys: Keys, moment: datetime) -> tuple[ColumnElement[bool], ...]:
    """The code that can still be entered."""
    return (
        *keys.here(),
        OneTimeCode.replaced_at.is_(None),
        OneTimeCode.used_at.is_(None),
        OneTimeCode.expires_at > moment,
        OneTimeCode.tries < TRIES,
    )


def _fits(row: Any, entered: str) -> bool:
    prints = provider.vault.fingerprints("one-time code", f"{row.id}:{entered}")
    return any([hmac.compare_digest(row.code_hash, each) for each in prints])  # noqa: C419 - always every comparison


def _problem(
    connection: Connection, keys: Keys, guess: Any, entered: str, moment: datetime
) -> CodeWrong | CodeOld | CodeExpired | CodeSpent | None:
    """What is wrong, if anything; an older code first, for then the newer message is still to be found."""
    if guess is not None and _fits(guess, entered):
        return None
    if guess is not None and _is_old(connection, keys, entered):
        return CodeOld()
    if guess is not None:
        return CodeWrong(TRIES - guess.tries) if guess.tries < TRIES else CodeSpent()
    query = select(OneTimeCode.tries, OneTimeCode.used_at, OneTimeCode.expires_at).where(
        *keys.here(), OneTimeCode.replaced_at.is_(None)
    )
    newest = connection.execute(query.order_by(OneTimeCode.sent_at.desc()).limit(1)).first()
    if newest is None:
        return CodeWrong(TRIES)
    if newest.used_at is None and newest.expires_at <= moment:
        return CodeExpired()
    return CodeSpent()


def _is_old(connection: Connection, keys: Keys, entered: str) -> bool:
    query = select(OneTimeCode.id, OneTimeCode.code_hash).where(*keys.here(), OneTimeCode.replaced_at.is_not(None))
    return any([_fits(row, entered) for row in connection.execute(query).all()])  # noqa: C419
