"""The e-mail address field (pages.md 2.2.6)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp import email_address
from idp.email_address import EmailProblem


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("anna@example.org", "anna@example.org"),
        ("  Anna.Muster@Example.ORG\u200b ", "Anna.Muster@example.org"),
        ("anna+pk@example.org", "anna+pk@example.org"),
        ("anna@müller.ch", "anna@müller.ch"),
        ("anna@xn--mller-kva.ch", "anna@müller.ch"),
        ("o'neil@example.org", "o'neil@example.org"),
        ("anna@portal.test", "anna@portal.test"),
    ],
)
def test_the_local_part_keeps_its_spelling(text: str, address: str) -> None:
    assert email_address.parse(text) == address


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "empty"),
        (" \u00a0\u200b", "empty"),
        ("anna", "format"),
        ("anna@", "format"),
        ("@example.org", "format"),
        ("anna@example", "format"),
        ("anna@localhost", "format"),
        ("anna@exam ple.org", "format"),
        ("anna muster@example.org", "format"),
        ("a@b@example.org", "format"),
        ("anna@example.org, hans@example.org", "format"),
        ("Anna <anna@example.org>", "format"),
        ("anna@example.org\r\nBcc: x@example.org", "format"),
        ("änna@example.org", "format"),
        ("anna@[192.0.2.1]", "format"),
        ("a" * 65 + "@example.org", "format"),
        ("a@" + "b" * 250 + ".ch", "long"),
    ],
)
def test_what_is_wrong_is_named(text: str, kind: str) -> None:
    with pytest.raises(EmailProblem) as problem:
        email_address.parse(text)

    assert problem.value.kind == kind


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anna@Example.org", "anna@example.ORG"),
        ("anna@MÜLLER.ch", "Anna@xn--mller-kva.ch"),
        (" anna@example.org", "anna@example.org "),
        ("anna@mu\u0308ller.ch", "anna@müller.ch"),
    ],
)
def test_spellings_of_one_address_have_one_canonical_form(one: str, other: str) -> None:
    assert email_address.canonical(one) == email_address.canonical(other)


def test_different_addresses_have_different_canonical_forms() -> None:
    assert email_address.canonical("anna.m@example.org") != email_address.canonical("annam@example.org")


@given(st.text(max_size=80))
def test_comparing_never_fails(text: str) -> None:
    assert isinstance(email_address.canonical(text), str)


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_a_problem(text: str) -> None:
    try:
        address = email_address.parse(text)
    except EmailProblem:
        return

    assert email_address.for_sending(address).isascii()
    assert not set(address) & set("\r\n ,;<>")


def test_an_address_is_sent_with_the_domain_in_ascii() -> None:
    assert email_address.for_sending("Anna@müller.ch") == "Anna@xn--mller-kva.ch"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("anna@gmial.com", "anna@gmail.com"),
        ("anna@gmail.con", "anna@gmail.com"),
        ("Anna@blewin.ch", "Anna@bluewin.ch"),
        ("anna@bluewin.com", "anna@bluewin.ch"),
        ("anna@hotmial.com", "anna@hotmail.com"),
        ("anna@outlok.com", "anna@outlook.com"),
        ("anna@gmx.hc", "anna@gmx.ch"),
        ("anna@iclould.com", "anna@icloud.com"),
        ("anna@sunrsie.ch", "anna@sunrise.ch"),
        ("anna@hispeed.hc", "anna@hispeed.ch"),
        ("anna@yaho.fr", "anna@yahoo.fr"),
        ("anna@yahooo.co.uk", "anna@yahoo.co.uk"),
    ],
)
def test_a_slip_in_a_usual_domain_is_noticed(typed: str, meant: str) -> None:
    assert email_address.typo_suggestion(typed) == meant


@pytest.mark.parametrize(
    "address",
    [
        "anna@gmail.com",
        "anna@gmx.net",
        "anna@gmx.de",
        "anna@mail.com",
        "anna@hotmail.ch",
        "anna@outlook.fr",
        "anna@yahoo.fr",
        "anna@bluemail.ch",
        "anna@valora.ch",
        "anna@example.org",
        "anna",
        "",
        "@gmial.com",
    ],
)
def test_other_domains_are_left_alone(address: str) -> None:
    assert email_address.typo_suggestion(address) is None
