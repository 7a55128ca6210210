"""The activation code (pages.md 2.2.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pensioners import activation_code
from pensioners.activation_code import CodeProblem

CODE = "K7XM0Q1A9TZ2"


@pytest.mark.parametrize(
    "text",
    [
        "K7XM0Q1A9TZ2",
        "k7xm 0q1a 9tz2",
        "K7XM-0Q1A-9TZ2",
        "K7XM.OQLA.9TZ2",
        "k7xm oqia 9tz2",
        " K7XM\u00a00Q1A\u202f9TZ2 ",
        "Ｋ７ＸＭ　０Ｑ１Ａ　９ＴＺ２",
        "K7XM–0Q1A—9TZ2",
    ],
)
def test_case_groups_and_look_alikes_make_no_difference(text: str) -> None:
    assert activation_code.parse(text) == CODE


@pytest.mark.parametrize(
    ("text", "kind", "count"),
    [
        ("", "empty", 0),
        (" - ", "empty", 0),
        ("K7XM 0Q1A 9TZ", "length", 11),
        ("447683", "length", 6),
        ("K7XM 0Q1A 9TZ2 2", "length", 13),
        ("K7XM 0Q1A 9TZU", "alphabet", 12),
        ("K7XM 0Q1A 9TZé", "alphabet", 12),
    ],
)
def test_what_is_wrong_is_named(text: str, kind: str, count: int) -> None:
    with pytest.raises(CodeProblem) as problem:
        activation_code.parse(text)

    assert (problem.value.kind, problem.value.count) == (kind, count)


def test_a_new_code_has_sixty_bits_and_reads_as_itself() -> None:
    codes = {activation_code.new() for _ in range(2000)}

    assert len(codes) == 2000
    assert {char for code in codes for char in code} == set(activation_code.ALPHABET)
    assert all(activation_code.parse(activation_code.show(code).lower()) == code for code in codes)


def test_a_code_is_printed_in_groups_of_four() -> None:
    assert activation_code.show(CODE) == "K7XM 0Q1A 9TZ2"


@given(st.text(max_size=40))
def test_any_text_is_a_code_or_a_problem(text: str) -> None:
    try:
        code = activation_code.parse(text)
    except CodeProblem:
        return

    assert len(code) == 12
    assert set(code) <= set(activation_code.ALPHABET)


@given(st.lists(st.sampled_from(["", " ", "-", ".", "\u00a0", "\u200b", "–", "/"]), min_size=12, max_size=12))
def test_separators_make_no_difference(separators: list[str]) -> None:
    text = "".join(char + separator for char, separator in zip(CODE, separators, strict=True))

    assert activation_code.parse(text) == CODE
