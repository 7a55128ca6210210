"""The page runner: whose an interaction is, what a GET may not do, and where a finished one leads."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from oidc import CALLBACK
from oidc import a_client
from oidc import change
from oidc import request_of
from sqlalchemy import select
from visitor import PASSWORD
from visitor import Page
from visitor import Visitor
from visitor import a_member
from visitor import a_person
from visitor import code
from walk import e164

from idp.db import Base
from idp.db import db
from idp.models import StoreEntry
from idp.provider import provider

LANDING = "https://rp.example/login"


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    return Visitor(app)


@pytest.fixture
def another(app: Flask) -> Callable[[], Visitor]:
    return lambda: Visitor(app)


def home_of(page: Page) -> str:
    """`/i/<id>` of the page."""
    return "/".join(page.url.split("/")[:3]) if page.url.startswith("/") else page.url


# --- whose it is (CVE-2022-39222, CVE-2026-7507: security rows V10, V20 and 2.12) ------------------------------------


def test_a_copied_address_works_in_no_other_browser(visitor: Visitor, another: Callable[[], Visitor]) -> None:
    """At each step, for a browser without and with cookies, by GET and by POST."""
    person = a_member()
    page = visitor.open("/authorize", **request_of(a_client()))
    stranger, blank = another(), another()
    stranger.open("/signin")
    pages = [page, visitor.give_password(page, person.email)]
    for one in pages:
        _, fields = one.form()
        for browser in (stranger, blank):
            for answer in (
                browser.open(one.url),
                browser.open(home_of(one)),
                browser.open(f"{home_of(one)}/cancel"),
                browser.post(one.url, **{**fields, "username": person.email, "password": PASSWORD}),
                browser.post(f"{home_of(one)}/cancel", **fields),
                browser.post(f"{home_of(one)}/extend", **fields),
            ):
                assert answer.status == 400
                assert not answer.location
                assert person.email not in answer.text

    done = visitor.answer(pages[-1], code=code(e164(person.phone)))
    assert "code=" in done.location
    for browser in (stranger, blank):
        assert browser.open(home_of(page)).status == 400


def test_a_signed_in_victim_gives_a_planted_address_nothing(visitor: Visitor, another: Callable[[], Visitor]) -> None:
    """Security row V20: the attacker's interaction never becomes signed in by the victim's session."""
    victim, attacker = visitor, another()
    victim.sign_in(a_member())
    page = attacker.open("/authorize", **request_of(a_client()))

    assert victim.open(page.url).status == 400
    assert victim.open(home_of(page)).status == 400

    assert "sign_in/credentials" in attacker.open(home_of(page)).url


def test_a_browser_without_cookies_is_told_so(app: Flask, visitor: Visitor, another: Callable[[], Visitor]) -> None:
    page = visitor.open("/signin")

    told = another().open(page.url)

    assert told.status == 400
    assert told.says("er.cookies.h1")


# --- forms of somebody else ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "", "0" * 64, "é", "foreign"])
@pytest.mark.parametrize("where", ["", "/cancel", "/extend"])
def test_a_form_without_our_token_does_nothing(
    visitor: Visitor, another: Callable[[], Visitor], token: str | None, where: str
) -> None:
    person = a_person()
    page = visitor.enrol_until("user-data", person)
    if token == "foreign":
        other = another()
        _, theirs = other.open("/signin").form()
        token = theirs["csrf_token"]
    fields = {} if token is None else {"csrf_token": token}

    refused = visitor.post(
        f"{home_of(page)}{where}" if where else page.url,
        **fields,
        email=person.email,
        password=PASSWORD,
        password2=PASSWORD,
    )

    assert refused.status == 400
    assert refused.says("er.expired.h1")
    assert "user-data" in visitor.open(home_of(page)).url


def test_the_token_of_another_tab_does_not_fit(visitor: Visitor) -> None:
    one, two = visitor.open("/signin"), visitor.open("/signin")
    _, theirs = two.form()

    assert visitor.answer(one, csrf_token=theirs["csrf_token"]).status == 400


# --- a GET changes nothing (decision 15) ---------------------------------------------------------------------------


def everything(app: Flask) -> dict[str, Any]:
    """All rows of the database, and all keys and values of Redis."""
    db.session.rollback()
    with db.engine.connect() as connection:
        rows: dict[str, Any] = {
            table.name: sorted(map(repr, connection.execute(select(table)).all()))
            for table in Base.metadata.sorted_tables
        }
    if provider.settings.redis_url:
        from redis import Redis

        redis = Redis.from_url(provider.settings.redis_url)
        rows["redis"] = {key: redis.dump(key) for key in sorted(redis.keys())}
    return rows


STEPS = [
    "enrol/identification",
    "enrol/user-data",
    "enrol/confirm-email",
    "enrol/second-factor",
    "enrol/second-factor-details",
    "enrol/confirm-second-factor",
    "enrol/done",
    "sign_in/credentials",
    "password/forgot",
    "cancel",
]


@pytest.mark.parametrize("stopped", ["user-data", "confirm-email", "second-factor", "confirm-second-factor", "/done"])
def test_looking_at_pages_changes_nothing(app: Flask, visitor: Visitor, stopped: str) -> None:
    page = visitor.enrol_until(stopped, a_person())
    visitor.open(page.url)
    before = everything(app)

    for step in [*STEPS, *STEPS[::-1]]:
        assert visitor.open(f"{home_of(page)}/{step}").status < 500
        assert visitor.open(f"{home_of(page)}/{step}", lang="de").status < 500
    visitor.open(home_of(page))

    assert everything(app) == before
    assert stopped in visitor.open(home_of(page)).url


def test_the_snapshot_would_see_a_change(app: Flask, visitor: Visitor) -> None:
    page = visitor.open("/signin")
    before = everything(app)

    visitor.give_password(page, "nobody@example.org")

    assert everything(app) != before
    assert StoreEntry.__tablename__ in before


# --- the end -------------------------------------------------------------------------------------------------------


def finished(visitor: Visitor, **client: Any) -> Page:
    person = a_member()
    page = visitor.open("/authorize", **request_of(a_client(**client)))
    page = visitor.give_password(page, person.email)
    done = visitor.answer(page, code=code(e164(person.phone)))
    assert done.location.startswith(f"{CALLBACK}?code=")
    return page


@pytest.mark.parametrize("by", ["open", "post"])
def test_the_back_button_after_the_end_leads_to_the_application(visitor: Visitor, by: str) -> None:
    page = finished(visitor, initiate_login_uri=LANDING)

    again = visitor.open(page.url) if by == "open" else visitor.answer(page, code="123456")

    assert again.status == 303
    assert again.location == LANDING


def test_an_application_without_an_entrance_gets_the_expired_page(visitor: Visitor) -> None:
    again = visitor.open(finished(visitor).url)

    assert again.status == 400
    assert again.says("er.expired.h1")


def test_a_client_disabled_on_the_way_is_sent_no_code(visitor: Visitor) -> None:
    """CVE-2026-2733: security row V29."""
    person, client = a_member(), a_client()
    page = visitor.give_password(visitor.open("/authorize", **request_of(client)), person.email)
    change(client, disabled_at=client.created_at)

    answered = visitor.answer(page, code=code(e164(person.phone)))

    assert answered.status == 400
    assert not answered.location


def test_cancel_at_the_sign_in_tells_the_client(visitor: Visitor) -> None:
    page = visitor.open("/authorize", **request_of(a_client()))

    assert "error=access_denied" in visitor.open(f"{home_of(page)}/cancel").location


@pytest.mark.parametrize("path", ["/i/nothing", "/i/nothing/sign_in/credentials", "/i/nothing/cancel"])
def test_an_address_that_never_was_is_expired(visitor: Visitor, path: str) -> None:
    visitor.open("/signin")

    page = visitor.open(path)

    assert page.status == 400
    assert page.says("er.expired.h1")


def test_a_page_that_does_not_exist_is_404(visitor: Visitor) -> None:
    page = visitor.open("/signin")

    assert visitor.open(f"{home_of(page)}/sign_in/nothing").status == 404
    assert visitor.open(f"{home_of(page)}/nothing/credentials").status == 404


def test_an_unknown_button_is_refused(visitor: Visitor) -> None:
    page = visitor.open("/signin")

    assert visitor.answer(page, action="__class__").status == 400


def test_idle_for_too_long_it_expires(visitor: Visitor) -> None:
    from datetime import timedelta

    import time_machine

    from idp.clock import now

    if provider.settings.redis_url:
        pytest.skip("Redis has a clock of its own")
    page = visitor.open("/signin")
    with time_machine.travel(now() + timedelta(seconds=3601)):
        assert visitor.open(page.url).status == 400


# --- language (pages.md 2.1.1) -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "ui_locales", "header", "expected"),
    [
        ({"lang": "it"}, "de", "en", "it-CH"),
        ({}, "de", "en", "de-CH"),
        ({}, None, "en", "en"),
        ({}, None, "pt", "fr-CH"),
        ({}, "pt de", "it", "de-CH"),
    ],
)
def test_the_language_comes_from_the_choice_the_client_the_browser_the_fund(
    app: Flask, query: dict[str, str], ui_locales: str | None, header: str, expected: str
) -> None:
    visitor = Visitor(app, **{"Accept-Language": header})
    changes = {"ui_locales": ui_locales} if ui_locales else {}
    page = visitor.open("/authorize", **request_of(a_client(), **changes))
    page = visitor.open(page.url, **query) if query else page

    assert f'<html lang="{expected}' in page.text
    assert f'<html lang="{expected}' in visitor.open(page.url.partition("?")[0]).text
