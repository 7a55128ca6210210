"""What attacks are aimed at: a running provider, the applications registered at it, and people who are signed in.

Every browser has an address of its own (all of 127/8 is this machine), so that ceilings per address count only where a
test means them to.
"""

import csv
import json
import os
import secrets
import time
from collections.abc import Callable
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from dataclasses import field
from http.server import BaseHTTPRequestHandler
from itertools import count
from pathlib import Path
from threading import Barrier
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl
from urllib.parse import urlsplit

import requests
from flask import Flask
from joserfc.jwk import ECKey
from listener import Listener
from listener import Seen
from live import Live
from live import Person
from live import sql_address
from oidc import CHALLENGE
from oidc import VERIFIER
from proofs import assertion
from proofs import jwks
from requests.adapters import HTTPAdapter
from sqlalchemy import create_engine
from sqlalchemy import text
from visitor import ahv
from walk import Page
from walk import Walker
from walk import expect

from idp.clock import epoch
from idp.provider import provider
from keys import algorithms
from wsgi import create_app

CALLBACK = "https://rp.example/cb"
LOOPBACK_CALLBACK = "http://127.0.0.1/cb"
EVERY_SCOPE = ["openid", "profile", "email", "address", "phone", "offline_access", "pension"]
EVERY_SCOPE_ONLINE = [name for name in EVERY_SCOPE if name != "offline_access"]
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
CIBA = "urn:openid:params:grant-type:ciba"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
STAFF = "https://staff.example.ch"
FUND = "https://fund.example.ch"
STAFF_KEY = ECKey.generate_key("P-256")
"""Another issuer, whom the operator lets vouch for people before one client (RFC 7523)."""
STAFF_SETTING = json.dumps({STAFF: {"jwks": jwks(STAFF_KEY), "clients": ["desk"], "scopes": ["profile"]}})
CODE_AND_REFRESH = ["authorization_code", "refresh_token"]
WAIT = 60
PEOPLE = 150
OURS = "66"
HEADER = (
    "person_number,ahv_number,birth_date,salutation,first_name,last_name,street,postcode,town,country,language,email,"
    "entitlement,status"
)
SOMEBODY = "04.02.1947,Madame,Odile,Fictive,Rue de la Fiction 12,1202,Genève,CH,fr,,retirement,active"
_ADDRESSES = count(2)

