"""The date of birth: one field, day-month-year, in whatever way people and browsers write it (pages.md 2.2.2)."""

import re
import unicodedata
from datetime import date
from typing import Literal

from .spelling import spaced

LONGEST = 40
YOUNGEST, OLDEST = 15, 114
"""A year of two digits is the one that makes the person this old: exactly one of a hundred."""

MONTHS = (
    ("januar", "jänner", "janvier", "gennaio", "january"),
    ("februar", "février", "febbraio", "february"),
    ("märz", "maerz", "mrz", "mars", "marzo", "march"),
    ("april", "avril", "aprile"),
    ("mai", "maggio", "may"),
    ("juni", "juin", "giugno", "june"),
    ("juli", "juillet", "luglio", "july"),
    ("august", "août", "agosto"),
    ("september", "septembre", "settembre"),
    ("oktober", "octobre", "ottobre", "october"),
    ("november", "novembre"),
    ("dezember", "décembre", "dicembre", "december"),
)

_GAP = r"[ ./,-]+"
_YEAR_FIRST = re.compile(rf"(\d{{4}}){_GAP}(\d{{1,2}}){_GAP}(\d{{1,2}})")
_NUMBERS = re.compile(rf"(\d{{1,2}}){_GAP}(\d{{1,2}}){_GAP}(\d{{4}}|\d{{2}})")
_RUN = re.compile(r"(\d{2})(\d{2})(\d{4}|\d{2})")
_WITH_NAME = re.compile(r"(\d{1,2})(?:er|re|st|nd|rd|th|[°o](?![^\W\d_]))?[ ./,-]*([^\W\d_]{3,})[ ./,-]*(\d{4}|\d{2})")
_NAME_FIRST = re.compile(r"([^\W\d_]{3,})[ ./,-]*(\d{1,2})(?:st|nd|rd|th)?[ ./,-]+(\d{4}|\d{2})")

Kind = Literal["empty", "format", "real", "future"]


class BirthDateProblem(ValueError):
    """What is wrong with a date, as the keys `dob.err.*` name it."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(f"not a birth date: {kind}")
        self.kind: Kind = kind


def parse(text: str, today: date) -> date:
    """Read a date of birth; the order is day, month, year, and never guessed."""
    written = _plain(text)
    if not written:
        raise BirthDateProblem("empty")
    day, month, year = _parts(written)
    try:
        born = date(_full_year(year, month, day, today), month, day)
    except ValueError:
        raise BirthDateProblem("real") from None
    if born > today:
        raise BirthDateProblem("future")
    return born


def _parts(written: str) -> tuple[int, int, str]:
    """Day, month and the year as it was written."""
    if len(written) > LONGEST:
        raise BirthDateProblem("format")
    if found := _YEAR_FIRST.fullmatch(written):  # ISO 8601: what `autocomplete=bday` fills in
        return int(found[3]), int(found[2]), found[1]
    if found := _NUMBERS.fullmatch(written) or _RUN.fullmatch(written):
        return int(found[1]), int(found[2]), found[3]
    if found := _WITH_NAME.fullmatch(written):
        return int(found[1]), _month(found[2]), found[3]
    if found := _NAME_FIRST.fullmatch(written):
        return int(found[2]), _month(found[1]), found[3]
    raise BirthDateProblem("format")


def _full_year(year: str, month: int, day: int, today: date) -> int:
    if len(year) == 4:
        return int(year)
    for century in (today.year // 100 * 100, today.year // 100 * 100 - 100, today.year // 100 * 100 - 200):
        full = century + int(year)
        age = today.year - full - ((month, day) > (today.month, today.day))
        if YOUNGEST <= age <= OLDEST:
            return full
    raise BirthDateProblem("real")


def _month(name: str) -> int:
    try:
        return NAMES[_bare(name)]
    except KeyError:
        raise BirthDateProblem("format") from None


def _plain(text: str) -> str:
    return spaced(text).casefold().strip(" .,/-")


def _bare(name: str) -> str:
    """A name without its accents: half of what is typed on a phone has none."""
    return "".join(char for char in unicodedata.normalize("NFD", name) if not unicodedata.combining(char))


def _names() -> dict[str, int]:
    """Every full name and every beginning of three or four letters that means one month only."""
    meanings: dict[str, set[int]] = {}
    for number, names in enumerate(MONTHS, start=1):
        for name in map(_bare, names):
            for spelling in {name, name[:3], name[:4]}:
                meanings.setdefault(spelling, set()).add(number)
    return {spelling: numbers.pop() for spelling, numbers in meanings.items() if len(numbers) == 1}


NAMES = _names()
