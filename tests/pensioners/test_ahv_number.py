"""The AHV number field (pages.md 2.2.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pensioners import ahv_number
from pensioners.ahv_number import AhvProblem

DIGITS = "7569217076985"
SEPARATORS = [" ", ".", "-", "/", "'", "’", "\u00a0", "\u202f", "\u200b", "–", "—", "‑", "−", "\t", "\u00ad", "·"]


@pytest.mark.parametrize(
    "text",
    [
        "756.9217.0769.85",
        "7569217076985",
        "756 9217 0769 85",
        "756-9217-0769-85",
        "756\u00a09217\u202f0769\u200b85",
        "  756.9217.0769.85\n",
        "７５６．９２１７．０７６９．８５",
        "756/9217'0769’85",
        "756–9217—0769−85",
        "٧٥٦٩٢١٧٠٧٦٩٨٥",
    ],
)
def test_every_usual_spelling_is_read(text: str) -> None:
    assert ahv_number.parse(text) == DIGITS


@pytest.mark.parametrize(
    ("text", "kind", "count"),
    [
        ("", "empty", 0),
        (" .-\u200b", "empty", 0),
        ("756.9217.0769.8", "length", 12),
        ("756.9217.0769.855", "length", 14),
        ("756.9217.O769.85", "length", 12),
        ("AHV 756.9217.0769.85", "length", 16),
        ("757.9217.0769.85", "prefix", 13),
        ("756.9217.0769.84", "check", 13),
        ("anna@example.org", "length", 0),
    ],
)
def test_the_first_thing_wrong_is_named(text: str, kind: str, count: int) -> None:
    with pytest.raises(AhvProblem) as problem:
        ahv_number.parse(text)

    assert (problem.value.kind, problem.value.count) == (kind, count)


@given(st.text(max_size=60))
def test_any_text_is_a_number_or_a_problem(text: str) -> None:
    try:
        digits = ahv_number.parse(text)
    except AhvProblem:
        return

    assert len(digits) == 13
    assert digits.isascii()
    assert digits.startswith("756")


@given(st.lists(st.sampled_from([*SEPARATORS, ""]), min_size=14, max_size=14))
def test_separators_make_no_difference(separators: list[str]) -> None:
    text = separators[0] + "".join(digit + separator for digit, separator in zip(DIGITS, separators[1:], strict=True))

    assert ahv_number.parse(text) == DIGITS


def test_a_number_is_shown_as_printed_and_masked_where_it_need_not_be_read() -> None:
    assert ahv_number.show("7561234567897") == "756.1234.5678.97"
    assert ahv_number.mask("7561234567897") == "756.••••.••••.97"
