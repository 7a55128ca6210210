"""The texts and the language of an answer."""

import json
from datetime import UTC
from datetime import date
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.languages import LANGUAGES
from idp.settings import Settings
from idp.texts import PSEUDO
from idp.texts import Text
from idp.texts import Texts
from idp.texts import load_texts
from idp.texts import negotiate

LOCALES = Path(__file__).parents[2] / "locales"
NBSP = "\u00a0"
AFTERNOON = datetime(2026, 3, 12, 13, 5, tzinfo=UTC)
"""14:05 in Zurich."""


@pytest.fixture(scope="module")
def texts() -> Texts:
    hours = {"de": "Mo–Fr", "fr": "lu–ve", "it": "lu–ve", "en": "Mon–Fri"}
    defaults = {"portal": "myVPK", "fund": "Kasse", "help_phone": "061 555 01 23", "help_hours": hours}
    return Texts(LOCALES, defaults=defaults, strict=True, pseudo=True)


def test_a_text_is_spoken_in_every_language(texts: Texts) -> None:
    spoken = [texts.text(language, "btn.next") for language in LANGUAGES]

    assert spoken == ["Weiter", "Suivant", "Avanti", "Next"]


def test_placeholders_take_what_is_given_before_what_is_always_there(texts: Texts) -> None:
    assert texts.text("de", "btn.continue_portal") == "Weiter zu myVPK"
    assert texts.text("de", "btn.continue_portal", portal="Demo") == "Weiter zu Demo"


def test_a_value_of_each_language_is_taken_from_its_own(texts: Texts) -> None:
    assert texts.text("de", "help.phone") == "Rufen Sie uns an: 061\u00a0555\u00a001\u00a023 (Mo–\u2060Fr)"
    assert texts.text("en", "help.phone") == "Call us: 061\u00a0555\u00a001\u00a023 (Mon–\u2060Fri)"


def test_what_a_person_typed_is_not_read_as_a_pattern(texts: Texts) -> None:
    written = texts.text("en", "e5.sms.sent", phone="{help_phone} {0} {phone.__class__}")

    assert written == "An activation code was sent by SMS to the number {help_phone} {0} {phone.__class__}."


def test_a_missing_key_or_value_is_an_error_where_strict(texts: Texts) -> None:
    with pytest.raises(KeyError, match=r"no\.such: no such text"):
        texts.text("fr", "no.such")
    with pytest.raises(KeyError, match=r"code\.valid: no value for minutes"):
        texts.text("fr", "code.valid")


def test_a_missing_key_or_value_breaks_no_page_in_production() -> None:
    lenient = Texts(LOCALES)

    assert lenient.text("fr", "no.such") == "no.such"
    assert lenient.text("fr", "code.valid") == "Le code est valable …\u00a0minutes."


def test_another_text_and_a_list_of_them_are_spoken_in_the_same_language(texts: Texts) -> None:
    groups = [Text("pw.rule.digit"), Text("pw.rule.special")]

    written = texts.text("fr", "pw.err.missing", groups=groups)

    assert written == f"Il manque dans le mot de passe{NBSP}: chiffres, caractères spéciaux."


@pytest.mark.parametrize(
    ("language", "day", "clock"),
    [
        ("fr", "12 mars 2026", f"14{NBSP}h{NBSP}05"),
        ("de", "12. März 2026", "14.05"),
        ("it", "12 marzo 2026", "14:05"),
        ("en", "12 March 2026", "14:05"),
    ],
)
def test_dates_and_times_are_swiss_ones_as_each_language_writes_them(
    texts: Texts, language: str, day: str, clock: str
) -> None:
    assert (texts.date(language, AFTERNOON), texts.time(language, AFTERNOON)) == (day, clock)
    assert clock in texts.text(language, "lock.h1", time=AFTERNOON)
    assert day in texts.text(language, "er.503.p", date=AFTERNOON, time=AFTERNOON)
    assert day in texts.text(language, "letter.valid_until", date=date(2026, 3, 12))


