"""Behind TLS, as in production: nginx in front of provider and portal, `__Host-` cookies (decision 13, row 2.45)."""

import re
import sys
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from front import front
from listener import certificate
from live import Live
from live import portal
from live import provider
from playwright.sync_api import Cookie
from playwright.sync_api import Page
from playwright.sync_api import Response
from playwright.sync_api import expect
from services import free_port

sys.path.insert(0, str(Path(__file__).parent))

import steps

Visit = Callable[..., Page]
ATTRIBUTES = {"path=/", "secure", "httponly", "samesite=lax"}


class Secured:
    """Provider and portal as browsers see them."""

    def __init__(self, live: Live, issuer: str, portal: str) -> None:
        self.live, self.issuer, self.portal = live, issuer, portal


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("behind-tls")
    folder.chmod(0o755)
    front_port, portal_front, portal_port = free_port(), free_port(), free_port()
    issuer = f"https://localhost:{front_port}"
    with ExitStack() as stack:
        live = stack.enter_context(provider(folder, workers=2, IDP_ISSUER=issuer, IDP_TRUSTED_PROXIES="1"))
        backend = int(live.issuer.rpartition(":")[2])
        stack.enter_context(front(folder / "front", front_port, backend))
        address = stack.enter_context(
            portal(
                live,
                port=portal_port,
                address=f"https://localhost:{portal_front}",
                DEMO_ISSUER=issuer,
                REQUESTS_CA_BUNDLE=certificate(),
            )
        )
        stack.enter_context(front(folder / "portal-front", portal_front, portal_port))
        yield Secured(live, issuer, address)


def open_browser(visit: Visit) -> tuple[Page, list[str]]:
    """A browser that puts up with our own certificate, and every cookie that the provider and the portal set in it."""
    page = visit(ignore_https_errors=True)
    cookies: list[str] = []

    def note(answer: Response) -> None:
        cookies.extend(each["value"] for each in answer.headers_array() if each["name"].lower() == "set-cookie")

    page.context.on("response", note)
    return page, cookies


def is_signed_in(page: Page, secured: Secured, last_name: str) -> None:
    expect(page).to_have_url(f"{secured.portal}/pension")
    expect(page.locator("h1")).to_contain_text(last_name)


def test_enrolment_sign_out_and_sign_in_again(secured: Secured, visit: Visit) -> None:
    """Every cookie is bound to its host and to TLS, out of reach of scripts, and survives the way from the portal."""
    person, (page, cookies) = secured.live.person(), open_browser(visit)
    page.goto(f"{secured.portal}/register")
    assert page.url.startswith(f"{secured.issuer}/i/")
    steps.enrol(page, secured.live, person, "sms")
    assert page.evaluate("document.cookie") == ""
    steps.press_next(page)
    is_signed_in(page, secured, person.last_name)
    page.click("main form[action='/logout'] button")
    expect(page).to_have_url(re.compile(re.escape(secured.portal)))

    page.goto(f"{secured.portal}/login")
    page.click("text=Deutsch")
    steps.sign_in(page, secured.live, person, person.ahv_number)
    is_signed_in(page, secured, person.last_name)

    assert {each.split("=", 1)[0] for each in cookies} == {
        *("__Host-idp_browser", "__Host-idp_session", "__Host-idp_device", "__Host-idp_lang", "__Host-demo_session"),
    }
    for cookie in cookies:
        given = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert given >= ATTRIBUTES, cookie
        assert not any(part.startswith("domain") for part in given), cookie


def test_a_session_is_kept_for_the_next_application(secured: Secured, visit: Visit) -> None:
    """SameSite=Lax: the browser brings the session along when the portal sends it here (decision 10)."""
    person, (page, _) = secured.live.person(), open_browser(visit)
    page.goto(f"{secured.portal}/register")
    steps.enrol(page, secured.live, person, "totp")
    steps.press_next(page)
    kept = {each.get("name"): each for each in page.context.cookies(secured.issuer)}
    page.context.clear_cookies(name="__Host-demo_session")

    page.goto(f"{secured.portal}/login")

    is_signed_in(page, secured, person.last_name)
    session: Cookie = kept["__Host-idp_session"]
    assert (session.get("secure"), session.get("httpOnly"), session.get("sameSite")) == (True, True, "Lax")
    assert (session.get("domain"), session.get("path")) == ("localhost", "/")
