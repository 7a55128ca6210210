"""Error pages: what to do now, a reference, and nothing of the inside (architecture.md, pages.md 2.1)."""

import re

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from visitor import Visitor

from idp import pages
from idp import session as sessions
from idp.db import db
from idp.store import StoreUnavailable

INSIDE = re.compile(r"Traceback|File &|sqlalchemy|psycopg|werkzeug|flask|RuntimeError|secret-detail", re.IGNORECASE)


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [("GET", "/nothing", 404, "404"), ("GET", "/token/", 404, "404"), ("DELETE", "/signin", 405, "405")],
)
def test_what_is_not_here(app: Flask, method: str, path: str, status: int, name: str) -> None:
    response = Visitor(app).browser.open(path, method=method, headers={"Accept-Language": "de"})

    assert response.status_code == status
    assert '<html lang="de' in response.text
    assert f"<h1>{app.extensions['idp'].texts.text('de', f'er.{name}.h1')}" in response.text
    assert not INSIDE.search(response.text)
    if status == 405:
        assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize(
    ("path", "allowed"), [("/token", "POST"), ("/par", "POST"), ("/userinfo", "GET"), ("/jwks", "GET")]
)
def test_a_wrong_method_at_an_endpoint_for_programs_is_answered_in_json(app: Flask, path: str, allowed: str) -> None:
    """security.md 2.25"""
    response = app.test_client().delete(path)

    assert (response.status_code, response.json) == (405, {"error": "invalid_request"})
    assert response.headers["Cache-Control"] == "no-store"
    assert allowed in response.headers["Allow"]


def test_a_body_too_large_is_413(app: Flask) -> None:
    visitor = Visitor(app)
    page = visitor.open("/signin")

    answered = visitor.answer(page, username="x" * 300_000, password="x")

    assert answered.status == 413
    assert answered.says("er.413.h1")


def test_too_many_fields_are_refused(app: Flask) -> None:
    visitor = Visitor(app)
    page = visitor.open("/signin")

    assert visitor.answer(page, **{f"field{i}": "x" for i in range(5000)}).status in {200, 413, 422}


def test_an_unexpected_error_shows_a_reference_and_nothing_else(
    app: Flask, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def boom() -> None:
        raise RuntimeError("secret-detail")

    monkeypatch.setattr(sessions, "current", boom)

    page = Visitor(app).open("/signin")

    assert page.status == 500
    assert page.says("er.500.h1")
    assert not INSIDE.search(page.text)
    reference = re.search(r"\b(\d{4})\s(\d{4})\b", page.text)
    assert reference
    logged = capsys.readouterr()
    assert " ".join(reference.groups()) in logged.out + logged.err


@pytest.mark.parametrize("trouble", [OperationalError("SELECT 1", {}, Exception("secret-detail")), PoolTimeout()])
def test_a_database_that_does_not_answer_is_503(
    app: Flask, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    def down(*_: object, **__: object) -> None:
        raise trouble

    visitor = Visitor(app)
    page = visitor.open("/signin")
    monkeypatch.setattr(db.session, "scalar", down)

    for answered in (visitor.open("/enrol"), visitor.give_password(page, "756.1234.5678.97")):
        assert answered.status == 503
        assert answered.response.headers["Retry-After"] == "30"
        assert not INSIDE.search(answered.text)


def test_a_store_that_does_not_answer_is_503(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2020-15223: fail closed."""

    def down(*_: object, **__: object) -> None:
        raise StoreUnavailable("secret-detail")

    visitor = Visitor(app)
    page = visitor.open("/signin")
    monkeypatch.setattr(app.extensions["idp"].store, "get", down)

    answered = visitor.open(page.url)

    assert answered.status == 503
    assert answered.response.headers["Retry-After"] == "30"
    assert not INSIDE.search(answered.text)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "a"},
        {"X-Forwarded-For": "x" * 10_000},
        {"Forwarded": "for=;;;"},
        {"User-Agent": ""},
        {"User-Agent": "\x7f" * 2000},
        {"Accept-Language": ";;q=,,*"},
        {"Accept-Language": "fr;q=nan, " * 500},
        {"Cookie": "idp_browser=x; idp_session=\xff; idp_lang=fr.9e9"},
        {"Cookie": "idp_lang=..; idp_lang=fr.٣"},
        {"Host": "evil.test"},
        {"X-Forwarded-Host": "evil.test"},
    ],
)
def test_odd_headers_change_no_decision(app: Flask, headers: dict[str, str]) -> None:
    """CVE-2024-47070, CVE-2025-64101: security rows V24 and V26."""
    response = Visitor(app).browser.get("/signin", headers=headers, follow_redirects=False)

    assert response.status_code in {303, 400, 421}
    assert "evil.test" not in response.headers.get("Location", "")
    assert "evil.test" not in response.text


def test_the_module_of_pages_is_the_one_that_speaks(app: Flask) -> None:
    with app.test_request_context("/?lang=it"):
        assert pages.language() == "it"
