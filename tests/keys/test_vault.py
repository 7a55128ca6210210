"""The vault: what is sealed opens in its own place only, and fingerprints say nothing without the root."""

import re

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from keys import Vault
from keys import WrongKey

OLD = b"o" * 32
NEW = "n" * 32
PLACE = "pensioner.ahv_number:17"
vault = Vault(NEW)


@given(plaintext=st.binary(max_size=2000), context=st.text(st.characters(codec="utf-8"), min_size=1))
def test_what_is_sealed_opens_again(plaintext: bytes, context: str) -> None:
    assert vault.open(vault.seal(plaintext, context), context) == plaintext


@given(text=st.text(st.characters(codec="utf-8")))
def test_text_opens_as_text(text: str) -> None:
    assert vault.open_text(vault.seal(text, PLACE), PLACE) == text


@given(data=st.data(), plaintext=st.binary(max_size=40))
def test_one_changed_bit_anywhere_is_noticed(data: st.DataObject, plaintext: bytes) -> None:
    sealed = bytearray(vault.seal(plaintext, PLACE))
    position = data.draw(st.integers(0, len(sealed) - 1))
    sealed[position] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(WrongKey):
        vault.open(bytes(sealed), PLACE)


@given(rubbish=st.binary(max_size=80))
def test_rubbish_does_not_open(rubbish: bytes) -> None:
    with pytest.raises(WrongKey):
        vault.open(rubbish, PLACE)


def test_a_field_cut_short_anywhere_does_not_open() -> None:
    sealed = vault.seal("756.9217.0769.85", PLACE)

    for length in range(len(sealed)):
        with pytest.raises(WrongKey):
            vault.open(sealed[:length], PLACE)


@pytest.mark.parametrize("elsewhere", ["pensioner.ahv_number:18", "pensioner.birth_date:17", PLACE + " "])
def test_a_field_moved_to_another_place_does_not_open(elsewhere: str) -> None:
    sealed = vault.seal("756.9217.0769.85", PLACE)

    with pytest.raises(WrongKey):
        vault.open(sealed, elsewhere)


def test_every_way_of_failing_says_the_same() -> None:
    sealed = vault.seal("secret", PLACE)
    touched = sealed[:-1] + bytes([sealed[-1] ^ 1])
    attempts = [
        (sealed, "another.place:1"),
        (touched, PLACE),
        (Vault(OLD).seal("x", PLACE), PLACE),
        (b"", PLACE),
    ]

    words = set()
    for attempt in attempts:
        with pytest.raises(WrongKey) as failure:
            vault.open(*attempt)
        words.add(str(failure.value))

    assert len(words) == 1


def test_the_same_text_is_never_sealed_twice_alike() -> None:
    assert len({vault.seal("1948-03-27", PLACE) for _ in range(100)}) == 100


def test_sealing_costs_thirty_three_bytes() -> None:
    assert len(vault.seal("", PLACE)) == 1 + 4 + 12 + 16


def test_a_memoryview_from_a_database_driver_opens() -> None:
    assert vault.open(memoryview(vault.seal("x", PLACE)), PLACE) == b"x"


def test_an_old_root_still_opens_and_asks_to_be_resealed() -> None:
    sealed = Vault(OLD).seal("x", PLACE)
    rotated = Vault(NEW, old_secrets=[OLD])

    assert rotated.open_text(sealed, PLACE) == "x"
    assert rotated.needs_resealing(sealed)
    assert not rotated.needs_resealing(rotated.seal("x", PLACE))


def test_without_the_old_root_nothing_opens() -> None:
    with pytest.raises(WrongKey):
        Vault(NEW).open(Vault(OLD).seal("x", PLACE), PLACE)


def test_the_current_root_may_be_listed_among_the_old_ones() -> None:
    twice = Vault(NEW, old_secrets=[NEW, OLD, OLD])

    assert len(twice.fingerprints("ahv", "x")) == 2


def test_a_str_secret_is_its_utf8_bytes() -> None:
    assert Vault("é" * 16).open_text(Vault("é".encode() * 16).seal("x", PLACE), PLACE) == "x"


@pytest.mark.parametrize("secret", ["", "s" * 31, b"s" * 31])
def test_a_short_root_is_refused(secret: str | bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(secret)
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(NEW, old_secrets=[secret])


def test_neither_context_nor_purpose_may_be_empty() -> None:
    with pytest.raises(ValueError, match="context"):
        vault.seal("x", "")
    with pytest.raises(ValueError, match="purpose"):
        vault.fingerprint("", "x")
    with pytest.raises(ValueError, match="purpose"):
        vault.derive("")


def test_a_fingerprint_is_stable_over_processes() -> None:
    """The value is what rows of yesterday carry: if it changes, nobody is found any more."""
    assert Vault(b"k" * 32).fingerprint("ahv", "7569217076985") == "1rAcIlpqr1xdNLH8N0_mgEX_jsnRsBIXndMClQ1g9XE"


def test_sealed_bytes_of_yesterday_still_open() -> None:
    sealed = bytes.fromhex(
        "01159e75db448c7699fd75dad8eba368dd9d2bd35899282de88ad4c8cb2e85221fde383370fbd5749f22a76867b9867b4f"
    )

    assert Vault(b"k" * 32).open_text(sealed, PLACE) == "756.9217.0769.85"


def test_a_fingerprint_is_43_characters_of_base64url() -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", vault.fingerprint("ahv", "7569217076985"))


def test_a_fingerprint_depends_on_root_purpose_and_value() -> None:
    prints = {
        vault.fingerprint("ahv", "7569217076985"),
        vault.fingerprint("phone", "7569217076985"),
        vault.fingerprint("ahv", "7569217076986"),
        Vault(OLD).fingerprint("ahv", "7569217076985"),
    }

    assert len(prints) == 4


@pytest.mark.parametrize(("one", "other"), [("é", "e\u0301"), ("ﬁn", "fin"), ("ＡＢ１", "AB1"), ("\u2126", "\u03a9")])
def test_spellings_that_unicode_calls_equal_share_a_fingerprint(one: str, other: str) -> None:
    assert vault.fingerprint("email", one) == vault.fingerprint("email", other)


@given(value=st.text(st.characters()))
@example("\ud800")
def test_any_text_has_a_fingerprint(value: str) -> None:
    """Lone surrogates included: what a stranger types never ends in a 500."""
    assert len(vault.fingerprint("any", value)) == 43


def test_fingerprints_begin_with_the_current_root() -> None:
    rotated = Vault(NEW, old_secrets=[OLD])

    assert rotated.fingerprints("ahv", "1") == [
        vault.fingerprint("ahv", "1"),
        Vault(OLD).fingerprint("ahv", "1"),
    ]
    assert rotated.fingerprint("ahv", "1") == vault.fingerprint("ahv", "1")


def test_derived_secrets_are_apart_and_repeatable() -> None:
    secrets = {vault.derive("cookie"), vault.derive("csrf"), Vault(OLD).derive("cookie")}

    assert len(secrets) == 3
    assert vault.derive("cookie") == Vault(NEW, old_secrets=[OLD]).derive("cookie")
    assert len(vault.derive("cookie", 64)) == 64
    assert vault.derive("cookie", 64)[:32] != vault.derive("cookie", 32)


def test_a_vault_shows_no_secret_when_printed() -> None:
    assert NEW not in repr(vars(vault)) + repr(vault)
