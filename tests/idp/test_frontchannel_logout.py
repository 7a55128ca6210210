"""Front-channel logout: the page that has applications sign out in this browser, and goes on."""

import html
import re
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from oidc import Configure
from oidc import a_client
from oidc import an_account
from oidc import change
from oidc import code_for
from oidc import sign_in
from oidc import tokens_for
from werkzeug.test import TestResponse

from idp import frontchannel_logout
from idp import session as sessions
from idp.clock import now
from idp.db import db
from idp.models import Client
from idp.models import SignedInClient

BACK = "https://rp.example/bye"
AWAY = "https://rp.example/front?x=1"


@pytest.fixture
def client(app: Flask) -> Client:
    return a_client(
        post_logout_redirect_uris=[BACK],
        frontchannel_logout_uri=AWAY,
        frontchannel_logout_session_required=True,
    )


def logout(browser: FlaskClient, client: Client, **params: Any) -> TestResponse:
    hint = tokens_for(browser, client)["id_token"]
    return browser.get("/logout", query_string={"id_token_hint": hint, **params})


def frames(response: TestResponse) -> list[str]:
    return [found.replace("&amp;", "&") for found in re.findall(r'<iframe[^>]* src="([^"]*)"', response.text)]


def test_applications_sign_out_in_frames_and_the_browser_goes_on(browser: FlaskClient, client: Client) -> None:
    """OIDC Front-Channel Logout §2, §3: with the issuer and the session"""
    session = sign_in(browser, an_account())

    response = logout(browser, client, post_logout_redirect_uri=BACK, state="s 1")

    assert response.status_code == 200
    (frame,) = frames(response)
    assert frame.startswith(AWAY)
    given = {"x": ["1"], "iss": ["http://localhost:8400"], "sid": [session.sid]}
    assert parse_qs(urlsplit(frame).query) == given
    assert refresh(response) == f"5; url={BACK}?state=s%201"
    assert f'href="{BACK}?state=s%201"' in response.text
    assert response.headers["Cache-Control"] == "no-store"


def test_a_disabled_application_is_not_loaded(browser: FlaskClient, client: Client) -> None:
    """Whoever was shut out has no page in a person's browser, either."""
    a_client("shut", frontchannel_logout_uri="https://shut.example/front", redirect_uris=[BACK])
    sign_in(browser, an_account())
    hint = tokens_for(browser, client)["id_token"]
    shut = db.session.get_one(Client, "shut")
    code_for(browser, shut, redirect_uri=BACK)
    change(shut, disabled_at=now())

    response = browser.get("/logout", query_string={"id_token_hint": hint})

    assert len(frames(response)) == 1
    assert "shut.example" not in response.text + response.headers["Content-Security-Policy"]


def test_frames_may_come_from_these_applications_only(browser: FlaskClient, client: Client) -> None:
    """Decision 14"""
    sign_in(browser, an_account())

    policy = logout(browser, client).headers["Content-Security-Policy"]

    assert "; frame-src https://rp.example; " in policy
    assert "frame-ancestors 'none'" in policy
    assert "frame-src" not in browser.get("/signed-out").headers["Content-Security-Policy"]


def test_the_session_has_ended_before_the_frames_load(browser: FlaskClient, client: Client) -> None:
    sign_in(browser, an_account())
    logout(browser, client)

    again = browser.get("/logout", query_string={})

    assert again.status_code == 303
    assert again.headers["Location"] == "/signed-out"
    assert browser.get_cookie("idp_session") is None


def test_only_applications_of_this_session_are_loaded(browser: FlaskClient, client: Client) -> None:
    a_client("other", frontchannel_logout_uri="https://other.example/front")
    second = a_client("second", frontchannel_logout_uri="https://second.example/front", redirect_uris=[BACK])
    sign_in(browser, an_account())
    code_for(browser, second)

    found = frames(logout(browser, client))

    assert [urlsplit(frame).netloc for frame in found] == ["rp.example", "second.example"]


def test_of_two_sign_ins_at_once_none_is_forgotten(
    browser: FlaskClient, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OIDC Front-Channel Logout §2: every client of the session is loaded, whichever wrote the session last."""
    second = a_client("second", frontchannel_logout_uri="https://second.example/front", redirect_uris=[BACK])
    account = an_account()
    sign_in(browser, account)
    keep = sessions.keep

    def slow(*args: Any, **kwargs: Any) -> str:
        monkeypatch.undo()
        code_for(browser, second)
        return keep(*args, **kwargs)

    monkeypatch.setattr(sessions, "keep", slow)

    found = frames(logout(browser, client))

    assert [urlsplit(frame).netloc for frame in found] == ["rp.example", "second.example"]


def test_a_session_from_the_version_before_still_signs_out_everywhere(browser: FlaskClient, client: Client) -> None:
    """Two nodes are updated one after another (docs/adr, expand then contract): rows were not written for it."""
    session = sign_in(browser, an_account())
    code_for(browser, client)
    db.session.rollback()
    db.session.query(SignedInClient).delete()
    db.session.commit()
    session.clients = ["portal"]

    assert len(frontchannel_logout.frames(session)) == 1


def test_an_answer_to_our_own_question_does_the_same(browser: FlaskClient, client: Client) -> None:
    sign_in(browser, an_account())
    tokens_for(browser, client)
    token = re.search(r'name="csrf_token" value="([^"]*)"', browser.get("/signout").text)
    assert token is not None

    response = browser.post("/signout", data={"csrf_token": token[1]})

    assert len(frames(response)) == 1
    assert refresh(response) == "5; url=/signed-out"


def test_without_such_applications_the_browser_goes_on_at_once(browser: FlaskClient, client: Client) -> None:
    sign_in(browser, an_account())
    change(client, frontchannel_logout_uri=None)

    assert logout(browser, client, post_logout_redirect_uri=BACK).headers["Location"] == BACK


def test_an_operator_can_do_without(app: Flask, browser: FlaskClient, client: Client, configure: Configure) -> None:
    configure(frontchannel_logout=False)
    sign_in(browser, an_account())

    assert logout(browser, client, post_logout_redirect_uri=BACK).status_code == 303
    assert browser.get("/.well-known/openid-configuration").json["frontchannel_logout_supported"] is False


def test_discovery_says_that_it_is_done(browser: FlaskClient) -> None:
    metadata = browser.get("/.well-known/openid-configuration").json

    assert metadata["frontchannel_logout_supported"] is True
    assert metadata["frontchannel_logout_session_supported"] is True


def refresh(response: TestResponse) -> str:
    """Where the page goes without scripts."""
    found = re.search(r'<noscript><meta http-equiv="refresh" content="([^"]*)"></noscript>', response.text)
    assert found is not None
    return html.unescape(found[1])


def test_an_address_cannot_leave_its_attribute_or_the_header(browser: FlaskClient, client: Client) -> None:
    sign_in(browser, an_account())
    change(client, post_logout_redirect_uris=[f'{BACK}?a="><script>;é'])

    response = logout(browser, client, post_logout_redirect_uri=f'{BACK}?a="><script>;é')

    assert response.status_code == 200
    assert '"><script>' not in response.text
    assert refresh(response).isascii()
