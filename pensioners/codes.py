"""Activation codes for everybody who has no account: drawn, printed, and only then in force.

First every code is drawn and printed, then one transaction puts all of them in force and ends the older ones, then the
files get their names. Whatever fails before leaves the old letters valid and no file behind.
"""

import sqlite3
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from datetime import datetime
from datetime import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from typing import Literal

from sqlalchemy import Select
from sqlalchemy import func
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.orm import Session

from idp import audit
from idp.clock import now
from idp.db import db
from idp.db import transaction

from . import activation_code
from .batches import batches
from .letters import Letters
from .letters import Window
from .models import ACTIVE
from .models import ActivationCode
from .models import Pensioner
from .models import code_fingerprint
from .models import new_id
from .printing_file import OPTIONS
from .printing_file import Letter
from .printing_file import PrintingFile
from .private_file import PrivateFiles
from .swiss_time import SWISS_TIME
from .swiss_time import today

VALID_DAYS = 90
BATCH = 500

Progress = Callable[[Literal["print", "write"], int, int], None]


class NobodyWaits(Exception):
    """There is no active person without an account."""


class CampaignExists(Exception):
    """Letters of this campaign have been printed; printing again ends their codes."""

    def __init__(self, campaign: str, codes: int, issued_at: datetime) -> None:
        super().__init__(campaign)
        self.campaign, self.codes, self.issued_at = campaign, codes, issued_at


@dataclass(frozen=True)
class Issued:
    """What was issued."""

    codes: int
    replaced: int
    """Older codes that ended."""
    valid_until: date
    files: tuple[Path, ...]
    unprintable: tuple[tuple[str, str], ...]
    """Whose letter shows other characters than the register, and which it lacks."""


def issue(
    campaign: str,
    output: Path,
    *,
    letters: Path | None = None,
    window: Window = "right",
    valid_days: int = VALID_DAYS,
    again: bool = False,
    progress: Progress = lambda phase, done, total: None,
) -> Issued:
    """Give every active person without an account a new code and print it.

    Raises `NobodyWaits`, and `CampaignExists` or `FileExistsError` unless it is meant `again`.
    """
    if not again:
        _refuse_repetition(campaign)
        _refuse_to_overwrite(output, letters)
    valid_until = last_day(valid_days)
    total = db.session.scalar(select(func.count()).select_from(_eligible().subquery())) or 0
    if not total:
        raise NobodyWaits
    with PrivateFiles() as files, closing(_Drawn()) as drawn:
        with files.open(output, **OPTIONS) as file, Letters(files, letters, window) as pages:
            printing = PrintingFile(file)
            for person in _persons():
                letter = _letter(person, drawn.draw(person.id), campaign, valid_until)
                printing.add(letter)
                pages.add(letter)
                progress("print", drawn.count, total)
        replaced = _put_in_force(drawn, campaign, valid_until, progress)
        return Issued(drawn.count, replaced, valid_until, files.publish(), tuple(pages.unprintable))


def issue_to(pensioner_ids: Iterable[str], campaign: str, *, valid_days: int = VALID_DAYS) -> dict[str, str]:
    """Give these persons a new code each, without printing anything; return the codes by person."""
    with closing(_Drawn()) as drawn:
        codes = {person: drawn.draw(person) for person in pensioner_ids}
        _put_in_force(drawn, campaign, last_day(valid_days), lambda phase, done, total: None)
    return codes


def last_day(valid_days: int) -> date:
    """The last day on which a code issued today is accepted."""
    return today() + timedelta(days=valid_days)


def _refuse_repetition(campaign: str) -> None:
    query = select(func.count(), func.max(ActivationCode.issued_at)).where(ActivationCode.campaign == campaign)
    codes, issued_at = db.session.execute(query).one()
    if codes:
        raise CampaignExists(campaign, codes, issued_at)


def _refuse_to_overwrite(*paths: Path | None) -> None:
    for path in paths:
        if path is not None and path.exists():
            raise FileExistsError(str(path))


def _eligible() -> Select[Pensioner]:
    return select(Pensioner).where(Pensioner.status == ACTIVE, Pensioner.account_id.is_(None))


