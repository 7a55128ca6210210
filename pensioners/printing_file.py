"""The file for the fund's own printing: one line a person, with the code in clear.

Semicolons and a byte order mark, as spreadsheets in Switzerland expect it. No cell can be taken for a formula.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import IO

from . import activation_code

COLUMNS = (
    "person_number",
    "salutation",
    "first_name",
    "last_name",
    "street",
    "postcode",
    "town",
    "country",
    "language",
    "activation_code",
    "campaign",
    "valid_until",
)
OPTIONS = {"encoding": "utf-8-sig", "newline": ""}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True, slots=True)
class Letter:
    """What is printed for one person."""

    person_number: str
    salutation: str
    first_name: str
    last_name: str
    street: str
    postcode: str
    town: str
    country: str
    language: str
    code: str
    campaign: str
    valid_until: date


class PrintingFile:
    """Lines written one by one."""

    def __init__(self, file: IO[str]) -> None:
        self._writer = csv.writer(file, delimiter=";")
        self._writer.writerow(COLUMNS)

    def add(self, letter: Letter) -> None:
        """Write one person's line."""
        self._writer.writerow(
            harmless(
                (
                    letter.person_number,
                    letter.salutation,
                    letter.first_name,
                    letter.last_name,
                    letter.street,
                    letter.postcode,
                    letter.town,
                    letter.country,
                    letter.language,
                    activation_code.show(letter.code),
                    letter.campaign,
                    letter.valid_until.isoformat(),
                )
            )
        )


def harmless(cells: Sequence[str]) -> list[str]:
    """The cells, with an apostrophe before what a spreadsheet would run as a formula (CWE-1236)."""
    return [f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell for cell in cells]
