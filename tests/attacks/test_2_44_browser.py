"""Browser and session: rows 2.44 to 2.51, with a provider behind TLS for what only https has."""

import hashlib
import json
import re
import socket
import time
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from urllib.parse import unquote
from urllib.parse import urlencode
from urllib.parse import urlsplit

import pytest
import requests
from front import front
from listener import certificate
from live import Live
from live import provider
from services import free_port
from target import CALLBACK
from target import WAIT
from target import Browser
from target import Target
from target import answer

from flows.gallery import PLAIN

SESSION = "idp_session"
IDLE, ABSOLUTE = 4, 9
ORIGINS = ("null", "https://evil.test", "http://localhost", "https://rp.example.evil.test")
PAGES = (
    *("/", "/terms", "/privacy", "/accessibility", "/signin", "/enrol", "/password/forgot", "/signout", "/signed-out"),
    *("/logout", "/device", "/device/done", "/device/refused", "/authorize", "/i/none", "/nowhere"),
)
DOCUMENTS = (
    *("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks", "/userinfo"),
    *("/.well-known/oauth-protected-resource/userinfo", "/health/live", "/health/ready", "/token", "/par", "/register"),
    *("/introspect", "/revoke", "/static/app.css", "/favicon.ico"),
)
MOVING = {
    "store_entry": "visits and sessions, whose lifetimes move, and counters per address",
    "audit_seal": "lines of before are sealed in batches",
    "audit_event": "/signin of somebody who is signed in already ends at once, and the journal notes it",
}
"""Tables that a look may change, and why."""


# --- 2.44: session ids -----------------------------------------------------------------------------------------------


def test_2_44_the_session_has_another_name_after_each_sign_in(target: Target) -> None:
    """V7.2.4: the old name is worth nothing, also in a tab beside."""
    person, browser = target.enrolled()
    first, tab = browser.cookies[SESSION], browser.twin()

    page = browser.open(target.authorize(browser, prompt="login").headers["Location"])
    page = browser.answer(page, username=person.email, password=person.password)
    assert browser.cookies[SESSION] == first, "a password alone is no session"
    assert "code" in answer(browser.press(page, code=browser.factor_code(person)))

    assert browser.cookies[SESSION] != first
    assert len(browser.cookies[SESSION]) >= 43
    assert answer(target.authorize(tab, prompt="none"))["error"] == "login_required"
    assert "code" in answer(target.authorize(browser, prompt="none"))


# --- 2.45 and 2.51: behind TLS ---------------------------------------------------------------------------------------


class Behind:
    """A provider behind nginx with TLS, whose sessions are short."""

    def __init__(self, live: Live, issuer: str) -> None:
        self.live, self.issuer = live, issuer

    def browser(self) -> Browser:
        return Browser(Live(self.issuer, self.live.folder, self.live.environment, self.live.people))

    def enrolled(self) -> tuple[Browser, requests.Response]:
        """A browser that has just enrolled, and the answer that signed it in."""
        person, browser = self.live.person(), self.browser()
        page = browser.until_confirmation(browser.open("/enrol"), person, "totp")
        page = browser.answer(page, code=browser.confirmation(page, person, "totp"))
        return browser, browser.press(page)

    def is_signed_in(self, browser: Browser) -> bool:
        """«Déconnexion» asks only whoever is signed in."""
        return browser.look("/signout").status_code == 200


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    folder = tmp_path_factory.mktemp("attacked-behind-tls")
    folder.chmod(0o755)
    port = free_port()
    issuer = f"https://localhost:{port}"
    short = {"IDP_SESSION_IDLE_SECONDS": str(IDLE), "IDP_SESSION_ABSOLUTE_SECONDS": str(ABSOLUTE)}
    with (
        pytest.MonkeyPatch.context() as trust,
        provider(folder, workers=4, IDP_ISSUER=issuer, IDP_TRUSTED_PROXIES="1", **short) as live,
        front(folder / "front", port, int(live.issuer.rpartition(":")[2])),
    ):
        trust.setenv("REQUESTS_CA_BUNDLE", certificate())
        yield Behind(live, issuer)


