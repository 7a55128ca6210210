"""Applications that hear of a sign-out in the browser itself: by frames on the way out, and by watching the session."""

import threading
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest
from application import empty
from flask import Flask
from listener import Listener
from listener import listener
from oidc import a_client
from oidc import an_account
from oidc import sign_in
from playwright.sync_api import Page
from werkzeug.serving import make_server

from idp import session as sessions
from idp import session_management
from idp.db import db
from idp.provider import provider
from idp.session import Session

WATCHING = b"""<!DOCTYPE html><title>RP</title><iframe id="op" src="%s/session/check"></iframe><script>
  window.ask = (message) => new Promise((resolve) => {
    addEventListener("message", (event) => resolve(event.data), { once: true });
    document.getElementById("op").contentWindow.postMessage(message, "*");
  });
</script>"""


@pytest.fixture
def served(apps: Callable[[str], Flask], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Flask, str]]:
    """The application behind a real port, watched sessions switched on."""
    app = apps("sqlite")
    with app.app_context():
        empty(app)
        parts = app.extensions["idp"]
        monkeypatch.setattr(parts, "settings", parts.settings.model_copy(update={"session_management": True}))
        server = make_server("localhost", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield app, f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()
        db.session.remove()


@pytest.fixture
def rp() -> Iterator[Listener]:
    with listener(tls=False) as server:
        server.kind = "text/html"
        yield server


def enter(page: Page, app: Flask, address: str, **more: str) -> Session:
    """Give the browser a signed-in session, and whatever cookies belong to it."""
    browser = app.test_client()
    session = sign_in(browser, an_account())
    cookie = browser.get_cookie("idp_session")
    assert cookie is not None
    for name, value in {"idp_session": cookie.value, **more}.items():
        page.context.add_cookies([{"name": name, "value": value, "url": address}])
    return session


def state_of(app: Flask, session: Session, origin: str) -> tuple[str, str]:
    """What an authorization response tells a client of this origin, and the browser state beside it."""
    with app.test_request_context("/authorize"):
        state = session_management.session_state(session, "portal", f"{origin}/cb")
    assert state is not None
    return state, provider.vault.fingerprint("browser state", session.sid)


def test_an_application_sees_a_sign_out_by_itself(
    visit: Callable[..., Page], served: tuple[Flask, str], rp: Listener
) -> None:
    """OIDC Session Management §3: unchanged, changed after the sign-out, error for nonsense"""
    app, address = served
    page = visit()
    session = enter(page, app, address)
    state, browser_state = state_of(app, session, rp.url)
    page.context.add_cookies([{"name": "idp_browser_state", "value": browser_state, "url": address}])
    rp.body = WATCHING % address.encode()
    page.goto(rp.url, wait_until="load")

    def ask(message: str) -> Any:
        return page.evaluate("(message) => window.ask(message)", message)

    assert ask(f"portal {state}") == "unchanged"
    assert ask(f"other {state}") == "changed"
    assert ask("nonsense") == "error"
    assert ask(f"portal {state.partition('.')[0]}") == "error"

    other = page.context.new_page()
    other.goto(f"{address}/signout")
    other.get_by_role("button", name="Oui, me déconnecter").click()
    other.wait_for_url("**/signed-out")
    assert ask(f"portal {state}") == "changed"


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_applications_sign_out_in_frames_and_the_person_arrives(
    visit: Callable[..., Page], served: tuple[Flask, str], rp: Listener, scripts: bool
) -> None:
    """OIDC Front-Channel Logout §2"""
    app, address = served
    page = visit(scripts=scripts)
    a_client(frontchannel_logout_uri=f"{rp.url}/front")
    session = enter(page, app, address)
    session.clients = ["portal"]
    cookie = next(each["value"] for each in page.context.cookies() if each["name"] == "idp_session")
    with app.test_request_context("/", headers={"Cookie": f"idp_session={cookie}"}):
        sessions.keep(session, app.response_class(), renew=False)

    page.goto(f"{address}/signout")
    page.get_by_role("button", name="Oui, me déconnecter").click()
    page.wait_for_url("**/signed-out", timeout=10_000)

    assert [seen.path for seen in rp.seen] == [f"/front?iss=http%3A%2F%2Flocalhost%3A8400&sid={session.sid}"]
    assert page.get_by_role("heading", name="La déconnexion a réussi").is_visible()
