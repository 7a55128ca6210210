"""A small register to test with: files, persons, accounts."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idp.clock import now
from idp.db import db
from idp.db import transaction
from idp.models import Account
from pensioners import codes
from pensioners.models import Pensioner
from pensioners.register import Summary
from pensioners.register import import_file

CLAIRE = {
    "person_number": "10001",
    "ahv_number": "756.1234.5678.97",
    "birth_date": "27.03.1948",
    "salutation": "Madame",
    "first_name": "Claire",
    "last_name": "Exemple",
    "street": "Rue de la Fiction 12",
    "postcode": "1202",
    "town": "Genève",
    "country": "CH",
    "language": "fr",
    "email": "claire@example.org",
    "entitlement": "retirement",
    "status": "active",
}
HANS = CLAIRE | {
    "person_number": "10002",
    "ahv_number": "756.9217.0769.85",
    "birth_date": "1951-11-14",
    "salutation": "Herr",
    "first_name": "Hans",
    "last_name": "Muster",
    "street": "Beispielweg 108",
    "postcode": "8004",
    "town": "Zürich",
    "language": "de",
    "email": "",
}


def ahv(number: int) -> str:
    """A fictive AHV number with a right check digit."""
    digits = f"756{number:09}"
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return digits + str(-weighted % 10)


def somebody(number: int, **values: str) -> dict[str, str]:
    """A person of whom only the number matters."""
    person = {"person_number": str(number), "ahv_number": ahv(number), "email": f"person{number}@example.org"}
    return CLAIRE | person | values


@pytest.fixture
def persons() -> Callable[..., dict[str, str]]:
    return somebody


@pytest.fixture
def claire() -> dict[str, str]:
    return dict(CLAIRE)


@pytest.fixture
def hans() -> dict[str, str]:
    return dict(HANS)


@pytest.fixture
def write_csv(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows as the fund's file would have them."""

    def write(*rows: dict[str, str], separator: str = ";", encoding: str = "utf-8") -> Path:
        path = tmp_path / "register.csv"
        with path.open("w", newline="", encoding=encoding) as file:
            writer = csv.DictWriter(file, list(CLAIRE), delimiter=separator)
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write


@pytest.fixture
def load(write_csv: Callable[..., Path]) -> Callable[..., Summary]:
    """Imports rows; nothing in them is bad."""

    def load(*rows: dict[str, str]) -> Summary:
        summary = import_file(write_csv(*rows))
        assert summary.written
        return summary

    return load


@pytest.fixture
def person() -> Callable[[str], Pensioner]:
    """Finds a person by number, as the database has it now."""

    def find(number: str = "10001") -> Pensioner:
        db.session.rollback()
        return db.session.query(Pensioner).filter_by(person_number=number).one()

    return find


@pytest.fixture
def give_code(person: Callable[[str], Pensioner]) -> Callable[..., str]:
    """Gives a person a new activation code and returns it."""

    def give(number: str = "10001", **options: Any) -> str:
        id = person(number).id
        return codes.issue_to([id], "test", **options)[id]

    return give


def new_account(**values: Any) -> Account:
    given = {
        "email": "claire@example.org",
        "email_fingerprint": "claire",
        "email_verified_at": now(),
        "password_hash": "$argon2id$",
        "language": "fr",
        "terms_version": "1",
        "terms_accepted_at": now(),
    }
    return Account(**{**given, **values})


@pytest.fixture
def account_of(person: Callable[[str], Pensioner]) -> Callable[..., str]:
    """Gives a person an account, as if enrolled, and returns its id."""

    def give(number: str = "10001", **values: Any) -> str:
        id = person(number).id
        with transaction() as session:
            account = new_account(**values)
            session.add(account)
            session.flush()
            pensioner = session.get_one(Pensioner, id)
            pensioner.account_id, pensioner.enrolled_at = account.id, now()
            return account.id

    return give


@pytest.fixture
def make_account() -> Callable[..., Account]:
    return new_account
