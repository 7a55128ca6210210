"""The one transaction that changes the register: everything of a file, or nothing.

Rows come sealed from the stage, so the transaction only writes: its length is that of the SQL alone. Rows are locked in
the order person, code, account, as `activation.consume` does, so that the two never wait for each other in a circle.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from typing import Literal

from sqlalchemy import bindparam
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from idp import audit
from idp import endings
from idp.db import transaction
from idp.models import Account

from ..batches import batches
from ..models import ACTIVE
from ..models import STATUSES
from ..models import ActivationCode
from ..models import Pensioner
from ..models import RegisterImport
from .stage import WRITTEN
from .stage import Stage

BATCH = 500

Progress = Callable[[Literal["read", "write"], int, int], None]
"""Called with the phase, what is done and what there is: bytes when reading, rows when writing."""


class Overtaken(Exception):
    """Another import was written since this one looked at the register: nothing was written, run it again."""


def write(stage: Stage, record: RegisterImport, progress: Progress) -> tuple[int, int]:
    """Write what is staged; return how many accounts were closed and how many opened again."""
    with transaction() as session:
        _take_turn(session, record)
        total = stage.count("new", "changed", "resealed")
        done = closed = reopened = 0
        _park_moved_ahv_numbers(session, stage)
        for rows in batches(stage.rows("new"), BATCH):
            _insert(session, rows, record)
            progress("write", done := done + len(rows), total)
        for rows in batches(stage.rows("changed", "resealed"), BATCH):
            _update(session, rows, record)
            closed += _close_accounts(session, rows, record.at)
            reopened += _reopen_accounts(session, rows)
            progress("write", done := done + len(rows), total)
        _mark_seen(session, stage, record)
        _tell_audit(record, closed, reopened)
    return closed, reopened


def _take_turn(session: Session, record: RegisterImport) -> None:
    """Insert the import as the one successor of the import that was looked at: of two at a time, one can."""
    try:
        session.add(record)
        session.flush()
    except IntegrityError:
        raise Overtaken("Another import was written in the meantime; run this one again.") from None


def _park_moved_ahv_numbers(session: Session, stage: Stage) -> None:
    """Free the numbers that are changing hands: two persons may be exchanging theirs."""
    for ids in batches(stage.moved_ahv(), BATCH):
        session.execute(
            update(Pensioner).where(Pensioner.id.in_(ids)).values(ahv_fingerprint="moving:" + Pensioner.id),
            execution_options={"synchronize_session": False},
        )


def _insert(session: Session, rows: list[dict[str, Any]], record: RegisterImport) -> None:
    times = {"imported_at": record.at, "updated_at": record.at, "seen_in_import": record.id}
    session.execute(insert(Pensioner.__table__), [row | times for row in rows])  # type: ignore[arg-type]


def _update(session: Session, rows: list[dict[str, Any]], record: RegisterImport) -> None:
    table: Any = Pensioner.__table__
    columns: dict[str, Any] = {column: bindparam(f"new_{column}") for column in WRITTEN if column != "id"}
    statement = (
        update(table)
        .where(table.c.id == bindparam("row"))
        .values(columns | {"updated_at": record.at, "seen_in_import": record.id})
    )
    session.execute(statement, [{"row": row["id"]} | {f"new_{name}": row[name] for name in columns} for row in rows])


def _close_accounts(session: Session, rows: list[dict[str, Any]], moment: datetime) -> int:
    """End sign-in, sessions, tokens and open codes of whoever left or died (decision 29)."""
    closed = 0
    for status in STATUSES:
        ids = [row["id"] for row in rows if row["status"] == status]
        if status == ACTIVE or not ids:
            continue
        _void_open_codes(session, ids, status)
        closed += _disable(session, ids, status, moment)
    return closed


def _void_open_codes(session: Session, ids: list[str], status: str) -> None:
    session.execute(
        update(ActivationCode)
        .where(ActivationCode.pensioner_id.in_(ids), *ActivationCode.is_untouched())
        .values(void_reason=status),
        execution_options={"synchronize_session": False},
    )


def _disable(session: Session, ids: list[str], status: str, moment: datetime) -> int:
    """Close the accounts that are open; one that staff closed before stays as they left it."""
    open_accounts = (
        select(Pensioner.id, Pensioner.person_number, Account.id)
        .join(Account, Account.id == Pensioner.account_id)
        .where(Pensioner.id.in_(ids), Account.disabled_at.is_(None))
    )
    found = session.execute(open_accounts).all()
    if not found:
        return 0
    accounts = [account for _, _, account in found]
    _execute(
        session,
        update(Pensioner).where(Pensioner.id.in_([id for id, _, _ in found])).values(access_ended_at=moment),
        update(Account).where(Account.id.in_(accounts)).values(disabled_at=moment),
    )
    endings.end_accounts(accounts, status)
    for _, person_number, account in found:
        audit.record("account_closed", account_id=account, subject=person_number, reason=status)
    return len(found)


def _reopen_accounts(session: Session, rows: list[dict[str, Any]]) -> int:
    """Open again what an import closed, and nothing that staff closed since."""
    ids = [row["id"] for row in rows if row["status"] == ACTIVE]
    ended = (
        select(Pensioner.id, Pensioner.person_number, Account.id, Account.disabled_at, Pensioner.access_ended_at)
        .join(Account, Account.id == Pensioner.account_id)
        .where(Pensioner.id.in_(ids), Pensioner.access_ended_at.is_not(None))
    )
    found = session.execute(ended).all()
    if not found:
        return 0
    accounts = [(account, number) for _, number, account, disabled, closed in found if disabled == closed]
    _execute(
        session,
        update(Pensioner).where(Pensioner.id.in_([row[0] for row in found])).values(access_ended_at=None),
        update(Account).where(Account.id.in_([account for account, _ in accounts])).values(disabled_at=None),
    )
    for account, person_number in accounts:
        audit.record("account_reopened", account_id=account, subject=person_number, reason=ACTIVE)
    return len(accounts)


def _execute(session: Session, *statements: Any) -> None:
    for statement in statements:
        session.execute(statement, execution_options={"synchronize_session": False})


def _mark_seen(session: Session, stage: Stage, record: RegisterImport) -> None:
    """Note for the unchanged that they stood in the file; last, because it touches most rows."""
    for ids in batches(stage.ids("unchanged"), BATCH):
        session.execute(
            update(Pensioner).where(Pensioner.id.in_(ids)).values(seen_in_import=record.id),
            execution_options={"synchronize_session": False},
        )


def _tell_audit(record: RegisterImport, closed: int, reopened: int) -> None:
    audit.record(
        "register_import",
        subject=record.id,
        new=record.new,
        changed=record.changed,
        gone=record.gone,
        skipped=record.skipped,
        closed=closed,
        reopened=reopened,
    )
