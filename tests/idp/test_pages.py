"""What every page has: language links, static files with a fingerprint, the legal pages, the way home."""

import re

import pytest
from flask import Flask
from visitor import Visitor


@pytest.mark.parametrize("path", ["/terms", "/privacy", "/accessibility"])
@pytest.mark.parametrize("language", ["de", "fr", "it", "en"])
def test_the_legal_pages_speak_every_language(app: Flask, path: str, language: str) -> None:
    page = Visitor(app).open(path, lang=language)

    assert page.status == 200
    assert f'<html lang="{language}' in page.text
    assert len(re.findall(r"<h1", page.text)) == 1


def test_the_language_chosen_by_a_link_is_remembered(app: Flask) -> None:
    visitor = Visitor(app)
    visitor.open("/terms", lang="it")

    assert '<html lang="it' in visitor.open("/signin").text
    assert '<html lang="it' in visitor.open("/nothing").text


@pytest.mark.parametrize("odd", ["", "xx", "fr-CH", "../../etc", "<script>", "\u0663"])
def test_an_odd_language_is_no_language(app: Flask, odd: str) -> None:
    page = Visitor(app).open("/terms", lang=odd)

    assert page.status == 200
    assert '<html lang="fr' in page.text
    assert "<script>" not in page.response.text


def test_the_language_links_keep_the_page_and_its_query(app: Flask) -> None:
    page = Visitor(app).open("/terms", a="1")

    assert page.link("lang=de") == "/terms?a=1&lang=de"


def test_home_leads_to_the_sign_in(app: Flask) -> None:
    assert "sign_in/credentials" in Visitor(app).open("/").url


def test_static_files_are_named_by_what_they_hold_and_kept_for_a_year(app: Flask) -> None:
    visitor = Visitor(app)
    page = visitor.open("/signin")
    files = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text))

    assert {file.partition("?")[0] for file in files} >= {"/static/app.css", "/static/app.js", "/static/theme.css"}
    for file in files:
        response = visitor.open(file).response
        assert response.status_code == 200, file
        assert "?v=" in file
        assert "immutable" in response.headers["Cache-Control"]


ELSEWHERE = ["../wsgi.py", "..%2f..%2fwsgi.py", "%2e%2e/pyproject.toml", "/etc/passwd", "nothing.js"]


@pytest.mark.parametrize("path", ELSEWHERE)
def test_nothing_but_static_files_is_static(app: Flask, path: str) -> None:
    assert Visitor(app).browser.get(f"/static/{path}").status_code in {308, 404}
