"""Limits: how often somebody may try, counted where no rollback and no restart forgets it.

A try is spent **before** the secret is looked at, by one conditional write in a transaction of its own: parallel
callers never see more tries than the limit has, and a request that dies on the way has spent its try all the same
(decision 37). Call nothing of this inside `transaction()`. Subjects are in one spelling already, that is the callers'
part; here they are known by fingerprint only, so a change of the root secret begins new counters.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from typing import Any

from flask import request
from sqlalchemy import ColumnElement
from sqlalchemy import Connection
from sqlalchemy import Insert
from sqlalchemy import and_
from sqlalchemy import case
from sqlalchemy import delete
from sqlalchemy import func
from sqlalchemy import literal
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy import tuple_
from sqlalchemy import update

from .clock import now
from .db import Moment
from .db import db
from .db import own_transaction
from .db import upsert
from .models import FailureCounter
from .provider import provider

TELL_FROM = 3
"""People are told how many tries are left from this many on (pages.md 2.1.8)."""
TALLY = "tally:"
TALLY_KEPT = timedelta(days=400)
BATCH = 1000
PLACE = ["limit", "subject"]


@dataclass(frozen=True)
class Limit:
    """So many tries in a window, then a pause; window and pause in seconds (decision 23)."""

    name: str
    tries: int
    window: int
    pause: int


class Paused(Exception):
    """No try is left, or a pause runs."""

    def __init__(self, until: datetime, limit: Limit) -> None:
        super().__init__(f"{limit.name}: paused until {until.isoformat()}")
        self.until = until
        self.limit = limit


class TooMany(Exception):
    """Too many requests from one address (HTTP 429); within so many seconds they count no more."""

    def __init__(self, name: str, seconds: int = 3600) -> None:
        super().__init__(name)
        self.seconds = seconds


def spend(limit: Limit, subject: str) -> int:
    """Spend one try, and return how many are left after it; raises `Paused` if there was none.

    The last try of a window is allowed and returns 0; the pause starts with it, and a success clears it. The window
    begins with its first try and anew after a pause.
    """
    moment, name = now(), _fingerprint(limit.name, subject)
    with own_transaction() as connection:
        spent: int | None = connection.execute(_spending(connection, limit, name, moment)).scalar()
        until = _ends(connection, limit, name, moment) if spent is None else moment
    if spent is None:
        raise Paused(until, limit)
    return limit.tries - spent


def clear(limit: Limit, subject: str) -> None:
    """Give all tries back, after a right answer."""
    with own_transaction() as connection:
        connection.execute(delete(FailureCounter).where(*_at(limit.name, _fingerprint(limit.name, subject))))


def give_back(limit: Limit, subject: str) -> None:
    """Take one try back, after an answer that was no guess; the others stay spent."""
    place = _at(limit.name, _fingerprint(limit.name, subject))
    with own_transaction() as connection:
        spent = FailureCounter.spent - 1
        statement = update(FailureCounter).where(*place, FailureCounter.spent > 0)
        connection.execute(statement.values(spent=spent, paused_until=None))


def pauses(subject: str) -> dict[str, datetime]:
    """Every limit that keeps this subject waiting, and until when; for the help desk."""
    moment = now()
    with db.engine.connect() as connection:
        columns = (FailureCounter.limit, FailureCounter.paused_until)
        rows = connection.execute(
            select(*columns).where(_of(connection, subject), FailureCounter.paused_until > moment)
        )
        return {str(name): until for name, until in rows if until is not None}


def lift(subject: str) -> int:
    """End every pause of this subject and give all its tries back; the number of limits. Tallies stay."""
    with own_transaction() as connection:
        return int(connection.execute(delete(FailureCounter).where(_of(connection, subject))).rowcount)


def paused_until(limit: Limit, subject: str) -> datetime | None:
    """Until when no try is possible; None while one is."""
    moment, name = now(), _fingerprint(limit.name, subject)
    with db.engine.connect() as connection:
        spent = _spent(connection, limit, name, moment)
        return _ends(connection, limit, name, moment) if spent >= limit.tries else None


def left(limit: Limit, subject: str) -> int:
    """How many tries there are, without spending one."""
    with db.engine.connect() as connection:
        spent = _spent(connection, limit, _fingerprint(limit.name, subject), now())
    return max(0, limit.tries - spent)


def tally(name: str, subject: str) -> int:
    """Count one more failure that no window and no success takes back, and return the number (decision 19).

    Kept for 400 days after the last one: longer than any activation code lives.
    """
    expires, row_name = now() + TALLY_KEPT, f"{TALLY}{name}"
    with own_transaction() as connection:
        row = {"spent": 1, "window_ends_at": expires, "expires_at": expires}
        insert = upsert(connection.dialect, FailureCounter).values(
            limit=row_name, subject=_fingerprint(row_name, subject), **row
        )
        counted = insert.on_conflict_do_update(
            index_elements=PLACE, set_=row | {"spent": FailureCounter.spent + 1}
        ).returning(FailureCounter.spent)
        return int(connection.execute(counted).scalar_one())


def untally(name: str, subject: str) -> None:
    """Forget the count."""
    row_name = f"{TALLY}{name}"
    with own_transaction() as connection:
        connection.execute(delete(FailureCounter).where(*_at(row_name, _fingerprint(row_name, subject))))


def per_address(name: str, times: int, seconds: int) -> None:
    """Count this request against its address, an IPv6 one by its /64; raises `TooMany` beyond `times`.

    Counted in the store, which may be lost; where the store does not answer, its `StoreUnavailable` passes (fail
    closed, CVE-2020-15223). A ceiling against machines: many people share an address, and each has limits of their own.
    """
    if provider.settings.conformance:  # the official suite is one address that signs in a thousand times
        return
    address = provider.vault.fingerprint("address", network(request.remote_addr))
    if provider.store.count(f"address {name}", address, seconds) > times:
        raise TooMany(name, seconds)


def network(address: str | None) -> str:
    """What counts as one address: an IPv4 address, the /64 of an IPv6 one, and one name for all that is neither."""
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def sweep() -> int:
    """Remove the counters that no longer say anything, in short batches; the number removed."""
    total = 0
    place = tuple_(FailureCounter.limit, FailureCounter.subject)
    while True:
        expired = select(FailureCounter.limit, FailureCounter.subject).where(FailureCounter.expires_at <= now())
        batch = expired.limit(BATCH).with_for_update(skip_locked=True)
        with own_transaction() as connection:
            removed = int(connection.execute(delete(FailureCounter).where(place.in_(batch))).rowcount)
        total += removed
        if removed < BATCH:
            return total


def _spending(connection: Connection, limit: Limit, subject: str, moment: datetime) -> Insert:
    """The one write that spends a try, if there is one; returns how many are spent then."""
    window, pause = moment + timedelta(seconds=limit.window), moment + timedelta(seconds=limit.pause)
    expires = max(window, pause) + timedelta(seconds=limit.pause)
    first = upsert(connection.dialect, FailureCounter).values(
        limit=limit.name,
        subject=subject,
        spent=1,
        window_ends_at=window,
        paused_until=pause if limit.tries <= 1 else None,
        expires_at=expires,
    )
    is_over = _is_over(moment)
    spent = case((is_over, 1), else_=FailureCounter.spent + 1)
    return first.on_conflict_do_update(
        index_elements=PLACE,
        set_={
            "spent": spent,
            "window_ends_at": case((is_over, literal(window, Moment())), else_=FailureCounter.window_ends_at),
            "paused_until": case((spent >= limit.tries, literal(pause, Moment())), else_=None),
            "expires_at": expires,
        },
        where=or_(is_over, and_(FailureCounter.paused_until.is_(None), FailureCounter.spent < limit.tries)),
    ).returning(FailureCounter.spent)


def _is_over(moment: datetime) -> ColumnElement[bool]:
    """Whether what was counted no longer counts: the pause has passed, or without one the window."""
    return func.coalesce(FailureCounter.paused_until, FailureCounter.window_ends_at) <= literal(moment, Moment())


def _spent(connection: Connection, limit: Limit, subject: str, moment: datetime) -> int:
    query = select(FailureCounter.spent).where(*_at(limit.name, subject), ~_is_over(moment))
    return int(connection.execute(query).scalar() or 0)


def _ends(connection: Connection, limit: Limit, subject: str, moment: datetime) -> Any:
    ends = func.coalesce(FailureCounter.paused_until, FailureCounter.window_ends_at, type_=Moment())
    return connection.execute(select(ends).where(*_at(limit.name, subject))).scalar() or moment


def _at(name: str, subject: str) -> tuple[ColumnElement[bool], ...]:
    return (FailureCounter.limit == name, FailureCounter.subject == subject)


def _of(connection: Connection, subject: str) -> ColumnElement[bool]:
    """The counters of a subject under every limit there is: its fingerprint differs from limit to limit."""
    names = connection.execute(select(FailureCounter.limit).distinct()).scalars()
    limits = [name for name in names if not name.startswith(TALLY)]
    places = [(name, each) for name in limits for each in _fingerprints(name, subject)]
    return tuple_(FailureCounter.limit, FailureCounter.subject).in_(places)


def _fingerprints(name: str, subject: str) -> list[str]:
    return provider.vault.fingerprints(f"throttle:{name}", subject)


def _fingerprint(name: str, subject: str) -> str:
    return provider.vault.fingerprint(f"throttle:{name}", subject)
