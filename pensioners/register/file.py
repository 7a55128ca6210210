"""The file as it comes: bytes to lines to fields, each line on its own so that one bad line spoils no other.

Comma, semicolon or tab, UTF-8 with or without BOM, quoted as CSV is (RFC 4180) but for one thing: a field does not run
over the end of a line, because a forgotten quotation mark would swallow the rows after it.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from .row import COLUMNS

LONGEST_LINE = 16 * 1024
SEPARATORS = (",", ";", "\t")
UNCLOSED = "a quotation mark is opened and not closed; write each person on one line, without line breaks in a field"
BOM_UTF8 = b"\xef\xbb\xbf"
BOMS_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class BadFile(ValueError):
    """The file as a whole cannot be read; the text says why, with the line."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file: its fields by name as far as they could be read, and what is wrong with it."""

    number: int
    fields: dict[str, str] | None
    problem: str | None
    position: int
    """How many bytes of the file have been read."""


def read(path: Path) -> Iterator[Line]:
    """Read the lines after the header; raise `BadFile` where there is no right header."""
    with path.open("rb") as file:
        separator, columns = _header(file)
        number, position, unclosed = 1, 0, 0
        while raw := file.readline(LONGEST_LINE):
            number, position = number + 1, position + len(raw)
            too_long = len(raw) == LONGEST_LINE and not raw.endswith(b"\n")
            if too_long:
                _skip_rest(file)
            line = _line(raw, number, separator, columns, position, too_long=too_long)
            if line is not None:
                yield _told_as_rest(line, unclosed)
                unclosed = _begin_of_rest(line, unclosed)


def _told_as_rest(line: Line, unclosed: int) -> Line:
    """The line, with the one named in which a quotation mark was opened before it."""
    if not unclosed or line.fields is not None:
        return line
    return replace(line, problem=f"{line.problem} (it may be the rest of line {unclosed})")


def _begin_of_rest(line: Line, unclosed: int) -> int:
    """The line with the open quotation mark that the next one may belong to; 0 where there is none."""
    if line.problem == UNCLOSED:
        return line.number if not unclosed else 0
    return unclosed if line.fields is None else 0


def _header(file: BinaryIO) -> tuple[str, list[str]]:
    raw = file.readline(LONGEST_LINE)
    if raw.startswith(BOMS_UTF16):
        raise BadFile("line 1: the file is UTF-16; save it as CSV in UTF-8")
    try:
        text = raw.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError:
        raise BadFile("line 1: the file is not UTF-8; save it as CSV in UTF-8") from None
    if "\r" in text.rstrip("\r\n"):
        raise BadFile("line 1: the lines end with CR alone, as on old Macs; save the file as CSV in UTF-8 anew")
    if text.lower().startswith("sep="):
        raise BadFile("line 1: sep=… names no columns; remove this line")
    if not text.strip():
        raise BadFile("line 1: the first line must name the columns, and it is empty")
    splits = {separator: _names(text, separator) for separator in SEPARATORS}
    separator = max(SEPARATORS, key=lambda each: len(set(COLUMNS) & set(splits[each])))
    columns = splits[separator]
    if not columns:
        raise BadFile("line 1: a quotation mark is missing or misplaced")
    _check_header(columns)
    return separator, columns


def _names(text: str, separator: str) -> list[str]:
    """The names on the first line, if it is divided in this way; quotes are no better for the wrong way."""
    try:
        return [name.strip().lower() for name in _split(text, separator)]
    except csv.Error:
        return []


def _check_header(columns: list[str]) -> None:
    if not set(COLUMNS) & set(columns):  # it may be a person: nothing of it is repeated
        wanted = ", ".join(COLUMNS)
        raise BadFile(f"line 1: it names no column; wanted, between commas, semicolons or tabs, are {wanted}")
    missing = [name for name in COLUMNS if name not in columns]
    unknown = [name or "(no name)" for name in columns if name not in COLUMNS]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    found = ((missing, "is missing"), (unknown, "is not known"), (twice, "stands there twice"))
    problems = [f"column {', '.join(names)} {what}" for names, what in found if names]
    if problems:
        raise BadFile(f"line 1: {'; '.join(problems)}; wanted are {', '.join(COLUMNS)}")


def _line(raw: bytes, number: int, separator: str, columns: list[str], position: int, *, too_long: bool) -> Line | None:
    """Read one line; None for an empty one, as spreadsheets leave them at the end."""
    if too_long:
        return Line(number, None, f"longer than {LONGEST_LINE} bytes", position)
    problem = None
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        text = raw.decode(errors="replace")
        problem = f"not UTF-8 (byte 0x{raw[error.start]:02x} at position {error.start + 1}); save the file in UTF-8"
    try:
        fields = _split(text, separator)
    except csv.Error as error:
        return Line(number, None, _why_not_csv(text, error), position)
    if not any(field.strip() for field in fields):
        return None
    if len(fields) != len(columns):
        return Line(number, None, problem or f"{len(fields)} columns instead of {len(columns)}", position)
    return Line(number, dict(zip(columns, fields, strict=True)), problem, position)


def _why_not_csv(text: str, error: csv.Error) -> str:
    if "\r" in text.rstrip("\r\n"):
        return "a line end (CR) stands within the line"
    return UNCLOSED if "unexpected end" in str(error) else "a quotation mark is missing or misplaced"


def _split(text: str, separator: str) -> list[str]:
    return next(csv.reader([text.rstrip("\r\n")], delimiter=separator, strict=True), [])


def _skip_rest(file: BinaryIO) -> None:
    while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
        pass
