"""The journal: who did what, when, with which outcome (DSV art. 4), and the chain that shows whether it was touched.

`record` adds a line to the transaction of the thing it tells of: neither exists without the other. `record_alone`
writes one where nothing else is written: a refusal. Both leave a log line as well, once the row is kept; together with
the line of each seal that is the copy in another place. No secrets and no AHV numbers: telling names are refused, and
what looks like personal data is taken out.
"""

import hashlib
import ipaddress
import json
import re
import time
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from flask import has_request_context
from flask import request
from sqlalchemy import Connection
from sqlalchemy import event as events
from sqlalchemy import func
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from .clock import now
from .db import db
from .db import in_transaction
from .db import own_transaction
from .models import AuditEvent
from .models import AuditSeal
from .provider import provider
from .redaction import redact
from .redaction import redact_text

FORBIDDEN = re.compile(
    r"(^|_)(password|passwort|passwd|pin|otp|secret|token|code|assertion|verifier|cookie|jwt|credential|answers?"
    r"|ahv|avs|birth|birthdate|birthday|born|phone|mobile|msisdn|email|mail|street|body|form)(_|$)",
    re.IGNORECASE,
)
"""No name of a detail contains such a word; `codes=20` counts codes and is allowed."""
BATCH = 5000
LONGEST_WAIT = 5.0
PENDING = "audit lines to tell"

log = structlog.get_logger("audit")
_events = AuditEvent.__table__
_seals = AuditSeal.__table__
_ADD = insert(AuditEvent)


def record(
    event: str,
    outcome: str = "ok",
    *,
    account_id: str | None = None,
    subject: str | None = None,
    client_id: str | None = None,
    session: str | None = None,
    reason: str | None = None,
    **details: Any,
) -> None:
    """Add a line to the running `transaction()`: kept with it, or gone with it."""
    if not in_transaction():
        raise RuntimeError("record() stands inside transaction(); for a refusal there is record_alone().")
    who = {"account_id": account_id, "subject": subject, "client_id": client_id, "session": session}
    row = _row(event, outcome, who, reason, details)
    db.session.connection().execute(_ADD, row)
    db.session().info.setdefault(PENDING, []).append(row)


def record_alone(
    event: str,
    outcome: str = "ok",
    *,
    account_id: str | None = None,
    subject: str | None = None,
    client_id: str | None = None,
    session: str | None = None,
    reason: str | None = None,
    **details: Any,
) -> None:
    """Keep a line for itself, in a transaction of its own; not inside `transaction()`."""
    who = {"account_id": account_id, "subject": subject, "client_id": client_id, "session": session}
    row = _row(event, outcome, who, reason, details)
    with own_transaction() as connection:
        connection.execute(_ADD, row)
    _tell(row)


def seal() -> int:
    """Close batches over all lines that are final, and return how many lines were sealed.

    A seal is the SHA-256 of the one before and of its own lines, and a mark of it under the root secret: who can write
    the database alone cannot close a changed chain again.

    On PostgreSQL a line gets its number before its transaction commits, so a lower number may appear after a higher
    one. A fixed delay would only make that rare. Whoever has drawn a number holds the lock of an INSERT on the table
    since before; so we look up the highest number, then who holds that lock, and wait for just these transactions:
    afterwards every number up to the highest is there for good, or never will be. Nobody is kept from writing
    meanwhile. On SQLite writers come one after another, and every line that can be read is final. Two nodes that seal
    at once make the same number; the primary key lets one through.
    """
    total = 0
    while True:
        with db.engine.connect() as connection:
            highest = connection.execute(select(func.max(_events.c.sequence))).scalar() or 0
            writers = _writers(connection)
        if not _have_finished(writers):
            return total
        try:
            sealed = _seal_up_to(highest)
        except IntegrityError:  # another node was faster
            return total
        total += sealed
        if sealed < BATCH:
            return total


def verify() -> list[str]:
    """Check the whole chain and return what is wrong: lines changed, removed or added, seals missing or forged.

    The mark of the newest seal stands for all before it, each of which is part of the next. Lines younger than that
    seal are not covered; nor can the chain tell when its end was cut off, for which the log has a line for each seal.
    """
    problems: list[str] = []
    with db.engine.connect() as connection:
        seals = [dict(row) for row in connection.execute(select(_seals).order_by(_seals.c.number)).mappings()]
        number, after, digest = 0, 0, ""
        for each in seals:
            number += 1
            if each["number"] != number:
                missing = f"Seal {number}" if each["number"] == number + 1 else f"Seals {number}–{each['number'] - 1}"
                problems.append(f"{missing}: not there any more.")
                number = each["number"]
            lines = _lines(connection, after, each["last_sequence"])
            problem = _difference(each, digest, lines)
            if problem:
                problems.append(f"Seal {number}, lines {after + 1}–{each['last_sequence']}: {problem}")
            after, digest = each["last_sequence"], each["digest"]
    if seals and seals[-1]["mark"] not in provider.vault.fingerprints("audit seal", _marked(seals[-1])):
        problems.append(f"Seal {number}: not made with this provider's secret.")
    return problems


