"""One row of the register: read, checked, and brought to one form."""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache

from babel import Locale

from idp import email_address
from idp.languages import LANGUAGES

from .. import ahv_number
from ..models import STATUSES

COLUMNS = (
    "person_number",
    "ahv_number",
    "birth_date",
    "salutation",
    "first_name",
    "last_name",
    "street",
    "postcode",
    "town",
    "country",
    "language",
    "email",
    "entitlement",
    "status",
)
OPTIONAL = frozenset({"salutation", "street", "postcode", "country", "email", "entitlement"})
"""What may be empty; no country means Switzerland."""
LONGEST = 200
OLDEST_YEARS = 125

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SWISS_DATE = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")

_AHV_REASONS = {
    "length": "has {count} digits instead of 13",
    "prefix": "does not begin with 756",
    "check": "the check digit is wrong",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A person as the register's file tells it, every field in one form."""

    person_number: str
    ahv_number: str
    birth_date: str
    salutation: str
    first_name: str
    last_name: str
    street: str
    postcode: str
    town: str
    country: str
    language: str
    email: str
    entitlement: str
    status: str

    def canonical(self) -> str:
        """The row as one text: equal for equal rows, however the file wrote them."""
        return json.dumps([getattr(self, column) for column in COLUMNS], ensure_ascii=False)


class BadRow(ValueError):
    """What is wrong with a row, column by column; it keeps the numbers that could be read all the same."""

    def __init__(self, problems: list[str], person_number: str, ahv: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
        self.person_number = person_number
        self.ahv_number = ahv


def read(fields: Mapping[str, str], today: date) -> Row:
    """Read a row or say everything that is wrong with it; no personal data stands in what is said."""
    problems: list[str] = []
    values: dict[str, str] = {}
    for column in COLUMNS:
        try:
            values[column] = _read_field(column, fields[column], today)
        except ValueError as problem:
            problems.append(f"{column}: {problem}")
            values[column] = ""
    if problems:
        raise BadRow(problems, values["person_number"], values["ahv_number"])
    return Row(**values)


def _read_field(column: str, text: str, today: date) -> str:
    value = unicodedata.normalize("NFC", text).strip()
    if not value:
        if column in OPTIONAL:
            return "CH" if column == "country" else ""
        raise ValueError("is empty")
    if len(value) > LONGEST:
        raise ValueError(f"is longer than {LONGEST} characters")
    if _CONTROL.search(value):
        raise ValueError("holds a control character")
    match column:
        case "ahv_number":
            return _ahv_number(value)
        case "birth_date":
            return _birth_date(value, today)
        case "country":
            return _country(value)
        case "language":
            return _one_of(value, LANGUAGES)
        case "status":
            return _one_of(value, STATUSES)
        case "email":
            return _email(value)
        case _:
            return value


def _ahv_number(value: str) -> str:
    try:
        return ahv_number.parse(value)
    except ahv_number.AhvProblem as problem:
        reason = _AHV_REASONS.get(problem.kind, "is empty")
        raise ValueError(reason.format(count=problem.count)) from None


def _birth_date(value: str, today: date) -> str:
    """The date in ISO form; the file has two spellings only, so that none is guessed."""
    if found := _SWISS_DATE.fullmatch(value):
        day, month, year = found.groups()
    elif found := _ISO_DATE.fullmatch(value):
        year, month, day = found.groups()
    else:
        raise ValueError("is neither 27.03.1948 nor 1948-03-27")
    try:
        born = date(int(year), int(month), int(day))
    except ValueError:
        raise ValueError("no such date exists") from None
    if born > today:
        raise ValueError("lies in the future")
    if today.year - born.year > OLDEST_YEARS:
        raise ValueError(f"lies more than {OLDEST_YEARS} years back")
    return born.isoformat()


def _one_of(value: str, allowed: tuple[str, ...]) -> str:
    if value.lower() not in allowed:
        raise ValueError(f"must be one of {', '.join(allowed)}")
    return value.lower()


def _email(value: str) -> str:
    try:
        return email_address.parse(value)
    except email_address.EmailProblem:
        raise ValueError("is no e-mail address") from None


def _country(value: str) -> str:
    try:
        return _countries()[value.casefold()]
    except KeyError:
        raise ValueError("is no country code (ISO 3166, two letters) and no country's name") from None


@cache
def _countries() -> dict[str, str]:
    """Every code and every name in the four languages, as the code."""
    codes: dict[str, str] = {}
    for language in LANGUAGES:
        for code, name in Locale(language).territories.items():
            if len(code) == 2 and code not in {"EU", "EZ", "UN", "XA", "XB", "QO", "ZZ"}:
                codes[name.casefold()] = codes[code.casefold()] = code
    return codes
