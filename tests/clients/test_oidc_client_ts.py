"""npm's oidc-client-ts in Chromium: a portal without a server, whose page calls the endpoints from another origin."""

import json
import shutil
from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from foreign import EVERY_SCOPE
from foreign import Registered
from foreign import enrolled
from foreign import npm_install
from live import Live
from playwright.sync_api import Browser
from playwright.sync_api import Page
from services import find
from services import missing

PACKAGE = "oidc-client-ts@^3"
PAGE = Path(__file__).with_name("oidc_client_ts.html")
BUNDLE = "node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page beside the library."""
    for needed, package in (("node", "nodejs"), ("npm", "npm")):
        if find(needed) is None:
            missing(package)
    folder = tmp_path_factory.mktemp("oidc-client-ts")
    npm_install(folder, PACKAGE)
    shutil.copy(folder / BUNDLE, folder)
    shutil.copy(PAGE, folder / "index.html")
    return folder


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def home(live: Live, site: Path, register: Callable[..., Registered]) -> Iterator[str]:
    """The portal's address, with a client of its own."""
    server = ThreadingHTTPServer(("localhost", 0), partial(Quiet, directory=str(site)))
    address = f"http://localhost:{server.server_address[1]}"
    client = register(f"{address}/", logout=f"{address}/", auth="none")
    given = {"authority": live.issuer, "client_id": client.client_id, "scope": f"{EVERY_SCOPE} offline_access"}
    (site / "settings.json").write_text(json.dumps(given))
    Thread(target=server.serve_forever, daemon=True).start()
    yield address
    server.shutdown()


@pytest.fixture
def page(live: Live, tmp_path: Path, chromium: Browser) -> Iterator[Page]:
    """Chromium, whose person is signed in at the provider and will sign out."""
    signed_in = enrolled(live, tmp_path)
    with chromium.new_context() as context:
        kept = [(each.name, each.value) for each in signed_in.cookies if each.value is not None]
        context.add_cookies([{"name": name, "value": value, "url": live.issuer} for name, value in kept])
        yield context.new_page()


def do(page: Page, call: str) -> Any:
    return page.evaluate(f"manager.then((manager) => {call}).then((user) => told(user))")


def begin(page: Page, call: str) -> None:
    """Begin what ends on another page; whoever waited for it would be gone with this one."""
    page.evaluate(f"() => {{ manager.then((manager) => {call}) }}")


def test_a_portal_in_the_browser_signs_in_renews_and_signs_out(live: Live, home: str, page: Page) -> None:
    """Code with PKCE, userinfo across origins, a refresh, a silent frame, and the sign-out that comes back."""
    page.goto(home)
    with page.expect_navigation(url=f"{home}/?code=*"):
        begin(page, "manager.signinRedirect()")
    told = page.evaluate("ready")
    assert told["profile"]["iss"] == live.issuer
    assert told["profile"]["email"]
    assert set(told["scope"].split()) == {*EVERY_SCOPE.split(), "offline_access"}

    renewed = do(page, "manager.signinSilent()")
    assert renewed["access"] != told["access"]
    assert renewed["profile"]["sub"] == told["profile"]["sub"]

    forget = "manager.getUser().then((user) => { user.refresh_token = undefined; return manager.storeUser(user) })"
    framed = do(page, f"{forget}.then(() => manager.signinSilent())")
    assert framed["access"] not in {told["access"], renewed["access"]}

    with page.expect_navigation(url=f"{home}/*"):
        begin(page, "manager.signoutRedirect({state: 1})")
    page.wait_for_url(f"{home}/?state=*")
    assert page.evaluate("ready") == {"out": "out"}
    failure = page.evaluate(
        "manager.then((manager) => manager.signinSilent()).then(() => null, (error) => error.error)"
    )
    assert failure == "login_required"


def test_a_portal_signs_in_and_out_in_a_window_of_its_own(live: Live, home: str, page: Page) -> None:
    """OIDC Core §3.1.2.1: the page sees the window it opened to the end, also past a page of ours that asks."""
    page.goto(home)
    with page.expect_popup() as opened:
        begin(page, "{ window.end = watched(manager.signinPopup({prompt: 'login', popupAbortOnClose: true})) }")
    popup = opened.value
    popup.wait_for_url(f"{live.issuer}/i/**")
    page.wait_for_timeout(1500)  # the library looks twice a second whether the window is closed
    assert page.evaluate("Promise.race([end, Promise.resolve('open')])") == "open"
    popup.close()
    assert page.evaluate("end") == "Popup closed by user"

    told = do(page, "manager.signinPopup()")
    assert told["profile"]["iss"] == live.issuer
    assert page.evaluate("manager.then((manager) => watched(manager.signoutPopup({state: 1})))") == "well"


def test_a_page_that_nobody_registered_reads_nothing(live: Live, home: str, page: Page) -> None:
    """The Fetch Standard keeps the answers from it."""
    page.goto(home.replace("localhost", "127.0.0.1"))

    failure = page.evaluate(
        f"fetch('{live.issuer}/token', {{method: 'POST'}}).then(() => 'read', () => 'kept from it')"
    )

    assert failure == "kept from it"