INSIDE = (
    *("127.0.0.1", "127.8.9.1", "10.0.0.1", "10.255.255.254", "172.16.0.1", "172.31.255.254", "192.168.1.1"),
    *("100.64.0.1", "169.254.169.254", "198.18.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "168.63.129.16"),
    *("::1", "::", "fc00::1", "fd00:ec2::254", "fe80::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1"),
)
"""One and more of each class of addresses that are nobody's web server outside (security.md 2.42)."""
REFUSED = "FetchRefused: address"
"""What the log says of a call refused for its address, before any connection: whether anybody listens or not."""

CLIENTS: dict[str, dict[str, Any]] = {
    "web": {
        "redirect_uris": [CALLBACK, LOOPBACK_CALLBACK],
        "post_logout_redirect_uris": ["https://rp.example/out"],
        "grant_types": [*CODE_AND_REFRESH, EXCHANGE],
    },
    "other": {"redirect_uris": ["https://other.example/cb"]},
    "query": {"redirect_uris": ["https://rp.example/cb?tenant=1"]},
    "named": {"redirect_uris": ["https://foo.example.com"]},
    "native": {
        "redirect_uris": [LOOPBACK_CALLBACK, "http://[::1]/cb"],
        "application_type": "native",
        "token_endpoint_auth_method": "none",
    },
    "keyed": {"token_endpoint_auth_method": "private_key_jwt", "jwks": jwks()},
    "posting": {"token_endpoint_auth_method": "client_secret_post"},
    "third": {"first_party": False},
    "exempt": {"require_pkce": False},
    "disabled": {"disabled": True},
    "ending": {},
    "signed": {"access_token_format": "jwt", "grant_types": [*CODE_AND_REFRESH, EXCHANGE]},
    "desk": {"redirect_uris": [], "grant_types": [BEARER], "scope": ["profile"]},
    "telephone": {
        "redirect_uris": [],
        "grant_types": [CIBA],
        "scope": ["openid"],
        "backchannel_token_delivery_mode": "poll",
    },
    "rotated": {},
    "narrow": {"grant_types": ["authorization_code"], "scope": ["openid"]},
    "device": {"grant_types": ["authorization_code", DEVICE], "scope": EVERY_SCOPE_ONLINE},
    "service": {
        "redirect_uris": [],
        "response_types": [],
        "grant_types": ["client_credentials"],
        "scope": [],
    },
}
"""What differs from a careful confidential web application of the fund."""


class Browser(Walker):
    """A browser without scripts, at an address of its own."""

    def __init__(self, live: Live, address: str = "") -> None:
        super().__init__(live)
        number = next(_ADDRESSES)
        self.address = address or f"127.{number // 250 + 1}.{number % 250}.1"  # nobody's neighbour
        self.mount("http://", _From(self.address))

    def look(self, url: str, **query: str) -> requests.Response:
        """Open an address and follow nothing."""
        return self.get(
            url if "://" in url else self.live.issuer + url, params=query, allow_redirects=False, timeout=WAIT
        )

    def press(self, page: Page, _form: int = 0, **values: str) -> requests.Response:
        """Fill in a form of the page, send it and follow nothing."""
        action, given = page.form(_form)
        return self.post(action, data={**given, **values}, allow_redirects=False, timeout=WAIT)

    def twin(self) -> "Browser":
        """The same browser in the hands of another thread: same cookies, same address."""
        other = Browser(self.live)
        other.cookies.update(self.cookies)
        return other


class _From(HTTPAdapter):
    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__(pool_maxsize=50)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> Any:
        return super().init_poolmanager(*args, **kwargs, source_address=(self._address, 0))


class Target:
    """A running provider and all that an attacker knows of it, may register at it or has stolen from it."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.issuer = live.issuer
        self._clients = dict(CLIENTS)
        self._people = [person for person in live.people if person.person_number.startswith(OURS)]
        self._secrets = _register_clients(live)
        self._member: tuple[Person, Browser] | None = None
        self._initial_token: str | None = None

    # --- people ----------------------------------------------------------------------------------------------------

    def person(self) -> Person:
        """Somebody with an unused letter; each is given away once."""
        person = self._people.pop()
        person.email = f"{person.person_number}.{secrets.token_hex(3)}@example.org"
        person.phone = f"079{secrets.randbelow(10**7):07d}"
        return person

    def browser(self, address: str = "") -> Browser:
        """A browser that nobody has signed in with."""
        return Browser(self.live, address)

    def enrolled(self, factor: str = "totp") -> tuple[Person, Browser]:
        """Somebody new with an account, and the browser that is signed in."""
        person, browser = self.person(), self.browser()
        self.enrol(browser, person, factor)
        return person, browser

    def enrol(self, browser: Browser, person: Person, factor: str = "totp") -> None:
        """Let somebody with a letter enrol."""
        page = browser.until_confirmation(browser.open("/enrol"), person, factor)
        page = browser.answer(page, code=browser.confirmation(page, person, factor))
        expect(page, "/done")
        browser.press(page)

    def at_second_factor(self, person: Person, browser: Browser | None = None) -> tuple[Browser, Page]:
        """A browser that has given the right password."""
        browser = browser or self.browser()
        page = browser.answer(browser.open("/signin"), username=person.email, password=person.password)
        expect(page, "two_factor")
        return browser, page

    def signed_in(self) -> Browser:
        """A browser of the member whom tests share; do not lock or close that account."""
        return self.member()[1].twin()

    def member(self) -> tuple[Person, Browser]:
        """The member whom tests share, with the app as the second factor."""
        if self._member is None:
            self._member = self.enrolled()
        return self._member

    # --- the protocol ----------------------------------------------------------------------------------------------

    def request_of(self, client: str = "web", **changes: str | None) -> dict[str, str]:
        """The parameters of a right authorization request; a change to None leaves one out."""
        params = {
            "client_id": client,
            "redirect_uri": next(iter(_description(client, self._clients)["redirect_uris"]), CALLBACK),
            "response_type": "code",
            "scope": "openid",
            "state": "state-1",
            "nonce": "nonce-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in params.items() if value is not None}

    def authorize(self, browser: Browser, client: str = "web", **changes: str | None) -> requests.Response:
        """Send an authorization request and follow nothing."""
        return browser.look("/authorize", **self.request_of(client, **changes))

    def code(self, browser: Browser, client: str = "web", **changes: str | None) -> str:
        """The authorization code that a signed-in browser carries to the client."""
        response = self.authorize(browser, client, **changes)
        given = answer(response)
        assert "code" in given, (response.status_code, given, response.text[:500])
        return given["code"]

    def auth(self, client: str) -> dict[str, Any]:
        """How the client proves who it is, as arguments of `requests.post`; for its form see `proof`."""
        method = _description(client, self._clients)["token_endpoint_auth_method"]
        return {"auth": (client, self._secrets[client])} if method == "client_secret_basic" else {}

    def proof(self, client: str) -> dict[str, str]:
        """The same for clients that prove it in the form."""
        method = _description(client, self._clients)["token_endpoint_auth_method"]
        if method == "private_key_jwt":
            return assertion(client, aud=self.issuer)
        if method == "client_secret_post":
            return {"client_id": client, "client_secret": self._secrets[client]}
        return {"client_id": client} if method == "none" else {}

    def described(self, clients: dict[str, dict[str, Any]]) -> None:
        """Let an operator register these clients; raises what the command says."""
        file = self.live.folder / f"{next(iter(clients))}.toml"
        file.write_text(toml(clients, self.live.folder), encoding="utf-8")
        self.live.idp("clients", "apply", str(file), "--yes")
        self.know(clients)

    def confirm(self, browser: Browser, email: str, client: str) -> None:
        """Let a program ask the person, who confirms with the code of the mail (CIBA Core §7)."""
        before = len(self.live.messages(email))
        asked = {"scope": "openid", "login_hint": email, "client_notification_token": "n" * 43}
        answered = self.post("/bc-authorize", client, **asked)
        assert answered.status_code == 200, answered.text
        deadline = time.monotonic() + 30
        while len(messages := self.live.messages(email)) == before:
            assert time.monotonic() < deadline, "no mail has come"
            time.sleep(0.05)
        code = next(
            word for word in messages[0]["text"].split() if len(word) == 9 and word[4] == "-" and word.isupper()
        )
        browser.answer(browser.answer(browser.open("/device"), user_code=code))

    def know(self, clients: dict[str, dict[str, Any]]) -> None:
        """Work with these clients, too, which an operator has registered here."""
        self._clients |= clients
        self._secrets |= _secrets_in(self.live.folder)

    def names(self, prefix: str) -> list[str]:
        """The clients whose names begin so."""
        return [client for client in self._clients if client.startswith(prefix)]

    def secret(self, client: str) -> str:
        """The client's secret."""
        return self._secrets[client]

    def post(self, path: str, client: str | None = None, /, **form: str | None) -> requests.Response:
        """Send a form to an endpoint, as this client or as nobody."""
        sent = {name: value for name, value in form.items() if value is not None}
        proof = self.proof(client) if client else {}
        proven = self.auth(client) if client else {}
        return requests.post(f"{self.issuer}{path}", data={**proof, **sent}, timeout=WAIT, **proven)

    def redeem(self, code: str, client: str = "web", **changes: str | None) -> requests.Response:
        """Exchange a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.request_of(client)["redirect_uri"],
            "code_verifier": VERIFIER,
        }
        return self.post("/token", client, **{**form, **changes})

    def tokens(self, browser: Browser, client: str = "web", **changes: str | None) -> dict[str, Any]:
        """What a signed-in browser's code brings; with a refresh token unless another scope is asked for."""
        code = self.code(browser, client, **{"scope": "openid offline_access", **changes})
        response = self.redeem(code, client, **{k: v for k, v in changes.items() if k == "redirect_uri"})
        assert response.status_code == 200, response.text
        return dict(response.json())

    def register(self, metadata: Any, token: str | None = None) -> requests.Response:
        """Register a client, each time from another address; with a good initial access token unless another is given.

        Only where registration is open to holders of one (`target`, not the shared provider behind `each_target`).
        """
        headers = {"Authorization": f"Bearer {token or self.initial_token()}"}
        return self.browser().post(f"{self.issuer}/register", json=metadata, headers=headers, timeout=WAIT)

    def initial_token(self) -> str:
        """An initial access token for very many clients."""
        if self._initial_token is None:
            shown = self.live.idp("clients", "tokens", "issue", "--note", "attacks", "--uses", "1000").stdout
            self._initial_token = shown.split("): ")[1].split()[0]
        return self._initial_token

    def exchange(self, client: str = "web", **form: str | None) -> requests.Response:
        """Trade a token for another (RFC 8693)."""
        return self.post("/token", client, grant_type=EXCHANGE, **form)

    def bring(self, assertion: str) -> requests.Response:
        """Bring the word of another issuer (RFC 7523)."""
        return self.post("/token", "desk", grant_type=BEARER, assertion=assertion)

    def vouched(self, **changes: Any) -> dict[str, Any]:
        """What that issuer says of the member, rightly but for the changes."""
        moment = epoch()
        stated = {"iss": STAFF, "sub": self.account_of(self.member()[0]), "aud": self.issuer, "iat": moment}
        return {**stated, "exp": moment + 60, "jti": secrets.token_urlsafe(12), **changes}

    def refresh(self, token: str, client: str = "web", **more: str | None) -> requests.Response:
        """Exchange a refresh token."""
        return self.post("/token", client, grant_type="refresh_token", refresh_token=token, **more)

    def is_active(self, token: str, client: str = "web") -> bool:
        """What introspection says."""
        response = self.post("/introspect", client, token=token)
        assert response.status_code == 200, response.text
        return bool(response.json()["active"])

    def userinfo(self, token: str) -> requests.Response:
        """Ask for the claims of the person."""
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(f"{self.issuer}/userinfo", headers=headers, timeout=WAIT)

    def verified(self, token: str) -> dict[str, Any]:
        """The claims of a JWT of the provider, as a client reads them: with the published key that it names."""
        published = requests.get(f"{self.issuer}/jwks", timeout=WAIT).json()["keys"]
        header = algorithms.read_header(token)
        key = next(each for each in published if each["kid"] == header["kid"])
        return dict(algorithms.verify(token, algorithms.from_jwk(key), header["alg"]))

    @property
    def lets_register(self) -> bool:
        """Whether clients register themselves, and another issuer vouches for people: not at the shared provider."""
        return "IDP_REGISTRATION" in self.live.environment

    # --- what only the operator sees -------------------------------------------------------------------------------

    def application(self) -> Flask:
        """The application that runs there, once more in this process: the same settings, database and keys."""
        with patch.dict(os.environ, self.live.environment):
            return create_app()

    def retyped(self, token: str, *types: str) -> list[str]:
        """The claims of a token, signed by the provider itself as something else: only `typ` tells them apart."""
        claims, alg = self.verified(token), algorithms.read_header(token)["alg"]
        with self.application().app_context():
            return [provider.keys.sign(claims, alg=alg, typ=each) for each in types]

    def rows(self, query: str, **params: Any) -> list[Any]:
        """Ask the provider's database."""
        return self.live.rows(query, **params)

    def change(self, statement: str, **params: Any) -> None:
        """Change the provider's database, as an operator's tool would."""
        engine = create_engine(sql_address(self.live.environment["IDP_DATABASE_URL"]))
        try:
            with engine.begin() as connection:
                connection.execute(text(statement), params)
        finally:
            engine.dispose()

    def account_of(self, person: Person) -> str:
        """The id of the person's account."""
        query = "SELECT account_id FROM pensioner WHERE person_number = :n"
        return str(self.rows(query, n=person.person_number)[0][0])

    def log(self) -> str:
        """What the provider has said."""
        return (self.live.folder / "serve.log").read_text(errors="replace")

    def fetched(self) -> list[tuple[str, str, str]]:
        """Method, host and outcome of every call to an address of a client, as the log has them."""
        lines = [json.loads(line) for line in self.log().splitlines() if '"fetched"' in line]
        return [(line["method"], line["host"], line["outcome"]) for line in lines]


@dataclass
class Calling:
    """A provider that may call this machine by the name `localhost`, and the servers there that hear it."""

    target: Target
    server: Listener
    """Where addresses of clients lead, with TLS."""
    gateway: Listener
    """Where SMS are given away."""
    pages: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """What the server has, by path: media type and content; it knows nothing of anything else."""

    def __post_init__(self) -> None:
        self.server.act = self._answer

    def serve(self, path: str, content: Any, kind: str = "application/json") -> str:
        """Let the server have this; its address."""
        body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.pages[path] = (kind, body)
        return self.server.url + path

    def heard(self, path: str) -> list[Seen]:
        """The requests that came for this."""
        return [seen for seen in self.server.seen if seen.path.partition("?")[0] == path]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        kind, body = self.pages.get(handler.path.partition("?")[0], ("text/plain", b""))
        handler.send_response(200 if handler.path.partition("?")[0] in self.pages else 404)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


def answer(response: requests.Response) -> dict[str, str]:
    """The parameters of an answer that a redirect carries to a client; empty where there is none, each name once."""
    address = urlsplit(response.headers.get("Location", ""))
    pairs = parse_qsl(address.fragment or address.query, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs), f"twice the same name: {pairs}"
    return dict(pairs)


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Call them all at the same moment, each in a thread of its own."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait(WAIT)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def family(target: Target) -> list[int]:
    """The processes of the provider."""
    return [target.live.process.pid, *target.live.workers()]


def spent(pids: list[int]) -> tuple[float, int]:
    """Processor seconds and memory of these processes."""
    ticks, pages = 0, 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        ticks += int(fields[11]) + int(fields[12])
        pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE")


def web(host: str, port: int = 443) -> str:
    """The address of a web server there."""
    return f"https://[{host}]:{port}/x" if ":" in host else f"https://{host}:{port}/x"


def toml(clients: dict[str, dict[str, Any]], folder: Path) -> str:
    """The clients as a file for `idp clients apply`; secrets are drawn into the folder."""
    lines = []
    for client_id in clients:
        described = {"client_id": client_id, **_description(client_id, clients)}
        if described["token_endpoint_auth_method"].startswith("client_secret"):
            described["secret_file"] = str(folder / f"secret-{client_id}")
        lines += ["[[client]]", *(f"{name} = {_toml(value)}" for name, value in described.items())]
    return "\n".join(lines)


def _description(client: str, clients: dict[str, dict[str, Any]] = CLIENTS) -> dict[str, Any]:
    usual = {
        "client_name": client,
        "token_endpoint_auth_method": "client_secret_basic",
        "redirect_uris": [CALLBACK],
        "grant_types": CODE_AND_REFRESH,
        "scope": EVERY_SCOPE,
        "first_party": True,
    }
    return {**usual, **clients.get(client, {})}


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


def write_register(folder: Path) -> Path:
    """A register of people who exist for attacks only."""
    file = folder / "people.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(HEADER.split(","))
        for number in range(PEOPLE):
            rows.writerow([f"{OURS}{number:03}", ahv(int(f"{OURS}{number:03}")), *SOMEBODY.split(",")])
    return file


def move_in(live: Live) -> None:
    """Bring these people into a provider that runs already; whoever has an unused letter there gets a new one."""
    file = write_register(live.folder)
    live.idp("register", "import", str(file))
    fresh = new_letters(live, "attacks")
    with file.open(encoding="utf-8") as source:
        rows = [row for row in csv.DictReader(source) if row["person_number"] in fresh]
    kept = ("person_number", "ahv_number", "birth_date", "language", "first_name", "last_name")
    live.people += [Person(**{name: row[name] for name in kept}, code=fresh[row["person_number"]]) for row in rows]


def new_letters(live: Live, campaign: str) -> dict[str, str]:
    """A new code for everybody without an account, by person number; those given away and unused end."""
    codes = live.folder / f"{campaign}-codes.csv"
    live.idp("register", "codes", "issue", "--campaign", campaign, "--output", str(codes))
    with codes.open(encoding="utf-8-sig") as source:
        fresh = {row["person_number"]: row["activation_code"] for row in csv.DictReader(source, delimiter=";")}
    for person in live.people:
        person.code = fresh.get(person.person_number, person.code)
    return fresh


def leave(target: Target, *people: Person) -> None:
    """The fund's next file says that these people have left."""
    file = target.live.folder / "left.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(HEADER.split(","))
        for person in people:
            somebody = ["Madame", "Odile", "Fictive", "Rue de la Fiction 12", "1202", "Genève", "CH", "fr", ""]
            rows.writerow([person.person_number, person.ahv_number, person.birth_date, *somebody, "retirement", "left"])
    target.live.idp("register", "import", str(file))


def close(target: Target, *people: Person) -> None:
    """An operator closes the accounts, where there are some."""
    for person in people:
        target.live.idp(
            *("register", "close-account", person.person_number, "--reason", "lost telephone", "--operator", "test"),
            *("--yes",),
            check=False,
        )


def _register_clients(live: Live) -> dict[str, str]:
    file = live.folder / "targets.toml"
    file.write_text(toml(CLIENTS, live.folder), encoding="utf-8")
    live.idp("clients", "apply", str(file), "--yes")
    return _secrets_in(live.folder)


def _secrets_in(folder: Path) -> dict[str, str]:
    return {each.name.removeprefix("secret-"): each.read_text().strip() for each in folder.glob("secret-*")}
