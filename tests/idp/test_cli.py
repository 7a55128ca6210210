"""The command `idp`: help, exit statuses, and sentences instead of tracebacks."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import live
import program
import pytest
from sqlalchemy import create_engine
from sqlalchemy import text

ROOT = live.ROOT


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, **live._environment(tmp_path, "http://localhost:8400")}


def without_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}


def test_help_needs_no_settings_and_names_every_command() -> None:
    command = [sys.executable, "-m", "cli", "--help"]
    done = subprocess.run(command, cwd=ROOT, env=without_settings(), capture_output=True, text=True, check=False)

    assert done.returncode == 0
    commands = re.findall(r"^  ([a-z-]+) ", done.stdout.partition("Commands:")[2], re.MULTILINE)
    assert commands == [
        "serve",
        "migrate",
        "doctor",
        "after-restore",
        "flows",
        "secret",
        "keys",
        "audit",
        "register",
        "accounts",
        "clients",
    ]


@pytest.mark.parametrize("group", ["keys", "audit", "register", "clients", "serve", "migrate", "doctor"])
def test_help_of_a_command_needs_no_settings_either(group: str) -> None:
    assert program.run(group, "--help", environment=without_settings()).returncode == 0


@pytest.mark.parametrize("command", [["serve"], ["migrate"], ["doctor"], ["keys", "list"], ["clients", "list"]])
def test_a_missing_setting_is_one_sentence(command: list[str]) -> None:
    done = program.run(*command, environment=without_settings())

    assert done.returncode == 2
    assert "IDP_ISSUER: it is not set." in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_no_letter_is_written_with_words_of_the_demonstration(environment: dict[str, str]) -> None:
    production = {"IDP_ENVIRONMENT": "production", "IDP_ISSUER": "https://login.fund.example"}
    real = {"IDP_MAIL_CHANNEL": "smtp", "IDP_SMS_CHANNEL": "sms_http", "IDP_HELP_PHONE": "044 000 00 00"}
    program.run("migrate", environment=environment)

    issue = ("register", "codes", "issue", "--campaign", "a", "--output", "codes.csv", "--letters", "letters.pdf")
    done = program.run(*issue, environment={**environment, **production, **real})

    assert done.returncode == 2
    assert "IDP_FUND: set the fund's name" in done.stderr
    assert "IDP_HELP_PHONE" not in done.stderr


@pytest.mark.parametrize("command", [["keys", "list"], ["clients", "list"], ["audit", "verify"]])
def test_an_old_schema_names_the_command_that_mends_it(command: list[str], environment: dict[str, str]) -> None:
    done = program.run(*command, environment=environment)

    assert done.returncode == 2
    assert "idp migrate" in done.stderr


def test_a_database_that_does_not_answer_is_one_sentence(environment: dict[str, str]) -> None:
    done = program.run(
        "migrate", environment={**environment, "IDP_DATABASE_URL": "postgresql://u:hidden@127.0.0.1:9/none"}
    )

    assert done.returncode == 2
    assert "IDP_DATABASE_URL" in done.stderr
    assert "hidden" not in done.stderr
    assert "Traceback" not in done.stderr


def test_migrating_says_what_it_did(environment: dict[str, str]) -> None:
    first = program.run("migrate", environment=environment)
    second = program.run("migrate", environment=environment)

    assert (first.returncode, second.returncode) == (0, 0)
    assert "now" in first.stdout
    assert "was current" in second.stdout


def test_migrating_leaves_a_newer_schema_alone(environment: dict[str, str]) -> None:
    program.run("migrate", environment=environment)
    engine = create_engine(environment["IDP_DATABASE_URL"])
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'future'"))

    done = program.run("migrate", environment=environment)

    assert done.returncode == 0
    assert "newer" in done.stdout


def test_the_doctor_fails_before_and_passes_after_the_set_up(environment: dict[str, str]) -> None:
    before = program.run("doctor", environment=environment)
    program.run("migrate", environment=environment)
    program.run("keys", "rotate", "--yes", environment=environment)
    after = program.run("doctor", environment=environment)

    assert (before.returncode, after.returncode) == (1, 0)
    assert "run: idp migrate" in before.stdout


def test_a_rotation_makes_a_key_of_each_kind_that_is_used_a_day_later(environment: dict[str, str]) -> None:
    program.run("migrate", environment=environment)
    program.run("keys", "rotate", "--yes", environment=environment)

    made = program.run("keys", "rotate", "--yes", environment=environment).stdout
    listed = program.run("keys", "list", environment=environment).stdout

    kinds = ("RS256", "ES256", "RSA-OAEP", "ECDH-ES")
    assert made.count("next") == 4
    assert (listed.count("active"), listed.count("next")) == (4, 4)
    assert [listed.count(kind) for kind in kinds] == [2, 2, 2, 2]


def test_an_emergency_revokes_the_older_keys_at_once(environment: dict[str, str]) -> None:
    program.run("migrate", environment=environment)
    program.run("keys", "rotate", "--yes", environment=environment)

    program.run("keys", "rotate", "--emergency", "--yes", environment=environment)

    listed = program.run("keys", "list", environment=environment).stdout
    assert (listed.count("revoked"), listed.count("active")) == (4, 4)


def test_one_kind_of_key_is_rotated_alone(environment: dict[str, str]) -> None:
    program.run("migrate", environment=environment)
    program.run("keys", "rotate", "--yes", environment=environment)

    made = program.run("keys", "rotate", "--emergency", "--alg", "RSA-OAEP", "--yes", environment=environment).stdout
    wrong = program.run("keys", "rotate", "--alg", "RSA1_5", "--yes", environment=environment)

    assert (made.count("RSA-OAEP"), made.count("active")) == (1, 1)
    assert "revoked" in program.run("keys", "list", environment=environment).stdout
    assert wrong.returncode == 2
    assert "RS256, ES256, RSA-OAEP, ECDH-ES" in wrong.stderr


def test_a_rotation_asks_first(environment: dict[str, str]) -> None:
    program.run("migrate", environment=environment)

    done = program.run("keys", "rotate", environment=environment)

    assert done.returncode == 1
    assert "active" not in program.run("keys", "list", environment=environment).stdout


def test_an_untouched_journal_verifies(environment: dict[str, str]) -> None:
    program.run("migrate", environment=environment)

    assert program.run("audit", "verify", environment=environment).returncode == 0


def test_the_secret_it_prints_is_one_it_accepts(environment: dict[str, str]) -> None:
    secret = program.run("secret", environment=without_settings()).stdout.strip()

    assert program.run("migrate", environment={**environment, "IDP_SECRET": secret}).returncode == 0


def test_the_drawn_flows_in_the_documents_are_those_of_the_program() -> None:
    """Stale? Run: make flows."""
    drawing = program.run("flows", environment=without_settings()).stdout

    assert drawing.startswith("flowchart TD")
    assert drawing in (ROOT / "docs" / "flows.md").read_text(encoding="utf-8")


def test_lines_of_the_log_do_not_mix_with_the_result(environment: dict[str, str]) -> None:
    program.run("migrate", environment=environment)

    done = program.run("clients", "list", environment={**environment, "IDP_LOG_LEVEL": "DEBUG"})

    assert done.returncode == 0
    assert "{" not in done.stdout
    assert json.dumps("level") not in done.stdout


def test_what_goes_wrong_while_a_worker_is_assembled_is_logged_like_everything_else(
    environment: dict[str, str],
) -> None:
    """Redacted, one JSON object a line."""
    theme = json.dumps({"brand": "#b00020"})  # hard to read: a warning at the start
    script = "import cli, idp.serve; idp.serve.start_worker = lambda app: 1 / 0; cli.worker(5)"

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**environment, "IDP_THEME": theme},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    lines = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert done.returncode == 1
    assert [line["level"] for line in lines] == ["warning", "critical"]
