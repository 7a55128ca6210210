"""What the import refuses, with line and reason, and what it reads all the same."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from idp.db import db
from pensioners.models import Pensioner
from pensioners.register import BadFile
from pensioners.register import import_file

HEADER = (
    "person_number;ahv_number;birth_date;salutation;first_name;last_name;street;postcode;town;country;language;"
    "email;entitlement;status"
)
GOOD = "1;756.1234.5678.97;27.03.1948;Madame;Claire;Exemple;Rue 1;1202;Genève;CH;fr;;retirement;active"
OTHER = "2;756.9217.0769.85;1951-11-14;Herr;Hans;Muster;Weg 2;8004;Zürich;;DE;hans@example.org;;Active"

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def backend() -> str:
    """Reading a file is the same on both databases."""
    return "sqlite"


@pytest.fixture
def problems(tmp_path: Path) -> Callable[..., list[tuple[int, str]]]:
    """What is wrong with a file of these lines; strings are written in UTF-8."""

    def of(*lines: str | bytes, end: bytes = b"\n") -> list[tuple[int, str]]:
        path = tmp_path / "register.csv"
        path.write_bytes(b"".join((line.encode() if isinstance(line, str) else line) + end for line in lines))
        found: list[tuple[int, str]] = []
        summary = import_file(path, report=lambda line, reason: found.append((line, reason)))
        assert summary.written == (not found)
        assert summary.bad == len({line for line, _ in found})
        assert db.session.query(Pensioner).count() == (0 if found else summary.new)
        return found

    return of


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (GOOD.replace("78.97", "78.98"), "ahv_number: the check digit is wrong"),
        (GOOD.replace("78.97", "78.9"), "ahv_number: has 12 digits instead of 13"),
        (GOOD.replace("756.1234", "757.1234"), "ahv_number: does not begin with 756"),
        (GOOD.replace("756.1234.5678.97", ""), "ahv_number: is empty"),
        (GOOD.replace("27.03.1948", "31.02.1948"), "birth_date: no such date exists"),
        (GOOD.replace("27.03.1948", "1948-13-01"), "birth_date: no such date exists"),
        (GOOD.replace("27.03.1948", "27.03.48"), "birth_date: is neither 27.03.1948 nor 1948-03-27"),
        (GOOD.replace("27.03.1948", "27.03.2948"), "birth_date: lies in the future"),
        (GOOD.replace("27.03.1948", "27.03.1848"), "birth_date: lies more than 125 years back"),
        (GOOD.replace(";fr;", ";rm;"), "language: must be one of de, fr, it, en"),
        (GOOD.replace(";active", ";retired"), "status: must be one of active, left, deceased"),
        (
            GOOD.replace(";CH;", ";Atlantis;"),
            "country: is no country code (ISO 3166, two letters) and no country's name",
        ),
        (GOOD.replace(";fr;;", ";fr;claire;"), "email: is no e-mail address"),
        (GOOD.replace("Exemple", ""), "last_name: is empty"),
        (GOOD.replace("1;756", ";756", 1), "person_number: is empty"),
        (GOOD.replace("Exemple", "x" * 201), "last_name: is longer than 200 characters"),
        (GOOD.replace("Exemple", "Exem\x00ple"), "last_name: holds a control character"),
        (GOOD + ";more", "15 columns instead of 14"),
        (GOOD.removesuffix(";active"), "13 columns instead of 14"),
        (GOOD.replace(";", ",").replace("Genève", "Genève;"), "2 columns instead of 14"),
        (
            GOOD.replace("Claire", '"Claire'),
            "a quotation mark is opened and not closed; write each person on one line, without line breaks in a field",
        ),
        (GOOD.replace("Claire", "Cla\rire"), "a line end (CR) stands within the line"),
        (GOOD.replace("Claire", '"Cl"aire'), "a quotation mark is missing or misplaced"),
        (
            GOOD.encode("latin-1"),
            f"not UTF-8 (byte 0xe8 at position {GOOD.index(chr(0xE8)) + 1}); save the file in UTF-8",
        ),
        (GOOD + " " * 17000, "longer than 16384 bytes"),
    ],
)
def test_a_bad_row_is_named_with_its_line_and_nothing_is_written(
    problems: Callable[..., list[tuple[int, str]]], bad: str | bytes, reason: str
) -> None:
    assert problems(HEADER, OTHER, bad) == [(3, reason)]


def test_a_line_break_in_a_field_is_told_at_its_line_and_swallows_nothing(
    problems: Callable[..., list[tuple[int, str]]],
) -> None:
    found = problems(HEADER, GOOD.replace("Rue 1", '"Rue 1\nCase postale"'), OTHER.replace(";DE;", ";xx;"))

    (first, opened), (second, rest), (third, language) = found
    assert (first, second, third) == (2, 3, 4)
    assert "without line breaks in a field" in opened
    assert rest.endswith("(it may be the rest of line 2)")
    assert language == "language: must be one of de, fr, it, en"


def test_everything_wrong_with_a_row_is_told_at_once(problems: Callable[..., list[tuple[int, str]]]) -> None:
    bad = GOOD.replace("78.97", "78.98").replace("27.03", "30.02").replace(";fr;", ";xx;")

    assert [reason.partition(":")[0] for _, reason in problems(HEADER, bad)] == ["ahv_number", "birth_date", "language"]


def test_duplicates_are_told_with_the_line_of_the_first(problems: Callable[..., list[tuple[int, str]]]) -> None:
    same_person = OTHER.replace("2;", "1;", 1)
    same_ahv = OTHER.replace("2;", "3;", 1).replace("756.9217.0769.85", "7561234567897")

    assert problems(HEADER, GOOD, same_person, same_ahv) == [
        (3, "person_number: 1 stands on line 2 already"),
        (4, "ahv_number: stands on line 2 already"),
    ]


def test_a_row_that_is_bad_itself_counts_as_the_first_of_two(problems: Callable[..., list[tuple[int, str]]]) -> None:
    found = problems(HEADER, GOOD.replace(";fr;", ";xx;"), GOOD)

    assert found == [
        (2, "language: must be one of de, fr, it, en"),
        (3, "person_number: 1 stands on line 2 already"),
        (3, "ahv_number: stands on line 2 already"),
    ]


def test_problems_come_in_the_order_of_the_file(problems: Callable[..., list[tuple[int, str]]]) -> None:
    lines = [GOOD, GOOD, OTHER.replace(";DE;", ";xx;"), OTHER.encode("latin-1")]

    numbers = [line for line, _ in problems(HEADER, *lines)]

    assert numbers == sorted(numbers)
    assert set(numbers) == {3, 4, 5}


def test_no_personal_data_stands_in_what_is_said(problems: Callable[..., list[tuple[int, str]]]) -> None:
    bad = [GOOD.replace("78.97", "78.98"), GOOD.replace("27.03.1948", "30.02.1948"), GOOD.replace(";;r", ";claire@;r")]

    said = " ".join(reason for _, reason in problems(HEADER, *bad))

    assert "7561234567898" not in said.replace(".", "")
    assert "30.02.1948" not in said
    assert "claire@" not in said


@pytest.mark.parametrize(
    "header",
    [
        HEADER,
        HEADER.replace(";", ","),
        HEADER.replace(";", "\t"),
        HEADER.upper(),
        '"' + HEADER.replace(";", '";"') + '"',
    ],
)
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_separator_byte_order_mark_and_line_ends_make_no_difference(
    problems: Callable[..., list[tuple[int, str]]], header: str, bom: bytes, end: bytes
) -> None:
    separator = next(each for each in ",\t;" if each in header)
    rows = [row.replace(";", separator) for row in (GOOD, OTHER)]

    assert problems(bom + header.encode(), *rows, "", separator * 13, end=end) == []
    assert {person.town for person in db.session.query(Pensioner)} == {"Genève", "Zürich"}


def test_rows_are_brought_to_one_form(problems: Callable[..., list[tuple[int, str]]]) -> None:
    problems(HEADER, OTHER.replace("Hans", "  Hans ").replace(";DE;", ";De;"))

    hans = db.session.query(Pensioner).one()

    assert (hans.first_name, hans.language, hans.status, hans.country) == ("Hans", "de", "active", "CH")
    assert hans.birth_date.isoformat() == "1951-11-14"
    assert hans.ahv_number == "7569217076985"


@pytest.mark.parametrize("country", ["FR", "fr", "France", "Frankreich", "Francia"])
def test_a_country_may_be_a_code_or_a_name(problems: Callable[..., list[tuple[int, str]]], country: str) -> None:
    problems(HEADER, GOOD.replace(";CH;", f";{country};"))

    assert db.session.query(Pensioner).one().country == "FR"


def test_the_columns_may_stand_in_any_order(problems: Callable[..., list[tuple[int, str]]]) -> None:
    def turn(line: str) -> str:
        return ";".join(reversed(line.split(";")))

    problems(turn(HEADER), turn(GOOD))

    assert db.session.query(Pensioner).one().last_name == "Exemple"


def test_a_separator_in_quotes_belongs_to_the_field(problems: Callable[..., list[tuple[int, str]]]) -> None:
    problems(HEADER, GOOD.replace("Rue 1", '"Rue 1; ""Les Fleurs"""'))

    assert db.session.query(Pensioner).one().street == 'Rue 1; "Les Fleurs"'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "line 1: the first line must name the columns, and it is empty"),
        (b"\n" + GOOD.encode(), "line 1: the first line must name the columns, and it is empty"),
        (HEADER.replace(";email", "").encode(), "line 1: column email is missing"),
        ((HEADER + ";iban").encode(), "line 1: column iban is not known"),
        ((HEADER + ";email").encode(), "line 1: column email stands there twice"),
        (HEADER.encode("utf-16"), "line 1: the file is UTF-16; save it as CSV in UTF-8"),
        (b"person_number;pr\xe9nom", "line 1: the file is not UTF-8; save it as CSV in UTF-8"),
        (HEADER.replace("email", "e-mail").encode(), "line 1: column email is missing; column e-mail is not known;"),
        (HEADER.replace(";", "|").encode(), "line 1: it names no column; wanted, between commas"),
        (f"sep=;\n{HEADER}".encode(), "line 1: sep=… names no columns; remove this line"),
        (f"{HEADER}\r{GOOD}\r".encode(), "line 1: the lines end with CR alone, as on old Macs"),
        (GOOD.encode(), "line 1: it names no column; wanted, between commas, semicolons or tabs, are person_number,"),
        (b'"person_number;', "line 1: a quotation mark is missing or misplaced"),
        (b"\x00\x01\x02", "line 1: it names no column;"),
    ],
)
def test_a_file_without_the_right_header_is_refused_as_a_whole(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "register.csv"
    path.write_bytes(content)

    with pytest.raises(BadFile) as refused:
        import_file(path, skip_bad=True)

    assert str(refused.value).startswith(reason)


def test_any_bytes_are_read_or_refused_but_never_crash(app: Flask, tmp_path: Path) -> None:
    import random

    chance, path = random.Random(7), tmp_path / "register.csv"
    for _ in range(150):
        content = bytearray("\n".join([HEADER, GOOD, OTHER]).encode())
        for _ in range(chance.randrange(1, 6)):
            content[chance.randrange(len(HEADER) + 1, len(content))] = chance.randrange(256)
        path.write_bytes(content)

        summary = import_file(path, dry_run=True)

        assert not summary.written
        assert summary.new <= 2
