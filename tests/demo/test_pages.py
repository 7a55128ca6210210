"""What the portal's pages say and show."""

import re
from string import Formatter

import pytest
from fake_provider import FakeProvider
from flask import Flask
from flask.testing import FlaskClient

from demo.words import LANGUAGES
from demo.words import WORDS
from demo.words import Words


def gaps(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_word_with_the_same_gaps(language: str) -> None:
    assert {key: gaps(text) for key, text in WORDS[language].items()} == {
        key: gaps(text) for key, text in WORDS["fr"].items()
    }
    assert all(WORDS[language].values())


@pytest.mark.parametrize(
    ("language", "tag", "title"),
    [
        ("de", "de-CH", "Willkommen bei myVPK"),
        ("fr", "fr-CH", "Bienvenue sur myVPK"),
        ("it", "it-CH", "Benvenuti in myVPK"),
        ("en", "en", "Welcome to myVPK"),
    ],
)
def test_the_start_page_speaks_four_languages(browser: FlaskClient, language: str, tag: str, title: str) -> None:
    page = browser.get("/", query_string={"lang": language}).text

    assert f'<html lang="{tag}">' in page
    assert f"<h1>{title}</h1>" in page
    assert f"<h1>{title}</h1>" in browser.get("/").text, "the choice is remembered"


def test_the_browser_s_language_is_taken_when_nothing_was_chosen(browser: FlaskClient) -> None:
    assert "Willkommen" in browser.get("/", headers={"Accept-Language": "rm,de-CH;q=0.8"}).text
    assert "Bienvenue" in browser.get("/", headers={"Accept-Language": "rm"}).text


def test_an_unknown_language_changes_nothing(browser: FlaskClient) -> None:
    answer = browser.get("/", query_string={"lang": "xx"})

    assert answer.status_code == 200
    assert browser.get_cookie("demo_lang") is None


@pytest.mark.parametrize("path", ["/", "/pension", "/logout", "/nowhere"])
def test_no_page_loads_anything_from_elsewhere_or_runs_a_script(signed_in: FlaskClient, path: str) -> None:
    answer = signed_in.get(path)

    assert "<script" not in answer.text
    assert "style=" not in answer.text
    assert not re.search(r' on\w+="', answer.text)
    loaded = re.findall(r'(?:src|<link[^>]* href)="([^"]+)"', answer.text)
    assert loaded
    assert all(address.startswith("/static/") for address in loaded)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_form_that_signs_out_may_be_redirected_to_the_provider(
    signed_in: FlaskClient, provider: FakeProvider
) -> None:
    policy = signed_in.get("/pension").headers["Content-Security-Policy"]

    assert f"form-action 'self' {provider.issuer};" in policy


def test_every_claim_stands_in_the_table(signed_in: FlaskClient, provider: FakeProvider) -> None:
    page = signed_in.get("/pension").text

    for claim in (*provider.person, "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr"):
        assert f"<code>{claim}</code>" in page, claim
    assert "27 mars 1948" in page
    assert "e.rochat@example.org" in page


def test_how_and_when_the_person_was_proven_is_said_in_words(signed_in: FlaskClient) -> None:
    page = signed_in.get("/pension").text

    assert "Deux facteurs\u00a0: quelque chose que vous savez et quelque chose que vous possédez" in page
    assert "Code reçu par SMS<br>Mot de passe" in page or "Mot de passe<br>Code reçu par SMS" in page
    assert page.index("Deux moyens de nature différente") > page.index("Code reçu par SMS")
    assert "12 mars 2026 à 14\u00a0h\u00a005, heure suisse" in page


@pytest.mark.parametrize(
    ("value", "shown"), [("surviving_spouse", "Rente de conjoint survivant"), ("something new", "something new")]
)
def test_an_entitlement_is_said_in_words_where_there_are_some(
    browser: FlaskClient, provider: FakeProvider, value: str, shown: str
) -> None:
    provider.person = {**provider.person, "entitlement": value}
    browser.get("/callback", query_string=provider.answer(browser.get("/login").location))

    assert f"<td>{shown}</td>" in browser.get("/pension").text


def test_the_amount_is_marked_as_an_example(signed_in: FlaskClient) -> None:
    page = signed_in.get("/pension").text

    assert "CHF\u00a02’345.60" in page
    assert "Exemple\u00a0: ce montant est inventé" in page


def test_the_person_is_spoken_to_in_their_own_language(browser: FlaskClient, provider: FakeProvider) -> None:
    provider.person = {**provider.person, "locale": "de-CH"}
    begun = browser.get("/login", headers={"Accept-Language": "en"})
    browser.get("/callback", query_string=provider.answer(begun.location))

    page = browser.get("/pension", headers={"Accept-Language": "en"}).text

    assert "Guten Tag Élisabeth Rochat" in page


def test_claims_are_text_and_never_markup(browser: FlaskClient, provider: FakeProvider) -> None:
    provider.person = {
        **{"sub": "4f1c", "name": "<img src=x>", "<i>": ["<u>"], "birthdate": "0000-01-01", "locale": 7},
        **{"enrolled_at": 1e300, "address": {"street": "<b>"}, "email_verified": False},
    }
    provider.id_token = {"acr": None, "amr": ["new<method>"], "auth_time": None}
    browser.get("/callback", query_string=provider.answer(browser.get("/login").location))

    answer = browser.get("/pension")

    assert answer.status_code == 200
    for markup in ("<img src=x>", "<i>", "<u>", "<b>", "new<method>"):
        assert markup not in answer.text
    assert "new&lt;method&gt;" in answer.text


def test_an_address_that_does_not_exist_gets_a_page_in_the_person_s_language(browser: FlaskClient) -> None:
    answer = browser.get("/nowhere", headers={"Accept-Language": "it"})

    assert answer.status_code == 404
    assert "Questa pagina non esiste" in answer.text


def test_a_fault_of_ours_gets_a_page_without_details(portal: Flask) -> None:
    @portal.get("/fault")
    def fault() -> str:
        raise RuntimeError("a secret of the inside")

    answer = portal.test_client().get("/fault")

    assert answer.status_code == 500
    assert "Un problème est survenu chez nous" in answer.text
    assert "secret" not in answer.text


def test_moments_are_told_in_swiss_time_in_winter_and_summer() -> None:
    words = Words("de")

    assert words.moment(1773320700) == "12. März 2026, 14.05 Uhr Schweizer Zeit"
    assert words.moment(1783861500) == "12. Juli 2026, 15.05 Uhr Schweizer Zeit"


def test_the_health_page_needs_no_provider(browser: FlaskClient) -> None:
    assert browser.get("/health").text == "ok\n"
