"""The import, top to bottom: read the file, compare it with the register, write what is new in one transaction.

Nothing is written while anything in the file is wrong, unless bad rows are to be skipped. The same file a second time
changes nothing.
"""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import select

from idp.clock import now
from idp.db import db
from idp.email_address import canonical
from idp.provider import provider

from ..models import Pensioner
from ..models import RegisterImport
from ..models import ahv_fingerprint
from ..models import email_fingerprint
from ..models import new_id
from ..swiss_time import today as swiss_today
from .file import Line
from .file import read as read_lines
from .row import BadRow
from .row import Row
from .row import read as read_row
from .stage import WRITTEN
from .stage import Stage
from .stage import State
from .write import Progress
from .write import write

GONE_SHOWN = 50

Report = Callable[[int, str], None]
"""Called with line number and reason for everything that is wrong, in the order of the file."""


@dataclass(frozen=True)
class Summary:
    """What an import did, or would do."""

    new: int
    changed: int
    unchanged: int
    gone: int
    gone_persons: tuple[str, ...]
    """Person numbers the file no longer has, the first ones; they are reported and not touched."""
    bad: int
    """Lines that were refused."""
    written: bool = False
    closed: int = 0
    """Accounts closed because the person left or died."""
    reopened: int = 0


def import_file(
    path: Path,
    *,
    dry_run: bool = False,
    skip_bad: bool = False,
    report: Report = lambda line, reason: None,
    progress: Progress = lambda phase, done, total: None,
) -> Summary:
    """Bring the register up to date with a file; raise `BadFile` or `Overtaken`."""
    with closing(Stage()) as stage:
        follows = _remember_register(stage)
        _stage_file(path, stage, progress)
        stage.refuse_conflicts()
        for line, reason in stage.problems():
            report(line, reason)
        summary = _summary(stage)
        if dry_run or (summary.bad and not skip_bad):
            return summary
        closed, reopened = write(stage, _record(path, summary, follows), progress)
        return replace(summary, written=True, closed=closed, reopened=reopened)


def _remember_register(stage: Stage) -> str:
    """Take the register as it stands onto the stage; return the import it came from.

    With a wrong root secret every row would look changed, so one of them is opened first (`WrongKey`).
    """
    if anybody := db.session.scalar(select(Pensioner).limit(1)):
        _ = anybody.ahv_number
    newest = select(RegisterImport.id).order_by(RegisterImport.at.desc()).limit(1)
    follows = db.session.scalar(newest) or ""
    columns = (Pensioner.person_number, Pensioner.id, Pensioner.ahv_fingerprint, Pensioner.row_hash)
    persons = db.session.execute(select(*columns), execution_options={"yield_per": 1000})
    stage.remember(tuple(person) for person in persons)
    db.session.rollback()
    return follows


def _stage_file(path: Path, stage: Stage, progress: Progress) -> None:
    total = path.stat().st_size
    today = swiss_today()
    for line in read_lines(path):
        row = _checked(line, stage, today)
        if row is not None:
            _stage_row(line.number, row, stage)
        if line.number % 500 == 0:
            progress("read", line.position, total)
    progress("read", total, total)


def _checked(line: Line, stage: Stage, today: date) -> Row | None:
    """The row of a line; None, and the reasons noted, where anything is wrong with it."""
    problems = [line.problem] if line.problem else []
    row, person_number, ahv = None, "", ""
    if line.fields is not None:
        try:
            row = read_row(line.fields, today)
            person_number, ahv = row.person_number, row.ahv_number
        except BadRow as bad:
            problems += bad.problems
            person_number, ahv = bad.person_number, bad.ahv_number
    problems += _duplicates(line.number, person_number, ahv, stage)
    for problem in problems:
        stage.refuse(line.number, problem)
    return None if problems else row


def _duplicates(line: int, person_number: str, ahv: str, stage: Stage) -> Iterator[str]:
    if person_number and (first := stage.mention(line, person_number)):
        yield f"person_number: {person_number} stands on line {first} already"
    if ahv and (first := stage.claim_ahv(line, provider.vault.fingerprints("ahv", ahv))):
        yield f"ahv_number: stands on line {first} already"


def _stage_row(line: int, row: Row, stage: Stage) -> None:
    hashes = provider.vault.fingerprints("register row", row.canonical())
    known = stage.known(row.person_number)
    state: State = "new"
    if known is not None:
        state = "changed"
        if known.row_hash in hashes:
            state = "unchanged" if known.row_hash == hashes[0] else "resealed"
    person = known.id if known else new_id()
    if state == "unchanged":
        stage.add(line, state, {"id": person, "person_number": row.person_number})
    else:
        stage.add(line, state, _sealed(row, person, hashes[0]))


def _sealed(row: Row, person: str, row_hash: str) -> dict[str, Any]:
    """The row as the table keeps it."""
    pensioner = Pensioner(
        id=person,
        person_number=row.person_number,
        ahv_number=row.ahv_number,
        ahv_fingerprint=ahv_fingerprint(row.ahv_number),
        birth_date_text=row.birth_date,
        salutation=row.salutation,
        first_name=row.first_name,
        last_name=row.last_name,
        street=row.street,
        postcode=row.postcode,
        town=row.town,
        country=row.country,
        language=row.language,
        email=row.email or None,
        email_fingerprint=email_fingerprint(canonical(row.email)) if row.email else None,
        entitlement=row.entitlement,
        status=row.status,
        row_hash=row_hash,
    )
    return {column: getattr(pensioner, column) for column in WRITTEN}


def _summary(stage: Stage) -> Summary:
    return Summary(
        new=stage.count("new"),
        changed=stage.count("changed"),
        unchanged=stage.count("unchanged", "resealed"),
        gone=stage.count_gone(),
        gone_persons=tuple(stage.gone(GONE_SHOWN)),
        bad=stage.count_bad_lines(),
    )


def _record(path: Path, summary: Summary, follows: str) -> RegisterImport:
    return RegisterImport(
        id=new_id(),
        follows=follows,
        at=now(),
        file_name=path.name,
        new=summary.new,
        changed=summary.changed,
        unchanged=summary.unchanged,
        gone=summary.gone,
        skipped=summary.bad,
    )
