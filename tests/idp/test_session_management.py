"""Session management: the state that applications watch, its cookie, and the page that judges it."""

import hashlib
import re
from typing import Any

import pytest
from flask import Flask
from flask import Response
from flask.testing import FlaskClient
from oidc import Configure
from oidc import a_client
from oidc import an_account
from oidc import answer
from oidc import authorize
from oidc import change
from oidc import sign_in
from visitor import Visitor
from visitor import a_member

from idp import session as sessions
from idp import session_management
from idp.clock import now
from idp.session import Session

CALLBACK = "https://rp.example/cb"


@pytest.fixture
def watched(app: Flask, configure: Configure) -> Flask:
    configure(session_management=True)
    return app


def state_of(
    app: Flask, session: Session, client_id: str = "portal", redirect_uri: str = CALLBACK, cookie: str = ""
) -> tuple[str | None, str]:
    """The state given to a client that is signed in to, and the Set-Cookie for it that comes along."""
    headers = {"Cookie": cookie} if cookie else {}
    with app.test_request_context("/authorize", headers=headers):
        sessions.keep(session, Response(), renew=True)
        state = session_management.session_state(session, client_id, redirect_uri)
        return state, app.process_response(Response()).headers.get("Set-Cookie", "")


def cookie_in(set_cookie: str) -> str:
    found = re.match(r"(?:__Host-)?idp_browser_state=([^;]+);", set_cookie)
    assert found is not None, set_cookie
    return found[1]


def hashed(client_id: str, origin: str, browser_state: str, salt: str) -> str:
    return hashlib.sha256(f"{client_id} {origin} {browser_state} {salt}".encode()).hexdigest()


@pytest.fixture
def session(watched: Flask) -> Session:
    return Session(an_account().id, [], 0, 0)


@pytest.mark.parametrize(
    ("redirect_uri", "origin"),
    [
        ("https://rp.example/cb?x=1", "https://rp.example"),
        ("https://RP.example:443/cb", "https://rp.example"),
        ("https://rp.example:8443/cb", "https://rp.example:8443"),
        ("http://127.0.0.1:80/cb", "http://127.0.0.1"),
        ("http://[::1]:3000/cb", "http://[::1]:3000"),
    ],
)
def test_the_state_is_what_the_frame_computes(watched: Flask, session: Session, redirect_uri: str, origin: str) -> None:
    """OIDC Session Management §3.2, §4.2"""
    state, set_cookie = state_of(watched, session, "portal", redirect_uri)

    assert state is not None
    assert re.fullmatch(r"[0-9a-f]{64}\.[\w-]{16}", state)
    digest, salt = state.split(".")
    assert digest == hashed("portal", origin, cookie_in(set_cookie), salt)


def test_no_two_states_are_alike(watched: Flask, session: Session) -> None:
    assert len({state_of(watched, session)[0] for _ in range(10)}) == 10


def test_the_cookie_is_set_once_and_when_it_is_wrong(watched: Flask, session: Session) -> None:
    value = cookie_in(state_of(watched, session)[1])

    assert state_of(watched, session, cookie=f"idp_browser_state={value}")[1] == ""
    assert cookie_in(state_of(watched, session, cookie="idp_browser_state=other")[1]) == value


def test_it_changes_with_the_session_and_tells_nothing_of_it(watched: Flask, session: Session) -> None:
    other = Session(session.account_id, [], 0, 0)

    first, second = (cookie_in(state_of(watched, each)[1]) for each in (session, other))

    assert first != second
    assert session.sid not in first


def test_over_tls_it_is_read_in_frames_of_other_sites(watched: Flask, session: Session, configure: Configure) -> None:
    """Decision 10: by script, without any right"""
    configure(issuer="https://login.fund.example")

    set_cookie = state_of(watched, session)[1]

    assert set_cookie.startswith("__Host-idp_browser_state=")
    assert "SameSite=None" in set_cookie
    assert "Secure" in set_cookie
    assert "Path=/" in set_cookie
    assert "HttpOnly" not in set_cookie