def test_the_day_and_the_hour_follow_zurich_in_winter_and_summer(texts: Texts) -> None:
    new_year = datetime(2025, 12, 31, 23, 30, tzinfo=UTC)
    july = datetime(2026, 7, 1, 22, 0, tzinfo=UTC)

    assert (texts.date("de", new_year), texts.time("de", new_year)) == ("1. Januar 2026", "0.30")
    assert (texts.date("de", july), texts.time("de", july)) == ("2. Juli 2026", "0.00")


def test_a_moment_without_a_zone_is_in_utc(texts: Texts) -> None:
    assert texts.time("en", AFTERNOON.replace(tzinfo=None)) == "14:05"


def test_the_first_of_a_month_is_an_ordinal_in_french(texts: Texts) -> None:
    assert texts.date("fr", date(2026, 3, 1)) == "1er mars 2026"
    assert texts.date("fr", date(2026, 3, 11)) == "11 mars 2026"
    assert texts.date("it", date(2026, 3, 1)) == "1 marzo 2026"


def test_a_text_waits_in_the_store_and_comes_back_as_it_was() -> None:
    text = Text(
        "code.err.limit",
        {
            "time": AFTERNOON,
            "day": date(2026, 3, 12),
            "n": 3,
            "target": None,
            "groups": [Text("a"), Text("b", {"n": 1})],
        },
    )

    stored = json.loads(json.dumps(text.to_json()))

    assert Text.from_json(stored) == text


def test_the_settings_put_the_words_of_the_fund_into_the_texts() -> None:
    settings = Settings(
        issuer="https://login.fund.example", secret="0123456789abcdefghijklmnopqrstuvwxyz", fund="Kasse Süd"
    )

    texts = load_texts(LOCALES, settings)

    assert texts.text("de", "mail.sign") == "Freundliche Grüsse\nKasse Süd"
    assert "www.valora-pensionskasse.com" in texts.text("de", "mail.safety")
    assert texts.languages == LANGUAGES


def test_the_pseudo_language_brackets_every_text_and_is_longer_than_the_longest(texts: Texts) -> None:
    for key in ("btn.next", "e2.intro", "err.summary"):
        longest = max(len(texts.text(language, key)) for language in LANGUAGES)
        pseudo = texts.text(PSEUDO, key)
        assert pseudo.startswith("⟦")
        assert pseudo.endswith("⟧")
        assert len(pseudo) >= longest * 1.25
    assert texts.text(PSEUDO, "code.valid", minutes=10).count("10") == 1


@pytest.mark.parametrize(
    ("ui_locales", "stored", "cookie", "accept", "expected"),
    [
        (["it-CH", "fr"], "de", "en", "fr", "it"),
        (["rm", "xx"], "fr", "en", "it", "fr"),
        ([], "fr", "en", "it", "fr"),
        ([], None, "en", "it", "en"),
        ([], None, None, "it-CH,it;q=0.9,de;q=0.8", "it"),
        ([], None, None, "rm;q=1, en;q=0.2, fr;q=0.7", "fr"),
        ([], None, None, "fr;q=0, en;q=0.1", "en"),
        ([], None, None, "*", "de"),
        ([], "", "", "", "de"),
        (["FR_ch"], None, None, None, "fr"),
    ],
)
def test_the_language_is_the_first_one_we_speak(
    ui_locales: list[str], stored: str | None, cookie: str | None, accept: str | None, expected: str
) -> None:
    assert negotiate(ui_locales, stored, cookie, accept, "de") == expected


def test_the_pseudo_language_is_spoken_only_where_it_is_known() -> None:
    assert negotiate(["zz"], None, None, None, "fr") == "fr"
    assert negotiate(["zz"], None, None, None, "fr", known=(*LANGUAGES, PSEUDO)) == PSEUDO


@given(st.lists(st.text()), st.none() | st.text(), st.none() | st.text(), st.none() | st.text())
def test_whatever_a_browser_sends_the_answer_has_a_language(
    ui_locales: list[str], stored: str | None, cookie: str | None, accept: str | None
) -> None:
    assert negotiate(ui_locales, stored, cookie, accept, "it") in LANGUAGES


@given(st.lists(st.sampled_from(["fr", "de-CH", ";q=", "0.5", "1e999", "nan", ",", "*", '"', "\x00", "=", " "])))
def test_a_broken_accept_language_never_raises(parts: list[str]) -> None:
    assert negotiate([], None, None, "".join(parts), "it") in LANGUAGES
