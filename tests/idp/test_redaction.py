"""What must not reach a log, in the spellings it comes in."""

import base64
import secrets
import time
from urllib.parse import quote

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from idp.redaction import REMOVED
from idp.redaction import SHAPES
from idp.redaction import SHORTEST_TOKEN
from idp.redaction import TOKEN
from idp.redaction import redact
from idp.redaction import redact_text

PERSONAL = {
    "AHV with dots": "756.9217.0769.85",
    "AHV in one": "7569217076985",
    "AHV with blanks": "756 9217 0769 85",
    "AHV with dashes": "756-9217-0769-85",
    "Swiss birth date": "27.03.1948",
    "short birth date": "7.3.1948",
    "two-digit birth date": "27.03.48",
    "ISO birth date": "1948-03-27",
    "e-mail": "claire.exemple@example.org",
    "e-mail with umlaut": "jürg.müller@bücher.example",
    "encoded e-mail": quote("claire.exemple@example.org", safe=""),
    "mobile": "079 123 45 67",
    "mobile in one": "0791234567",
    "international": "+41 79 123 45 67",
    "with two zeros": "0041791234567",
    "encoded international": "%2B41791234567",
    "activation code": "7H2K-M9QX-4TRB",
    "JWT": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "TOTP secret": base64.b32encode(secrets.token_bytes(20)).decode(),
    "token": secrets.token_urlsafe(32),
    "hexadecimal token": secrets.token_hex(32),
    "base64 of an e-mail": base64.b64encode(b"claire.exemple@example.org").decode(),
}


@pytest.mark.parametrize("value", PERSONAL.values(), ids=PERSONAL)
@pytest.mark.parametrize("sentence", ["{}", "refused <{}>, try again", "value={}\nnext line", "'{}'", "a,{},b"])
def test_personal_data_is_removed_from_any_text(value: str, sentence: str) -> None:
    text = redact_text(sentence.format(value))

    assert value not in text
    assert REMOVED in text


@pytest.mark.parametrize("text", ["Ihr Code: 123456", "Votre code est 123 456", "codice 123456", "code=123456"])
def test_six_digits_after_the_word_code_are_removed(text: str) -> None:
    assert not any(character.isdigit() for character in redact_text(text))


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T10:00:00.123456Z",
        "2026-11-23T10:00:00+00:00",
        "reference 1234 5678",
        "10.1.12.5:8400",
        "took 1203 ms, 200000 rows",
        "idp.endpoints.interaction.InteractionRequiredError",
        "authlib.oauth2.rfc6749.errors.UnsupportedResponseTypeError",
        'File "/opt/idp/lib/python3.13/site-packages/sqlalchemy/engine/base.py", line 1969, in _exec_single_context',
        "/i/<interaction_id>/<flow_name>/<step_name>",
    ],
)
def test_what_an_operator_needs_stays(text: str) -> None:
    assert redact_text(text) == text


def test_random_tokens_are_told_from_words() -> None:
    tokens = [secrets.token_urlsafe(32) for _ in range(2000)]

    missed = [token for token in tokens if redact_text(token) == token]

    assert len(missed) <= 2


def test_a_telling_name_drops_its_value_whatever_it_is() -> None:
    event = {
        "email": "no shape",
        "activation_code": 12,
        "newPassword": "x",
        "phone-number": ["1"],
        "headers": {"a": "b"},
    }

    assert redact(event) == dict.fromkeys(event, REMOVED)


def test_a_name_that_only_sounds_telling_keeps_its_value() -> None:
    assert redact({"status_code": 303, "reference": "1234 5678", "medium": "sms", "is_code": True}) == {
        "status_code": 303,
        "reference": "1234 5678",
        "medium": "sms",
        "is_code": True,
    }


def test_nested_values_are_searched_to_the_bottom() -> None:
    text = str(redact({"a": [{"b": ("claire@example.org", 7569217076985)}], "who <a@b.ch>": 1}))

    assert "@" not in text
    assert "756" not in text


def test_messages_of_the_database_driver_lose_their_values() -> None:
    text = redact_text(
        "(psycopg.errors.UniqueViolation) duplicate key\nDETAIL:  Key (town)=(Genève) already exists.\n"
        "[SQL: INSERT INTO pensioner (town) VALUES (%s)]\n[parameters: {'town': 'Genève', 'x': [1]}]\n(Background)"
    )

    assert "Genève" not in text
    assert "INSERT INTO pensioner" in text


@pytest.mark.parametrize(
    "text", ["x" * 300_000, "a@" * 100_000, "aA1-" * 80_000, "[parameters: " * 20_000, "7 " * 99_999]
)
def test_no_text_keeps_a_worker_busy(text: str) -> None:
    before = time.perf_counter()

    redact_text(text)

    assert time.perf_counter() - before < 2


@given(st.text(st.characters(categories=["L"]), max_size=SHORTEST_TOKEN - 1))
@settings(max_examples=500, deadline=None)
@example("passwordeyJabcd")
def test_a_short_word_needs_no_search_for_it_fits_no_shape(word: str) -> None:
    assert not any(pattern.search(word) for pattern, _ in SHAPES)
    assert TOKEN.search(word) is None
    assert redact_text(word) == word


def test_a_word_as_long_as_a_token_is_searched() -> None:
    assert redact_text("AbCdEfGhIjKlMnOp") == REMOVED
