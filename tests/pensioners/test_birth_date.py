"""The date of birth field (pages.md 2.2.2)."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pensioners import birth_date
from pensioners.birth_date import BirthDateProblem

TODAY = date(2026, 11, 24)
BORN = date(1948, 3, 27)


@pytest.mark.parametrize(
    "text",
    [
        "27.03.1948",
        "27.3.1948",
        "27/3/48",
        "27 03 1948",
        "27031948",
        "270348",
        "1948-03-27",
        "27 mars 1948",
        "27. März 1948",
        "27 marzo 1948",
        "27 Mar 1948",
        "27-03-1948",
        "27–03–1948",
        "27,3,1948",
        " 27 . 03 . 1948 ",
        "27.\u00a0März\u202f1948",
        "27. Maerz 1948",
        "27 MARS 1948",
        "27th March 1948",
        "27 march 48",
        "March 27, 1948",
        "27.03.1948.",
        "２７．０３．１９４８",
        "27. Mrz. 1948",
        "1948/3/27",
    ],
)
def test_every_usual_spelling_is_read(text: str) -> None:
    assert birth_date.parse(text, TODAY) == BORN


@pytest.mark.parametrize(
    ("text", "month"),
    [
        ("1er janvier 1950", 1),
        ("1 janv. 1950", 1),
        ("1. Jänner 1950", 1),
        ("1° gennaio 1950", 1),
        ("1 gen 1950", 1),
        ("1 fév 1950", 2),
        ("1 fevr. 1950", 2),
        ("1 febbraio 1950", 2),
        ("1 avr 1950", 4),
        ("1 aprile 1950", 4),
        ("1 mai 1950", 5),
        ("1 mag 1950", 5),
        ("1 may 1950", 5),
        ("1 juin 1950", 6),
        ("1 giu 1950", 6),
        ("1 Juni 1950", 6),
        ("1 juil. 1950", 7),
        ("1 lug 1950", 7),
        ("1 July 1950", 7),
        ("1 août 1950", 8),
        ("1 aou 1950", 8),
        ("1 ago 1950", 8),
        ("1 sept. 1950", 9),
        ("1 set 1950", 9),
        ("1 ottobre 1950", 10),
        ("1ottobre1950", 10),
        ("1. Okt. 1950", 10),
        ("1 nov 1950", 11),
        ("1 déc 1950", 12),
        ("1 dic 1950", 12),
        ("1. Dez 1950", 12),
    ],
)
def test_month_names_of_four_languages_are_read(text: str, month: int) -> None:
    assert birth_date.parse(text, TODAY) == date(1950, month, 1)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "empty"),
        (" . ", "empty"),
        ("31.02.1948", "real"),
        ("03.27.1948", "real"),
        ("29.02.1949", "real"),
        ("00.03.1948", "real"),
        ("27.03.0000", "real"),
        ("19480327", "real"),
        ("27.03", "format"),
        ("27.03.948", "format"),
        ("2731948", "format"),
        ("1 jui 1950", "format"),
        ("1 foo 1950", "format"),
        ("mars 1948", "format"),
        ("yesterday", "format"),
        ("2" * 500, "format"),
        ("25.11.2026", "future"),
        ("01.01.2948", "future"),
    ],
)
def test_what_is_wrong_is_named(text: str, kind: str) -> None:
    with pytest.raises(BirthDateProblem) as problem:
        birth_date.parse(text, TODAY)

    assert problem.value.kind == kind


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("24.11.11", 2011),
        ("25.11.11", 1911),
        ("26.11.12", 1912),
        ("24.11.12", 1912),
        ("010126", 1926),
        ("29.02.00", 2000),
    ],
)
def test_a_year_of_two_digits_makes_the_person_15_to_114_years_old(text: str, year: int) -> None:
    assert birth_date.parse(text, TODAY).year == year


@given(st.text(max_size=50))
def test_any_text_is_a_date_or_a_problem(text: str) -> None:
    try:
        born = birth_date.parse(text, TODAY)
    except BirthDateProblem:
        return

    assert born <= TODAY


@given(
    st.dates(min_value=date(1913, 1, 1), max_value=date(2011, 1, 1)),
    st.sampled_from([".", "/", "-", ",", " ", " . ", "\u00a0", "–"]),
    st.booleans(),
)
def test_separators_and_leading_zeros_make_no_difference(born: date, separator: str, padded: bool) -> None:
    day, month = (f"{born.day:02}", f"{born.month:02}") if padded else (str(born.day), str(born.month))

    assert birth_date.parse(separator.join([day, month, str(born.year)]), TODAY) == born
    assert birth_date.parse(separator.join([day, month, f"{born.year % 100:02}"]), TODAY) == born
