"""The gallery of pages: complete, in four languages, stores nothing, and is nowhere but in development."""

import re
from pathlib import Path
from typing import Any

import pytest
from elements import Elements
from flask import Flask
from oidc import an_account
from visitor import Visitor

from flows.gallery import REFUSALS
from flows.gallery import VARIANTS
from idp.clock import now
from idp.db import db
from idp.flow import offered_flows
from idp.languages import LANGUAGES
from idp.models import Account
from idp.settings import Settings
from idp.texts import PSEUDO
from idp.texts import TAGS
from wsgi import create_app


def entries(visitor: Visitor) -> list[str]:
    """The names in the list."""
    return list(dict.fromkeys(re.findall(r'href="/dev/pages/([^?"]+)\?', visitor.open("/dev/pages").text)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_entry_can_be_seen_in_each_language(visitor: Visitor, language: str) -> None:
    wrong = []
    for name in entries(visitor):
        page = visitor.open(f"/dev/pages/{name}", lang=language)
        if page.status != 200 or f'<html lang="{TAGS[language]}"' not in page.text:
            wrong.append((name, page.status))

    assert not wrong


def test_every_step_of_every_flow_is_there(visitor: Visitor) -> None:
    shown = {"/".join(name.split("/")[:2]) for name in entries(visitor)}

    steps = {f"{flow.name}/{step.name}" for flow in offered_flows() for step in flow.steps if step.name != "blocked"}
    assert len(steps) >= 15
    assert not steps - shown


def test_every_refusal_and_variant_has_a_page(visitor: Visitor) -> None:
    shown = entries(visitor)

    assert [place for place in (*REFUSALS, *VARIANTS) if not [name for name in shown if name.startswith(place)]] == []
    assert {"password/code-by-email/1", "password/code-by-email/wait"} <= {*shown}


NOT_FOR_PEOPLE = ("check_session.html", "dev/", "macros/", "messages/")


def test_every_template_is_seen(app: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever adds a page adds it here; frames and parts are seen within the pages that use them."""
    used: set[str] = set()
    find = app.jinja_env.get_template

    def noted(name: Any, *args: Any, **kwargs: Any) -> Any:
        used.add(str(getattr(name, "name", name)))
        return find(name, *args, **kwargs)

    monkeypatch.setattr(app.jinja_env, "get_template", noted)
    for name in entries(visitor):
        visitor.open(f"/dev/pages/{name}")

    templates = {name for name in app.jinja_env.list_templates() if not name.startswith(NOT_FOR_PEOPLE)}
    assert len(templates) >= 35
    assert templates - used == set()


def test_every_error_has_a_page(visitor: Visitor) -> None:
    catalogue = Path(__file__).parents[2] / "locales/fr/LC_MESSAGES/messages.po"
    texts = set(re.findall(r'msgid "er\.(\w+)\.h1"', catalogue.read_text()))

    assert len(texts) >= 12
    assert texts - {name.split("/")[1] for name in entries(visitor) if name.startswith("errors/")} == set()


def test_nothing_goes_on_by_itself(visitor: Visitor) -> None:
    """A page that sends itself could not be looked at."""
    for name in ("form_post", "signout/leaving"):
        page = visitor.open(f"/dev/pages/{name}")
        assert re.findall(r'<script src="/static/(\w+\.js)', page.text) == ["app.js"]


def test_a_page_can_be_seen_with_its_errors(visitor: Visitor) -> None:
    assert visitor.open("/dev/pages/sign_in/credentials/empty").says("signin.err.user_empty")
    assert visitor.open("/dev/pages/sign_in/credentials/1").says("signin.err.mismatch")
    assert not visitor.open("/dev/pages/sign_in/credentials").says("err.summary")


DATA = (
    *(
        "odile.fictive@example.org",
        "o…@example.org",
        "o…\u2060@example.org",
        "079\u00a0123\u00a045\u00a067",
        "Dossier 4711",
        "JBSW Y3DP EHPK 3PXP",
    ),
    f"{now():%B}",
)
ERROR = "⟦Erreur"


@pytest.fixture
def every_page(visitor: Visitor) -> dict[str, str]:
    """All of it in the pseudo language."""
    return {name: visitor.open(f"/dev/pages/{name}", lang=PSEUDO).response.text for name in entries(visitor)}


def test_no_page_has_a_word_outside_the_catalogues(every_page: dict[str, str]) -> None:
    """pages.md A32"""
    found = {name: words for name, html in every_page.items() if (words := Elements(html).foreign_words(*DATA))}

    assert found == {}


def test_every_page_is_well_formed_and_points_to_what_is_there(every_page: dict[str, str]) -> None:
    """pages.md A2; `Elements` refuses what is not closed, attributes that stand twice, forms within forms."""
    found = {name: ids for name, html in every_page.items() if (ids := Elements(html).broken_references())}

    assert found == {}


def test_every_page_has_one_heading_and_names_it_in_its_title(every_page: dict[str, str]) -> None:
    """pages.md A4: the heading, then the portal; «Erreur» first where something is to be mended."""
    for name, html in every_page.items():
        page = Elements(html)
        heading = re.sub(r"<[^>]+>", "", re.findall(r"<h1>(.*?)</h1>", html, re.DOTALL)[0])
        title = re.findall(r"<title>(.*?)</title>", html)[0]
        assert len(page.all("h1")) == 1, name
        assert heading in title, name
        assert title.count("myVPK") >= 1, name
        assert title.startswith(ERROR) == bool(page.all("div", **{"class": "error-summary"})), name


def test_help_stands_at_the_same_place_on_every_page(every_page: dict[str, str]) -> None:
    """WCAG 3.2.6, pages.md A35: after main, the last thing on the page but for the session dialog."""
    for name, html in every_page.items():
        tags = [tag for tag, _ in Elements(html).elements]
        footer = tags.index("footer")
        assert tags[footer : footer + 4] == ["footer", "div", "h2", "p"], name
        assert "061\u00a0555\u00a001\u00a023" in html[html.index("<footer") :], name
        assert {*tags[footer:]} & {"main", "form", "input"} == set(), name


def test_it_leaves_nothing_behind(visitor: Visitor) -> None:
    account = an_account()

    for name in entries(visitor):
        visitor.open(f"/dev/pages/{name}")

    db.session.rollback()
    assert [row.id for row in db.session.query(Account)] == [account.id]


def test_what_is_not_in_the_list_is_not_there(visitor: Visitor) -> None:
    assert visitor.open("/dev/pages/nothing").status == 404


def test_it_exists_in_development_only(app: Flask) -> None:
    settings: Settings = app.extensions["idp"].settings
    serious = settings.model_copy(update={"environment": "production"})

    rules = {rule.rule for rule in create_app(serious).url_map.iter_rules()}

    assert "/dev/pages" in {rule.rule for rule in app.url_map.iter_rules()}
    assert not {rule for rule in rules if rule.startswith("/dev/pages")}
