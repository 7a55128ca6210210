"""The fictive register of `make run`, and the codes that would be on its letters (decision 36).

Development only: production keeps fingerprints, here the codes are kept in clear in `demo-codes.csv` so that a newcomer
can enrol without a letter.
"""

import csv
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select

from idp.clock import now
from idp.db import db
from idp.provider import provider

from . import activation_code
from . import ahv_number
from . import codes
from .models import ACTIVE
from .models import ActivationCode
from .models import Pensioner
from .models import code_fingerprint
from .private_file import PrivateFiles
from .register import import_file

REGISTER = Path(__file__).parent.parent / "demo" / "register.csv"
CODES = "demo-codes.csv"
CAMPAIGN = "demo"
COLUMNS = ("person_number", "name", "ahv_number", "birth_date", "activation_code", "language")
SHOWN = 3


@dataclass(frozen=True)
class DemoPerson:
    """Somebody who can be enrolled, with what to type."""

    person_number: str
    name: str
    ahv_number: str
    birth_date: str
    activation_code: str
    language: str


def load_demo(folder: Path, register: Path = REGISTER) -> list[DemoPerson]:
    """Import the fictive register, see that everybody without an account has a code, and return the first three."""
    if not provider.settings.development:
        raise RuntimeError("The fictive register is for development only.")
    summary = import_file(register)
    if not summary.written:
        raise ValueError(f"{register} has {summary.bad} bad lines.")
    path = folder / CODES
    persons = _persons_with_codes(_listed(path))
    _write(path, persons)
    return persons[:SHOWN]


def _listed(path: Path) -> dict[str, str]:
    """The codes written before, by person number."""
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        return {row["person_number"]: activation_code.parse(row["activation_code"]) for row in rows}


def _persons_with_codes(listed: dict[str, str]) -> list[DemoPerson]:
    """Everybody who can enrol with a code that is known here, in the order of the person numbers."""
    eligible = select(Pensioner).where(Pensioner.status == ACTIVE, Pensioner.account_id.is_(None))
    persons = {
        person.id: _demo_person(person) for person in db.session.scalars(eligible.order_by(Pensioner.person_number))
    }
    known = _known_codes(persons, listed)
    return [
        replace(person, activation_code=activation_code.show(known[id]))
        for id, person in persons.items()
        if id in known
    ]


def _known_codes(persons: dict[str, DemoPerson], listed: dict[str, str]) -> dict[str, str]:
    """The codes by person: those listed that still hold, and new ones for whoever has none.

    A code of another campaign stays: somebody has printed letters and wants to try them.
    """
    open_codes = _open_codes()
    known: dict[str, str] = {}
    lacking: list[str] = []
    for id, person in persons.items():
        code, found = listed.get(person.person_number), open_codes.get(id)
        if code is not None and found is not None and found.code_fingerprint == code_fingerprint(code):
            known[id] = code
        elif found is None or found.campaign == CAMPAIGN:
            lacking.append(id)
    return known | codes.issue_to(lacking, CAMPAIGN) if lacking else known


def _open_codes() -> dict[str, ActivationCode]:
    still_open = (ActivationCode.expires_at > now(), *ActivationCode.is_untouched())
    found = db.session.scalars(select(ActivationCode).where(*still_open))
    return {code.pensioner_id: code for code in found}


def _demo_person(person: Pensioner) -> DemoPerson:
    return DemoPerson(
        person_number=person.person_number,
        name=f"{person.first_name} {person.last_name}",
        ahv_number=ahv_number.show(person.ahv_number),
        birth_date=person.birth_date.strftime("%d.%m.%Y"),
        activation_code="",
        language=person.language,
    )


def _write(path: Path, persons: list[DemoPerson]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with PrivateFiles() as files:
        with files.open(path, newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(asdict(person) for person in persons)
        files.publish()
