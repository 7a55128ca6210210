"""The servers that are compared: ours as `idp serve` runs it, with one worker, and npm's oidc-provider."""

import base64
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus
from urllib.parse import urlsplit

import figures
import requests
from live import provider
from oidc import CHALLENGE
from oidc import VERIFIER
from services import free_port
from target import CALLBACK
from target import Target
from target import answer
from target import family
from target import write_register

from keys import algorithms

HERE = Path(__file__).parent
ROOT = HERE.parent
WORK = ROOT / "var" / "bench"
CLIENT_ID = "web"
CODE_SECONDS = 60
ACCESS_TOKEN_SECONDS = 300
WAIT = 30


class CannotCompare(RuntimeError):
    """Something that the bench needs is not there; the text says what to do."""


@dataclass
class Server:
    """A running provider with one client and one person who is signed in."""

    name: str
    issuer: str
    root: int
    """Its first process."""
    client_secret: str
    browser: requests.Session
    """The browser that is signed in."""
    offline_prompt: str
    """The prompt at which it gives a refresh token to a person whom it knows (OIDC Core §11)."""
    client_id: str = CLIENT_ID
    redirect_uri: str = CALLBACK
    codes: list[tuple[str, str]] = field(default_factory=list)
    """What silent sign-ins have brought: code and nonce."""

    def __post_init__(self) -> None:
        self._metadata = requests.get(f"{self.issuer}/.well-known/openid-configuration", timeout=WAIT).json()
        self._pids = figures.tree(self.root)
        self._verify(self.tokens("openid")["id_token"])

    @property
    def port(self) -> int:
        """Where it listens on loopback."""
        return int(urlsplit(self.issuer).port or 0)

    @property
    def cookie(self) -> str:
        """The Cookie header of the browser that is signed in."""
        return "; ".join(f"{each.name}={each.value}" for each in self.browser.cookies if each.path == "/")

    @property
    def basic(self) -> str:
        """The Authorization header of client_secret_basic (RFC 6749 §2.3.1)."""
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    def path(self, endpoint: str) -> str:
        """Where the metadata says the endpoint is."""
        return urlsplit(self._metadata[endpoint]).path

    def spent(self) -> float:
        """The processor seconds of all its processes; raises where they are not those that were there at the start."""
        if figures.tree(self.root) != self._pids:
            raise CannotCompare(f"{self.name}: a process has ended or begun meanwhile.")
        return figures.cpu_seconds(self._pids)

    def request_of(self, scope: str) -> dict[str, str]:
        """An authorization request for a code, with PKCE (RFC 7636 §4.3)."""
        return {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": scope,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }

    def tokens(self, scope: str) -> dict[str, Any]:
        """What a code of this browser brings; not measured."""
        form = {"grant_type": "authorization_code", "redirect_uri": self.redirect_uri, "code_verifier": VERIFIER}
        url, pair = self._metadata["token_endpoint"], (self.client_id, self.client_secret)
        response = requests.post(url, data={**form, "code": self._code(scope)}, auth=pair, timeout=WAIT)
        response.raise_for_status()
        return dict(response.json())

    def _code(self, scope: str) -> str:
        """A code, with as many redirects on the way as this server makes."""
        prompt = self.offline_prompt if "offline_access" in scope else "none"
        params: dict[str, str] | None = {**self.request_of(scope), "prompt": prompt, "state": "s", "nonce": "n"}
        url = self._metadata["authorization_endpoint"]
        for _ in range(10):
            response = self.browser.get(url, params=params, allow_redirects=False, timeout=WAIT)
            given = answer(response)
            if "code" in given:
                return given["code"]
            url, params = requests.compat.urljoin(url, response.headers.get("Location", "")), None
        raise CannotCompare(f"{self.name} gave no code: {response.status_code} {given} {response.text[:300]}")

    def _verify(self, token: str) -> None:
        """The ID token's signature, with the published key that it names."""
        header = algorithms.read_header(token)
        published = requests.get(self._metadata["jwks_uri"], timeout=WAIT).json()["keys"]
        key = next(each for each in published if each["kid"] == header["kid"])
        algorithms.verify(token, algorithms.from_jwk(key), header["alg"])


@contextmanager
def ours(name: str, folder: Path, root: Path = ROOT, **settings: str) -> Iterator[Server]:
    """Our provider with one worker, a person who has enrolled by the pages and a client that an operator registered.

    What runs lies in `root`; the register and the pages' walk are those of this checkout.
    """
    lifetimes = {"IDP_CODE_SECONDS": str(CODE_SECONDS), "IDP_ACCESS_TOKEN_SECONDS": str(ACCESS_TOKEN_SECONDS)}
    folder.mkdir(parents=True)
    with provider(folder, workers=1, register=write_register(folder), root=root, **lifetimes, **settings) as live:
        target = Target(live)
        first = os.getpgid(family(target)[0])
        yield Server(name, live.issuer, first, target.secret(CLIENT_ID), target.member()[1], offline_prompt="none")


@contextmanager
def peer(name: str, folder: Path) -> Iterator[Server]:
    """npm's oidc-provider in one process of Node."""
    port, secret = free_port(), os.urandom(32).hex()
    folder.mkdir(parents=True)
    environment = {
        "PATH": os.environ["PATH"],
        "NODE_ENV": "production",
        "PORT": str(port),
        "CLIENT_ID": CLIENT_ID,
        "CLIENT_SECRET": secret,
        "REDIRECT_URI": CALLBACK,
        "CODE_SECONDS": str(CODE_SECONDS),
        "ACCESS_TOKEN_SECONDS": str(ACCESS_TOKEN_SECONDS),
    }
    with (folder / "peer.log").open("wb") as log:
        command = [_program("node"), "peer.mjs"]
        process = subprocess.Popen(command, cwd=_installed(), env=environment, stdout=log, stderr=log)
        try:
            _wait_for(f"http://localhost:{port}", process, folder / "peer.log")
            yield Server(
                name, f"http://localhost:{port}", process.pid, secret, _signed_in(port), offline_prompt="consent"
            )
        finally:
            process.terminate()
            process.wait(WAIT)


def peer_version() -> str:
    """The version that the lock names."""
    lines = subprocess.check_output(["npm", "ls", "oidc-provider"], cwd=_installed(), text=True)
    return lines.split("oidc-provider@")[1].split()[0]


def _signed_in(port: int) -> requests.Session:
    """A browser whose person the peer knows: its interactions answer themselves."""
    browser, url = requests.Session(), f"http://localhost:{port}/auth"
    params: dict[str, str] | None = {
        "client_id": CLIENT_ID,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid profile email offline_access",
        "prompt": "consent",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    while not url.startswith(CALLBACK):
        response = browser.get(url, params=params, allow_redirects=False, timeout=WAIT)
        if not response.is_redirect:
            raise CannotCompare(f"the peer let nobody sign in: {response.status_code} {response.text[:300]}")
        url, params = requests.compat.urljoin(url, response.headers["Location"]), None
    return browser


def _installed() -> Path:
    """The peer beside the libraries that its lock names, installed once."""
    folder = WORK / "peer"
    files = [HERE / name for name in ("package.json", "package-lock.json", "peer.mjs")]
    lock, done = folder / "package-lock.json", folder / "node_modules"
    is_there = done.is_dir() and lock.read_bytes() == (HERE / "package-lock.json").read_bytes()
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy(file, folder)
    if not is_there:
        command = [_program("npm"), "ci", "--no-audit", "--no-fund"]
        installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if installed.returncode:
            raise CannotCompare(f"npm cannot install the peer: {installed.stderr.strip()[-500:]}")
    return folder


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise CannotCompare(f"{name} is not installed (apt-get install nodejs npm); or measure --without-peer.")
    return found


def _wait_for(issuer: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(f"{issuer}/.well-known/openid-configuration", timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise CannotCompare(f"the peer does not answer:\n{log.read_text()[-2000:]}")