def _persons() -> Iterator[Pensioner]:
    """Everybody who gets a code, in the order of the person numbers; no transaction stays open meanwhile."""
    last = ""
    while True:
        query = _eligible().where(Pensioner.person_number > last).order_by(Pensioner.person_number).limit(BATCH)
        persons = db.session.scalars(query).all()
        if not persons:
            return
        last = persons[-1].person_number
        db.session.expunge_all()
        db.session.rollback()
        yield from persons


def _letter(person: Pensioner, code: str, campaign: str, valid_until: date) -> Letter:
    return Letter(
        person_number=person.person_number,
        salutation=person.salutation,
        first_name=person.first_name,
        last_name=person.last_name,
        street=person.street or "",
        postcode=person.postcode,
        town=person.town,
        country=person.country,
        language=person.language,
        code=code,
        campaign=campaign,
        valid_until=valid_until,
    )


class _Drawn:
    """The codes of one run until they are in force.

    Only fingerprints, and in a private temporary file, so that memory stays flat.
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("CREATE TABLE drawn (pensioner_id TEXT, fingerprint TEXT)")
        self._db.execute("BEGIN")
        self.count = 0

    def close(self) -> None:
        self._db.close()

    def draw(self, pensioner_id: str) -> str:
        """Draw a code for a person."""
        code = activation_code.new()
        self._db.execute("INSERT INTO drawn VALUES (?, ?)", (pensioner_id, code_fingerprint(code)))
        self.count += 1
        return code

    def __iter__(self) -> Iterator[tuple[str, str]]:
        yield from self._db.execute("SELECT pensioner_id, fingerprint FROM drawn ORDER BY rowid")


def _put_in_force(drawn: _Drawn, campaign: str, valid_until: date, progress: Progress) -> int:
    """Write all codes and end the older ones; return how many ended."""
    issued_at, replaced, done = now(), 0, 0
    values = {"campaign": campaign, "issued_at": issued_at, "expires_at": end_of(valid_until)}
    with transaction() as session:
        for batch in batches(drawn, BATCH):
            replaced += _end_older(session, [person for person, _ in batch], issued_at)
            _insert(session, batch, values)
            progress("write", done := done + len(batch), drawn.count)
        audit.record("activation_codes_issued", subject=campaign, codes=drawn.count, replaced=replaced)
    return replaced


def end_open() -> int:
    """End every code that is still open; how many. Whoever has one needs a new letter."""
    with transaction() as session:
        open_codes = update(ActivationCode).where(*ActivationCode.is_untouched()).values(replaced_at=now())
        ended: Any = session.execute(open_codes, execution_options={"synchronize_session": False})
        audit.record("activation_codes_ended", codes=ended.rowcount)
    return int(ended.rowcount)


def end_of(day: date) -> datetime:
    """Midnight after a day in Switzerland: the letter says "until" and means the whole day."""
    return datetime.combine(day + timedelta(days=1), time(), SWISS_TIME)


def _end_older(session: Session, persons: list[str], moment: datetime) -> int:
    statement = (
        update(ActivationCode)
        .where(ActivationCode.pensioner_id.in_(persons), *ActivationCode.is_untouched())
        .values(replaced_at=moment)
    )
    done: Any = session.execute(statement, execution_options={"synchronize_session": False})
    return int(done.rowcount)


def _insert(session: Session, batch: list[tuple[str, str]], values: dict[str, Any]) -> None:
    """Insert the codes of a batch; who left or died while the letters were printed gets one that is void."""
    statuses = select(Pensioner.id, Pensioner.status).where(Pensioner.id.in_([person for person, _ in batch]))
    left = {person: status for person, status in session.execute(statuses) if status != ACTIVE}
    rows = [
        values
        | {"id": new_id(), "pensioner_id": person, "code_fingerprint": fingerprint}
        | {"void_reason": left.get(person)}
        for person, fingerprint in batch
    ]
    session.execute(insert(ActivationCode.__table__), rows)  # type: ignore[arg-type]