def test_2_45_cookies_are_for_this_host_alone_and_end_on_the_server(behind: Behind) -> None:
    """V3.3, V7.3: attributes, and both ends of a session tried with the cookie that outlives them."""
    browser, finished = behind.enrolled()

    for response in (browser.look("/signin"), finished):
        for line in response.raw.headers.getlist("Set-Cookie"):
            name, _, rest = line.partition("=")
            attributes = {each.strip().lower() for each in rest.split(";")[1:]}
            assert name.startswith("__Host-idp_"), line
            assert {"secure", "httponly", "samesite=lax", "path=/"} <= attributes, line
            assert not any(each.startswith("domain") for each in attributes), line
            assert len(line) < 4096
    sessions = {cookie.name: cookie.value for cookie in browser.cookies}
    assert len(sessions["__Host-idp_session"]) >= 43, "more than 128 bits"

    begun = time.monotonic()
    assert behind.is_signed_in(browser)
    while time.monotonic() - begun < ABSOLUTE + 1:  # never idle for as long as that
        time.sleep(1)
        last = browser.look("/signout").status_code
    assert last == 303, "the absolute end comes whatever the person does"
    assert not behind.is_signed_in(browser)


def test_2_45_an_idle_session_ends_by_itself(behind: Behind) -> None:
    browser, _ = behind.enrolled()
    assert behind.is_signed_in(browser)

    time.sleep(IDLE + 1.5)

    assert not behind.is_signed_in(browser)


def test_2_51_every_answer_behind_tls_keeps_browsers_there(behind: Behind) -> None:
    """HSTS of a year or more and nosniff: pages, errors, documents and static files."""
    browser = behind.browser()
    for path in (*PAGES, *DOCUMENTS):
        headers = browser.look(path).headers
        age = re.search(r"max-age=(\d+)", headers.get("Strict-Transport-Security", ""))
        assert age, path
        assert int(age[1]) >= 365 * 86400, path
        assert headers["X-Content-Type-Options"] == "nosniff", path


def test_2_51_no_page_of_others_reads_an_answer(target: Target) -> None:
    """CORS: `Origin: null`, strangers, and never credentials beside `*`."""
    tokens = target.tokens(target.signed_in())
    for origin in ORIGINS:
        headers = {"Origin": origin, "Authorization": f"Bearer {tokens['access_token']}"}
        for path in (*PAGES, *DOCUMENTS):
            told = requests.get(target.issuer + path, headers=headers, timeout=WAIT, allow_redirects=False).headers
            allowed = told.get("Access-Control-Allow-Origin")
            assert allowed in {None, "*"}, (origin, path, allowed)
            assert "Access-Control-Allow-Credentials" not in told, (origin, path)
            if allowed == "*":
                assert path.startswith("/.well-known/") or path == "/jwks", (path, "is for everybody")


# --- 2.46: other sites, and looking ----------------------------------------------------------------------------------


def test_2_46_no_form_works_without_the_token_of_its_visit(target: Target) -> None:
    """Sign-in and enrolment, too; none, a wrong one, that of another visit, another media type, another method."""
    person, _ = target.enrolled()
    foreign = target.browser().open("/signin").form()[1]["csrf_token"]
    for entrance, values in (
        ("/signin", {"username": person.email, "password": person.password}),
        ("/enrol", {"id": person.ahv_number, "dob": person.birth_date, "act": person.code, "terms": "1"}),
        ("/password/forgot", {"username": person.email}),
    ):
        browser = target.browser()
        page = browser.open(entrance)
        action, given = page.form()
        for token in (None, "", "x", foreign, given["csrf_token"][:-1]):
            sent = {**given, **values, "csrf_token": token}
            refused = browser.post(action, data=sent, allow_redirects=False, timeout=WAIT)
            assert refused.status_code == 400, (entrance, token)
        body = json.dumps({**given, **values})
        for kind in ("text/plain", "application/json"):
            told = browser.post(action, data=body, headers={"Content-Type": kind}, allow_redirects=False, timeout=WAIT)
            assert told.status_code in {400, 415}, (entrance, kind)
        looked = browser.look(action, _method="POST", **{**given, **values})
        assert looked.status_code == 200
        assert looked.url.split("?")[0] == page.url.split("?")[0]