def _row(
    event: str, outcome: str, who: Mapping[str, str | None], reason: str | None, details: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "at": now(),
        "event": event,
        "outcome": outcome,
        **who,
        "address": _address(),
        "reason": None if reason is None else redact_text(reason, tokens=False),
        "details": _checked(details) or None,
    }


def _checked(details: Mapping[str, Any]) -> dict[str, Any]:
    """The details, if their names promise nothing secret; a mistake of the program's, so it is raised."""
    for name in details:
        if FORBIDDEN.search(name):
            raise ValueError(f"The journal keeps no {name}.")
    return {name: _harmless(value) for name, value in details.items()}


def _harmless(value: Any) -> Any:
    return redact_text(value, tokens=False) if isinstance(value, str) else redact(value)


def _address() -> str | None:
    """Where the request came from; a proxy may have passed on anything, so only an address is kept."""
    if not has_request_context() or request.remote_addr is None:
        return None
    try:
        return str(ipaddress.ip_address(request.remote_addr))
    except ValueError:
        return "unknown"


def _tell(row: Mapping[str, Any]) -> None:
    fields = {name: value for name, value in row.items() if value is not None and name not in {"at", "event"}}
    log.info("audit", action=row["event"], **fields)


@events.listens_for(db.session, "after_commit")
def _tell_what_was_kept(session: Session) -> None:
    for row in session.info.pop(PENDING, ()):
        _tell(row)


@events.listens_for(db.session, "after_rollback")
def _forget_what_was_not(session: Session) -> None:
    session.info.pop(PENDING, None)


def _writers(connection: Connection) -> list[str]:
    """The transactions that may hold a number and have not committed it."""
    if connection.dialect.name != "postgresql":
        return []
    query = text(
        "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND relation = CAST(:table AS regclass) AND pid <> pg_backend_pid()"
    )
    return list(connection.execute(query, {"table": AuditEvent.__tablename__}).scalars())


def _have_finished(writers: list[str]) -> bool:
    """Wait for them for a moment; one that takes longer lets the next round seal."""
    query = text("SELECT 1 FROM pg_locks WHERE virtualtransaction = ANY(:writers) LIMIT 1")
    deadline = time.monotonic() + LONGEST_WAIT
    while writers:
        with db.engine.connect() as connection:
            if connection.execute(query, {"writers": writers}).scalar() is None:
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _seal_up_to(highest: int) -> int:
    with own_transaction() as connection:
        last = connection.execute(select(_seals).order_by(_seals.c.number.desc()).limit(1)).mappings().first()
        after, number, before = (last["last_sequence"], last["number"], last["digest"]) if last else (0, 0, "")
        lines = _lines(connection, after, highest, limit=BATCH)
        if not lines:
            return 0
        fresh: dict[str, Any] = {
            "number": number + 1,
            "last_sequence": lines[-1]["sequence"],
            "events": len(lines),
            "digest": _digest(before, lines),
            "sealed_at": now(),
        }
        fresh["mark"] = provider.vault.fingerprint("audit seal", _marked(fresh))
        connection.execute(insert(AuditSeal).values(fresh))
    log.info("audit sealed", number=fresh["number"], events=len(lines), digest=_in_groups(fresh["digest"]))
    return len(lines)


def _lines(connection: Connection, after: int, last: int, limit: int | None = None) -> list[dict[str, Any]]:
    query = select(_events).where(_events.c.sequence > after, _events.c.sequence <= last).order_by(_events.c.sequence)
    return [dict(row) for row in connection.execute(query.limit(limit)).mappings()]


def _digest(before: str, lines: Sequence[Mapping[str, Any]]) -> str:
    digest = hashlib.sha256(before.encode("ascii"))
    for line in lines:
        canonical = json.dumps(line, sort_keys=True, separators=(",", ":"), default=_canonical)
        digest.update(canonical.encode("ascii") + b"\n")
    return digest.hexdigest()


def _canonical(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def _marked(seal: Mapping[str, Any]) -> str:
    return f"{seal['number']} {seal['last_sequence']} {seal['events']} {seal['digest']}"


def _difference(seal: Mapping[str, Any], before: str, lines: Sequence[Mapping[str, Any]]) -> str | None:
    if len(lines) != seal["events"]:
        return f"{seal['events']} lines were sealed, {len(lines)} are there."
    if _digest(before, lines) != seal["digest"]:
        return "a line or a seal was changed."
    return None


def _in_groups(digest: str) -> str:
    """Groups short enough not to be taken for a token and removed from the log."""
    return " ".join(digest[start : start + 8] for start in range(0, len(digest), 8))
