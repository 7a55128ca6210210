"""`idp register …` as an operator types it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result
from flask import Flask
from oidc import Configure

from idp.db import db
from pensioners.commands import register
from pensioners.models import ActivationCode
from pensioners.models import Pensioner

Row = dict[str, str]


@pytest.fixture
def idp_register(app: Flask) -> Callable[..., Result]:
    return lambda *arguments: CliRunner().invoke(register, [str(argument) for argument in arguments])


def row_of(result: Result, name: str) -> str:
    """The value beside a name in the printed table."""
    line = next(line for line in result.stdout.splitlines() if name in line)
    return line.replace("│", " ").split()[-1]


def test_an_import_prints_what_it_did(
    idp_register: Callable[..., Result], write_csv: Callable[..., Path], persons: Callable[..., Row]
) -> None:
    idp_register("import", write_csv(persons(1), persons(2), persons(3)))

    result = idp_register("import", write_csv(persons(1), persons(2, town="Sion"), persons(4)))

    assert result.exit_code == 0
    assert [row_of(result, name) for name in ("New", "Changed", "Unchanged", "Gone (", "Written")] == [
        "1",
        "1",
        "1",
        "1",
        "yes",
    ]
    assert "Gone: 3" in result.stdout
    assert result.stderr == ""


def test_bad_rows_go_to_stderr_line_by_line_with_status_1(
    idp_register: Callable[..., Result], write_csv: Callable[..., Path], persons: Callable[..., Row]
) -> None:
    path = write_csv(persons(1), persons(2, language="rm"), persons(3, birth_date="31.02.1950"))

    result = idp_register("import", path)

    assert result.exit_code == 1
    assert result.stderr.splitlines()[:2] == [
        "line 3: language: must be one of de, fr, it, en",
        "line 4: birth_date: no such date exists",
    ]
    assert "2 lines are bad. Nothing was written." in result.stderr
    assert db.session.query(Pensioner).count() == 0


def test_bad_rows_can_be_skipped(
    idp_register: Callable[..., Result], write_csv: Callable[..., Path], persons: Callable[..., Row]
) -> None:
    result = idp_register("import", write_csv(persons(1), persons(2, language="rm")), "--skip-bad")

    assert result.exit_code == 0
    assert "line 3: language" in result.stderr
    assert (row_of(result, "New"), row_of(result, "Bad lines")) == ("1", "1")
    assert db.session.query(Pensioner).count() == 1


@pytest.mark.parametrize(("language", "status"), [("fr", 0), ("rm", 1)])
def test_a_dry_run_writes_nothing_and_tells_whether_the_file_is_good(
    idp_register: Callable[..., Result],
    write_csv: Callable[..., Path],
    persons: Callable[..., Row],
    language: str,
    status: int,
) -> None:
    result = idp_register("import", write_csv(persons(1), persons(2, language=language)), "--dry-run")

    assert result.exit_code == status
    assert row_of(result, "Written") == "no"
    assert db.session.query(Pensioner).count() == 0


def test_a_wrong_file_is_one_sentence(idp_register: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "letter.docx"
    path.write_bytes(b"PK\x03\x04 nothing")

    result = idp_register("import", path)

    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {path}: line 1: it names no column")
    assert "Traceback" not in result.output


def test_a_missing_file_is_one_sentence(idp_register: Callable[..., Result], tmp_path: Path) -> None:
    result = idp_register("import", tmp_path / "none.csv")

    assert result.exit_code == 2
    assert "does not exist" in result.stderr


def test_codes_and_letters_are_issued(
    idp_register: Callable[..., Result],
    load: Callable[..., Any],
    persons: Callable[..., Row],
    tmp_path: Path,
) -> None:
    load(persons(1), persons(2))
    output, letters = tmp_path / "codes.csv", tmp_path / "letters.pdf"

    result = idp_register("codes", "issue", "--campaign", "autumn", "--output", output, "--letters", letters)

    assert result.exit_code == 0, result.output
    assert row_of(result, "Codes issued") == "2"
    assert output.exists()
    assert letters.read_bytes().startswith(b"%PDF")
    assert not any(line.split(";")[9] in result.output for line in output.read_text().splitlines()[1:])


@pytest.mark.parametrize(
    ("people", "said"),
    [(0, "no active person in the register. First: idp register import"), (1, "each of the 1 active persons has")],
)
def test_where_nobody_needs_a_code_nothing_is_written(
    idp_register: Callable[..., Result],
    load: Callable[..., Any],
    persons: Callable[..., Row],
    account_of: Callable[..., str],
    tmp_path: Path,
    people: int,
    said: str,
) -> None:
    load(persons(7, status="left"), *(persons(number + 1) for number in range(people)))
    for number in range(people):
        account_of(str(number + 1))
    output, letters = tmp_path / "codes.csv", tmp_path / "letters.pdf"

    result = idp_register("codes", "issue", "--campaign", "autumn", "--output", output, "--letters", letters)

    assert result.exit_code == 1
    assert said in result.stderr
    assert not output.exists()
    assert not letters.exists()


def test_whose_letter_cannot_be_printed_is_told(
    idp_register: Callable[..., Result], load: Callable[..., Any], persons: Callable[..., Row], tmp_path: Path
) -> None:
    load(persons(1), persons(2, first_name="明"))
    command = ("codes", "issue", "--campaign", "autumn", "--output", tmp_path / "codes.csv")

    result = idp_register(*command, "--letters", tmp_path / "letters.pdf")

    assert result.exit_code == 0
    assert result.stderr.splitlines() == ["2: the letter lacks 明 and shows others; write this one by hand"]


def test_letters_that_could_not_come_back_are_not_written(
    app: Flask,
    idp_register: Callable[..., Result],
    load: Callable[..., Any],
    persons: Callable[..., Row],
    tmp_path: Path,
    configure: Configure,
) -> None:
    load(persons(1))
    configure(issuer="https://login.fund.example")
    command = ("codes", "issue", "--campaign", "autumn", "--output", tmp_path / "codes.csv")

    refused = idp_register(*command, "--letters", tmp_path / "letters.pdf")
    codes_alone = idp_register(*command)

    assert (refused.exit_code, codes_alone.exit_code) == (1, 0)
    assert "IDP_LETTER_SENDER" in refused.output
    assert not (tmp_path / "letters.pdf").exists()


def test_a_campaign_again_must_be_meant(
    idp_register: Callable[..., Result], load: Callable[..., Any], persons: Callable[..., Row], tmp_path: Path
) -> None:
    load(persons(1))
    command = ("codes", "issue", "--campaign", "autumn", "--output", tmp_path / "codes.csv")
    idp_register(*command)

    refused, repeated = idp_register(*command), idp_register(*command, "--again")

    assert refused.exit_code == 1
    assert "Campaign autumn was issued on" in refused.stderr
    assert "--again" in refused.stderr
    assert (repeated.exit_code, row_of(repeated, "Older codes ended")) == (0, "1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--campaign", " ", "--output", "codes.csv"], "a name of 1 to 100 characters"),
        (["--campaign", "a", "--output", "missing/codes.csv"], "No such file or directory"),
        (["--campaign", "a", "--output", "taken.csv"], "exists already"),
        (["--campaign", "a", "--output", "codes.csv", "--letters", "codes.csv"], "the same file"),
        (["--campaign", "a", "--output", "codes.csv", "--valid-days", "0"], "1<=x<=730"),
        (["--campaign", "a", "--output", "codes.csv", "--window", "top"], "is not one of"),
        (["--campaign", "a"], "Missing option '--output'"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    idp_register: Callable[..., Result],
    load: Callable[..., Any],
    persons: Callable[..., Row],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    message: str,
) -> None:
    load(persons(1))
    monkeypatch.chdir(tmp_path)
    Path("taken.csv").touch()

    result = idp_register("codes", "issue", *options)

    assert result.exit_code in {1, 2}
    assert message in result.stderr
    assert db.session.query(ActivationCode).count() == 0


def test_the_status_counts_every_campaign(
    idp_register: Callable[..., Result], load: Callable[..., Any], persons: Callable[..., Row], tmp_path: Path
) -> None:
    load(persons(1), persons(2))
    for campaign in ("spring", "autumn"):
        idp_register("codes", "issue", "--campaign", campaign, "--output", tmp_path / f"{campaign}.csv")

    result = idp_register("codes", "status")

    counts = {name: row(result, name) for name in ("spring", "autumn")}
    assert counts["spring"] == ["0", "0", "2", "0", "0"]
    assert counts["autumn"] == ["0", "2", "0", "0", "0"]
    assert row_of(result, "with an open code") == "2"


def row(result: Result, name: str) -> list[str]:
    line = next(line for line in result.stdout.splitlines() if f" {name} " in line)
    return line.replace("│", " ").split()[-5:]
