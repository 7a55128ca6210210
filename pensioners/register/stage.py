"""The stage between file and register: a private temporary SQLite file, so that memory stays flat.

It holds what the register had when the import began and what the file brings, both known by number and fingerprint;
what is new or changed lies here sealed, ready to be written. Nobody else sees it, and it goes with the process.
"""

import sqlite3
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Literal

WRITTEN = (
    "id",
    "person_number",
    "ahv_sealed",
    "ahv_fingerprint",
    "birth_date_sealed",
    "salutation",
    "first_name",
    "last_name",
    "street_sealed",
    "postcode",
    "town",
    "country",
    "language",
    "email_sealed",
    "email_fingerprint",
    "entitlement",
    "status",
    "row_hash",
)
"""The columns of `pensioner` that come from the file."""

State = Literal["new", "changed", "unchanged", "resealed"]
"""`resealed`: nothing changed but the root secret, so it is written anew and counts as unchanged."""

_SCHEMA = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE register (
    person_number TEXT PRIMARY KEY, id TEXT NOT NULL, ahv TEXT NOT NULL, row_hash TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX register_ahv ON register (ahv);
CREATE TABLE mentioned (person_number TEXT PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE ahv (fingerprint TEXT PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE problem (line INTEGER NOT NULL, reason TEXT NOT NULL);
CREATE INDEX problem_line ON problem (line);
CREATE TABLE staged (line INTEGER PRIMARY KEY, state TEXT NOT NULL, {", ".join(WRITTEN)});
CREATE INDEX staged_person ON staged (person_number);
"""

_CONFLICTS = """
SELECT staged.line, register.person_number
FROM staged JOIN ahv ON ahv.line = staged.line JOIN register ON register.ahv = ahv.fingerprint
WHERE register.person_number <> staged.person_number
  AND NOT EXISTS (SELECT 1 FROM staged AS other WHERE other.person_number = register.person_number)
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What the register had of a person when the import began."""

    id: str
    ahv_fingerprint: str
    row_hash: str


class Stage:
    """One import's temporary tables; close it when done."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._db.execute("BEGIN")

    def close(self) -> None:
        self._db.close()

    def remember(self, persons: Iterable[Sequence[str]]) -> None:
        """Take the register in: person number, id, AHV fingerprint, row hash."""
        self._db.executemany("INSERT INTO register VALUES (?, ?, ?, ?)", persons)

    def known(self, person_number: str) -> Known | None:
        """What the register has of this person."""
        query = "SELECT id, ahv, row_hash FROM register WHERE person_number = ?"
        found = self._db.execute(query, (person_number,)).fetchone()
        return Known(*found) if found else None

    def mention(self, line: int, person_number: str) -> int | None:
        """Note that the file names this person; return the line that did so before."""
        return self._first(line, "mentioned", "person_number", person_number)

    def claim_ahv(self, line: int, fingerprints: Sequence[str]) -> int | None:
        """Note that the file holds this AHV number; return the line that held it before."""
        earlier = [self._first(line, "ahv", "fingerprint", each) for each in fingerprints]
        return earlier[0]

    def _first(self, line: int, table: str, column: str, value: str) -> int | None:
        done = self._db.execute(f"INSERT OR IGNORE INTO {table} VALUES (?, ?)", (value, line))  # noqa: S608 - constants
        if done.rowcount == 1:
            return None
        found = self._db.execute(f"SELECT line FROM {table} WHERE {column} = ?", (value,)).fetchone()  # noqa: S608
        return int(found[0])

    def add(self, line: int, state: State, values: dict[str, Any]) -> None:
        """Put a good row on the stage; an unchanged one needs its names only."""
        marks = ", ".join("?" * (len(WRITTEN) + 2))
        self._db.execute(
            f"INSERT INTO staged VALUES ({marks})",  # noqa: S608 - question marks
            (line, state, *(values.get(column) for column in WRITTEN)),
        )

    def refuse(self, line: int, reason: str) -> None:
        """Note what is wrong with a line."""
        self._db.execute("INSERT INTO problem VALUES (?, ?)", (line, reason))

    def refuse_conflicts(self) -> None:
        """Refuse rows with an AHV number that another person of the register keeps.

        One refusal can cause the next (the refused row keeps its old number), so this runs until nothing is found.
        """
        while conflicts := self._db.execute(f"{_CONFLICTS} LIMIT 1000").fetchall():
            for line, person_number in conflicts:
                self.refuse(line, f"ahv_number: belongs to person {person_number} in the register")
                self._db.execute("DELETE FROM staged WHERE line = ?", (line,))

    def problems(self) -> Iterator[tuple[int, str]]:
        """Everything that is wrong, in the order of the file."""
        yield from self._db.execute("SELECT line, reason FROM problem ORDER BY line, rowid")

    def count_bad_lines(self) -> int:
        return self._count("SELECT count(DISTINCT line) FROM problem")

    def count(self, *states: State) -> int:
        """How many rows stand on the stage in one of these states."""
        return sum(self._count("SELECT count(*) FROM staged WHERE state = ?", state) for state in states)

    def count_gone(self) -> int:
        """How many persons of the register the file does not name."""
        return self._count(
            "SELECT count(*) FROM register WHERE person_number NOT IN (SELECT person_number FROM mentioned)"
        )

    def gone(self, limit: int) -> list[str]:
        """The person numbers the file does not name, the first ones of them."""
        query = "SELECT person_number FROM register EXCEPT SELECT person_number FROM mentioned ORDER BY 1 LIMIT ?"
        return [row[0] for row in self._db.execute(query, (limit,))]

    def rows(self, *states: State) -> Iterator[dict[str, Any]]:
        """The staged rows in these states, in the order of the file."""
        marks = ", ".join("?" * len(states))
        query = f"SELECT {', '.join(WRITTEN)} FROM staged WHERE state IN ({marks}) ORDER BY line"  # noqa: S608
        for values in self._db.execute(query, states):
            yield dict(zip(WRITTEN, values, strict=True))

    def moved_ahv(self) -> Iterator[str]:
        """Ids of persons whose AHV number changes: another one of them may be taking it over."""
        query = """SELECT staged.id FROM staged JOIN register USING (person_number)
                   WHERE staged.state = 'changed' AND staged.ahv_fingerprint <> register.ahv"""
        yield from (row[0] for row in self._db.execute(query))

    def ids(self, state: State) -> Iterator[str]:
        """Ids of the persons staged in this state."""
        yield from (row[0] for row in self._db.execute("SELECT id FROM staged WHERE state = ?", (state,)))

    def _count(self, query: str, *values: str) -> int:
        return int(self._db.execute(query, values).fetchone()[0])
