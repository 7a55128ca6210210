"""The alphabet of an SMS (3GPP TS 23.038 §6.2.1)."""

import pytest

from idp import gsm


def test_the_basic_table_has_a_place_for_each_of_128_septets():
    assert len(gsm.BASIC) == 128
    assert gsm.BASIC[gsm.ESCAPE] == "\x1b"


@pytest.mark.parametrize(
    ("char", "octets"),
    [("@", b"\x00"), ("a", b"a"), ("é", b"\x05"), ("ü", b"\x7e"), ("à", b"\x7f"), ("Ä", b"\x5b"), ("§", b"\x5f")],
)
def test_characters_stand_where_the_specification_has_them(char, octets):
    assert gsm.encode(char) == octets


def test_characters_of_the_extension_count_twice():
    assert gsm.encode("€") == b"\x1be"
    assert gsm.septets("{€}") == 6


@pytest.mark.parametrize("char", ["ê", "ç", "’", "«", "\x1b", "😀"])
def test_a_character_that_would_make_it_unicode_is_refused(char):
    with pytest.raises(gsm.NotGsm):
        gsm.encode(f"Votre code{char}")