def test_2_46_looking_changes_nothing(target: Target) -> None:
    """Every address there is, as a person who is signed in: the database afterwards is the one before."""
    _, browser = target.enrolled()
    visit = target.authorize(browser, prompt="login").headers["Location"]
    paths = [*every_address(target, visit), "/nowhere"]
    time.sleep(1.5)  # what was queued by the enrolment is sent meanwhile
    before = dump(target)
    last = target.rows("SELECT max(sequence) FROM audit_event")[0][0]

    for path in paths:
        response = browser.look(path, action="resend", id="1", _method="DELETE")
        assert response.status_code < 500, path

    after = dump(target)
    told = target.rows("SELECT event FROM audit_event WHERE sequence > :n", n=last)
    assert {row[0] for row in told} <= {"sign_in"}
    assert {name for name in before if before[name] != after[name]} <= set(MOVING)


def every_address(target: Target, visit: str) -> list[str]:
    """All that the provider answers at, whatever the method, by its own map; with this visit where one belongs."""
    given = dict(zip(("interaction_id", "flow_name", "step_name"), visit.split("/")[2:], strict=True))
    given |= {"client_id": "web", "filename": "app.css", "name": next(iter(PLAIN))}
    rules = {rule.rule for rule in target.application().url_map.iter_rules()}
    return sorted(re.sub(r"<(?:\w+:)?(\w+)>", lambda found: given[found[1]], rule) for rule in rules)


def dump(target: Target) -> dict[str, str]:
    """A hash of each table's rows."""
    tables = [row[0] for row in target.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {
        name: hashlib.sha256(repr(sorted(map(repr, target.rows(f'SELECT * FROM "{name}"')))).encode()).hexdigest()
        for name in tables
    }


# --- 2.47 to 2.50: what is put into answers --------------------------------------------------------------------------


def test_2_47_no_parameter_leads_a_browser_away(target: Target) -> None:
    """Ten spellings under all the names that programs use."""
    wishes = (
        *(
            "//evil.test",
            "/\\evil.test",
            "https:evil.test",
            "/%09/evil.test",
            "/%2f%2fevil.test",
            "javascript:alert(1)",
        ),
        *("\\/\\/evil.test", "https://evil.test", "/redirect?next=//evil.test", "//evil.test/%2e%2e"),
    )
    names = (
        "next",
        "return_to",
        "returnTo",
        "redirect",
        "redirect_uri",
        "url",
        "ui",
        "continue",
        "lang",
        "state",
        "iss",
    )
    browser = target.browser()
    for path in ("/", "/signin", "/enrol", "/signout", "/logout", "/password/forgot", "/device", "/signed-out"):
        for wish in wishes:
            response = browser.look(f"{target.issuer}{path}?{urlencode(dict.fromkeys(names, wish))}")
            led = response.headers.get("Location", "/")
            assert urlsplit(led).netloc in {"", urlsplit(target.issuer).netloc}, (path, wish, led)
            assert led.startswith("/"), (path, wish, led)
            assert not led.startswith(("//", "/\\")), (path, wish, led)
            assert "evil.test" not in urlsplit(led).path, (path, wish, led)


def test_2_48_no_page_is_shown_in_a_frame(target: Target) -> None:
    """Pages, errors and documents; the frame that watches the session is switched off here (decision 14)."""
    browser = target.signed_in()
    begun = target.authorize(browser, "third").headers["Location"]
    for path in (*PAGES, begun):
        headers = browser.look(path).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], path
        assert headers["X-Frame-Options"] == "DENY", path