def test_an_application_without_origin_gets_no_state(watched: Flask, session: Session) -> None:
    assert state_of(watched, session, redirect_uri="ch.fund.app:/cb")[0] is None


def test_it_is_off_unless_an_operator_wants_it(app: Flask, browser: FlaskClient) -> None:
    assert state_of(app, Session(an_account().id, [], 0, 0)) == (None, "")
    assert browser.get("/session/check").status_code == 404
    assert "check_session_iframe" not in browser.get("/.well-known/openid-configuration").json


def test_signing_out_takes_the_cookie_away(watched: Flask, browser: FlaskClient) -> None:
    session = sign_in(browser, an_account())
    browser.set_cookie("idp_browser_state", cookie_in(state_of(watched, session)[1]))
    token = re.search(r'name="csrf_token" value="([^"]*)"', browser.get("/signout").text)
    assert token is not None

    browser.post("/signout", data={"csrf_token": token[1]})

    assert browser.get_cookie("idp_browser_state") is None


def browser_state(browser: FlaskClient) -> str | None:
    cookie = browser.get_cookie("idp_browser_state")
    return cookie.value if cookie is not None else None


def test_it_changes_when_somebody_else_signs_in_at_an_application_without_origin(
    watched: Flask, browser: FlaskClient
) -> None:
    """OIDC Session Management §2: the browser state changes with the person, wherever that happens."""
    native = a_client("app", application_type="native", redirect_uris=["ch.fund.app:/cb"])
    sign_in(browser, an_account())
    authorize(browser, a_client())
    of_anna = browser_state(browser)
    sign_in(browser, an_account("bea@example.ch"))

    authorize(browser, native)

    assert of_anna is not None
    assert browser_state(browser) not in (None, of_anna)


def test_it_changes_with_a_visit_of_our_own(watched: Flask) -> None:
    """OIDC Session Management §2: also where no application is signed in to."""
    visitor = Visitor(watched)
    before = browser_state(visitor.browser)

    visitor.sign_in(a_member(), visitor.open("/signin"))

    assert before is None
    assert browser_state(visitor.browser) is not None


def test_it_goes_with_a_session_that_was_ended_elsewhere(watched: Flask, browser: FlaskClient) -> None:
    """OIDC Session Management §3.2: an application that asks hears that it has changed."""
    account, client = an_account(), a_client()
    sign_in(browser, account)
    authorize(browser, client)
    assert browser_state(browser) is not None
    change(account, sessions_valid_after=now())

    assert answer(authorize(browser, client, prompt="none"))["error"] == "login_required"

    assert browser_state(browser) is None


def test_it_stays_where_the_cookie_of_the_session_was_not_sent(watched: Flask, browser: FlaskClient) -> None:
    """In a frame of another site browsers send this cookie, and not the other: nothing has changed."""
    client = a_client()
    sign_in(browser, an_account())
    authorize(browser, client)
    before = browser_state(browser)
    browser.delete_cookie("idp_session")

    authorize(browser, client, prompt="none")

    assert before is not None
    assert browser_state(browser) == before


def test_where_it_is_off_no_cookie_comes_with_a_session(browser: FlaskClient) -> None:
    sign_in(browser, an_account())

    authorize(browser, a_client())

    assert browser_state(browser) is None


def test_the_page_may_be_framed_by_anybody_and_does_nothing_else(watched: Flask, browser: FlaskClient) -> None:
    response = browser.get("/session/check")

    policy: Any = response.headers["Content-Security-Policy"]
    assert response.status_code == 200
    assert "frame-ancestors *" in policy
    assert "default-src 'none'; script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "X-Frame-Options" not in response.headers
    assert "Set-Cookie" not in response.headers
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|<form", response.text)
    metadata = browser.get("/.well-known/openid-configuration").json
    assert metadata["check_session_iframe"] == "http://localhost:8400/session/check"


def test_no_other_page_may(watched: Flask, browser: FlaskClient) -> None:
    for path in ("/signin", "/signed-out", "/session/nothing"):
        assert browser.get(path).headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in browser.get(path).headers["Content-Security-Policy"]
