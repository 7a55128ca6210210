"""What the tests of foreign clients share: registering a client, a browser that is signed in, an address to land at."""

import json
import os
import re
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from joserfc.jwk import ECKey
from joserfc.jwk import RSAKey
from live import Live
from requests.adapters import BaseAdapter
from walk import Walker

EVERY_SCOPE = "openid profile email phone pension"
LANDING = "http://localhost:9/"
"""Nobody listens there (discard); a browser of these tests that is sent there stops and keeps the answer."""


@dataclass(frozen=True)
class Registered:
    """A client as its operator knows it."""

    client_id: str
    secret: str


class Landing(BaseAdapter):
    """The page of a client that needs no server."""

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        answer = requests.Response()
        answer.status_code = 200
        answer.url = str(request.url)
        answer.request = request
        answer._content = b"landed"
        return answer

    def close(self) -> None:
        """Nothing is open."""


def browser(live: Live) -> Walker:
    """A browser that nobody has signed in with."""
    walker = Walker(live)
    walker.mount(LANDING, Landing())
    return walker


def register_client(
    live: Live,
    folder: Path,
    client_id: str,
    redirect_uri: str,
    *,
    logout: str | None = None,
    auth: str = "client_secret_basic",
    alg: str = "ES256",
    jwks: dict[str, Any] | None = None,
) -> Registered:
    """Register a client as an operator does, on the command line."""
    command = ["clients", "add", client_id, "--name", "Foreign", "--auth", auth, "--alg", alg, "--scope", EVERY_SCOPE]
    command += ["--redirect-uri", redirect_uri, "--refresh", "--first-party"]
    command += ["--post-logout-redirect-uri", logout] if logout else []
    command += ["--type", "browser"] if auth == "none" else []
    if jwks is not None:
        file = folder / f"{client_id}.jwks.json"
        file.write_text(json.dumps(jwks))
        command += ["--jwks", str(file)]
    told = live.idp(*command).stdout
    secret = re.search(r"shown once\): (\S+)", told)
    assert secret or not auth.startswith("client_secret"), told
    return Registered(client_id, secret[1] if secret else "")


def enrolled(live: Live, folder: Path) -> Walker:
    """A browser whose person has just enrolled, and is signed in at the provider."""
    client_id = f"enrolment-{secrets.token_hex(4)}"
    register_client(live, folder, client_id, f"{LANDING}cb", auth="none")
    session = OAuth2Session(client_id, scope="openid", redirect_uri=f"{LANDING}cb", code_challenge_method="S256")
    url, _ = session.create_authorization_url(f"{live.issuer}/authorize", code_verifier="v" * 43, prompt="create")
    walker = browser(live)
    page = walker.enrol(walker.open(url), live.person("fr"))
    assert page.url.startswith(f"{LANDING}cb?code="), page.url
    return walker


def new_key(algorithm: str) -> ECKey | RSAKey:
    """A key pair for `private_key_jwt`."""
    about = {"kid": f"of-the-client-{algorithm}", "use": "sig", "alg": algorithm}
    return ECKey.generate_key("P-256", about) if algorithm == "ES256" else RSAKey.generate_key(2048, about)


def npm_install(folder: Path, *packages: str) -> None:
    """Install packages for one test run; nothing of it is kept in the repository."""
    command = ["npm", "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--prefix", str(folder)]
    done = subprocess.run([*command, *packages], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        message = f"npm cannot install {', '.join(packages)}: {done.stderr.strip()[-500:]}"
        pytest.fail(message) if os.environ.get("REQUIRE_SERVICES") == "1" else pytest.skip(message)