def test_2_49_what_is_sent_is_text_on_every_page(target: Target) -> None:
    """Parameters, names of applications, browsers and typed words; no page runs anything of others."""
    payload = "\"'><img src=x onerror=alert(1)><script>alert(1)</script>kq{{7*7}}qk"
    browser, person = target.browser(), target.signed_in()
    browser.headers["User-Agent"] = payload
    pages = [browser.look(path, q=payload, lang=payload, act=payload, error=payload) for path in PAGES]
    pages += [target.authorize(browser, **{name: payload}) for name in target.request_of()]
    shown = []
    for entrance in ("/signin", "/enrol", "/password/forgot", "/device"):
        page = browser.open(entrance)
        _, given = page.form()
        shown.append(browser.press(page, **{name: payload for name in given if name != "csrf_token"}))
    named = target.register({"redirect_uris": [CALLBACK], "client_name": payload}).json()
    asked = target.request_of(named["client_id"], redirect_uri=CALLBACK)
    shown.append(person.get(f"{target.issuer}/authorize", params=asked, timeout=WAIT))
    for page in (*pages, *shown):
        assert page.status_code < 500, page.url
        assert "<img src=x" not in page.text, page.url
        assert "<script>alert" not in page.text, page.url
        assert "kq49qk" not in page.text + unquote(page.url + page.headers.get("Location", "")), page.url
        if "text/html" in page.headers.get("Content-Type", ""):
            policy = page.headers["Content-Security-Policy"]
            assert "unsafe" not in policy, page.url
            assert "default-src 'none'" in policy or "default-src 'self'" in policy, page.url
            assert "base-uri 'none'" in policy, page.url
            assert "object-src 'none'" in policy or "default-src 'none'" in policy, page.url
            assert not Running.in_page(page.text), page.url
    assert [page.url for page in shown if payload not in unescape(page.text)] == [], "these show what was sent, as text"


@pytest.mark.parametrize(
    "break_", ["\r\nX-Evil: 1", "%0d%0aX-Evil:%201", "\nX-Evil: 1", "%00", "%E5%98%8A%E5%98%8DX-Evil:1"]
)
def test_2_50_no_answer_is_split(target: Target, break_: str) -> None:
    """Raw and encoded, in the path, in parameters and in the header `Host`: no header of ours comes from there."""
    visible = break_.replace("\r", "%0d").replace("\n", "%0a")
    for path in (
        f"/{visible}",
        f"/signin?lang={visible}&ui_locales={visible}",
        f"/enrol?act={visible}",
        f"/i/{visible}/x/y",
    ):
        told = raw(target, f"GET {path} HTTP/1.1\r\nHost: {urlsplit(target.issuer).netloc}\r\n")
        assert told.status < 500, path
        assert not told.has("x-evil"), path
    state = target.authorize(target.signed_in(), state=f"a{break_}")
    assert "X-Evil" not in state.headers
    told = raw(target, f"GET /signin HTTP/1.1\r\nHost: evil.test{visible}\r\n")
    assert told.status < 500
    assert not told.has("x-evil")
    for name in ("username", "id"):
        page = target.browser().open("/signin" if name == "username" else "/enrol")
        answered = target.browser().press(page, **{name: f"a@example.org{break_}"})
        assert answered.status_code < 500
        assert "X-Evil" not in answered.headers


class Running(HTMLParser):
    """What would run on a page: scripts of its own, and attributes that hold some."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    @classmethod
    def in_page(cls, text: str) -> list[str]:
        parser = cls()
        parser.feed(text)
        return parser.found

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = [name for name, value in attributes if name.startswith("on") or (value or "").startswith("javascript:")]
        is_inline = tag == "script" and "src" not in dict(attributes)
        self.found += [tag] if names or is_inline else []


class raw:
    """A request written by hand: status and header lines of the answer."""

    def __init__(self, target: Target, head: str) -> None:
        address = urlsplit(target.issuer)
        with socket.create_connection((str(address.hostname), int(address.port or 80)), timeout=WAIT) as connection:
            connection.sendall(f"{head}Connection: close\r\n\r\n".encode())
            got = b""
            while part := connection.recv(65536):
                got += part
        lines = got.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.names = [line.partition(":")[0].lower() for line in lines[1:]]

    def has(self, name: str) -> bool:
        return name in self.names
