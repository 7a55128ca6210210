"""Nimbus' oauth2-oidc-sdk, which is what Java's portals stand on, signs people in with the discovery address alone."""

import json
import os
import subprocess
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from urllib.parse import urlencode
from urllib.parse import urlsplit

import pytest
from foreign import EVERY_SCOPE
from foreign import LANDING
from foreign import Registered
from live import Live
from services import find
from services import missing
from walk import Walker

PROGRAM = Path(__file__).with_name("Portal.java")
LIBRARIES = Path(__file__).with_name("portal.pom.xml")
BACK = f"{LANDING}signed-out"


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The class path of the library and what it needs; Maven keeps the files for the next run."""
    for needed, package in (("java", "default-jdk-headless"), ("mvn", "maven")):
        if find(needed) is None:
            missing(package)
    folder = tmp_path_factory.mktemp("java")
    told = folder / "class-path"
    pom = folder / "pom.xml"
    pom.write_bytes(LIBRARIES.read_bytes())
    command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:build-classpath", f"-Dmdep.outputFile={told}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        message = f"Maven cannot fetch the library: {done.stdout.strip()[-500:]}"
        pytest.fail(message) if os.environ.get("REQUIRE_SERVICES") == "1" else pytest.skip(message)
    return told.read_text()


class Portal:
    """A portal that has begun a sign-in: `address` is where it sends the browser, `finish` tells what it learnt."""

    def __init__(self, live: Live, libraries: str, client: Registered, algorithm: str = "ES256") -> None:
        about = [live.issuer, client.client_id, client.secret, algorithm, f"{LANDING}cb"]
        self._process = subprocess.Popen(
            ["java", "-cp", libraries, str(PROGRAM), *about, f"{EVERY_SCOPE} offline_access", BACK],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()

    def finish(self, answer: str) -> dict[str, Any]:
        """Give it the address that the browser came back to."""
        out, errors = self._process.communicate(f"{answer}\n", timeout=60)
        assert out, errors[-3000:]
        told: dict[str, Any] = json.loads(out)
        return told

    def end(self) -> None:
        """Whatever became of it."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def begin(live: Live, libraries: str, register: Callable[..., Registered]) -> Iterator[Callable[..., Portal]]:
    """Starts portals with a client of their own."""
    with ExitStack() as stack:

        def start(algorithm: str = "ES256") -> Portal:
            client = register(f"{LANDING}cb", logout=BACK, alg=algorithm)
            portal = Portal(live, libraries, client, algorithm)
            stack.callback(portal.end)
            return portal

        yield start


def test_a_person_signs_in_through_it_and_out_again(live: Live, begin: Callable[..., Portal], walker: Walker) -> None:
    portal, person = begin(), live.person("fr")
    assert "code_challenge_method=S256" in portal.address

    page = walker.enrol(walker.open(f"{portal.address}&prompt=create"), person)
    told = portal.finish(page.url)

    assert told["claims"]["iss"] == live.issuer
    assert told["claims"]["acr"] == "urn:vpk:acr:two-factor"
    assert told["userinfo"]["sub"] == told["claims"]["sub"] == told["refreshed"]["sub"]
    assert told["userinfo"]["name"] == f"{person.first_name} {person.last_name}"
    assert told["userinfo"]["person_number"] == person.person_number
    assert told["rotated"] is True
    assert walker.open(told["logout"]).url == f"{BACK}?state=back-from-logout"


def test_it_takes_the_algorithm_that_openid_connect_demands(begin: Callable[..., Portal], signed_in: Walker) -> None:
    portal = begin("RS256")

    told = portal.finish(signed_in.open(portal.address).url)

    assert told["userinfo"]["sub"] == told["claims"]["sub"]


def test_it_understands_our_errors_and_refuses_answers_of_others(
    live: Live, begin: Callable[..., Portal], walker: Walker, signed_in: Walker
) -> None:
    portal = begin()
    assert portal.finish(walker.open(f"{portal.address}&prompt=none").url) == {"failure": "login_required"}

    portal = begin()
    answer = signed_in.open(portal.address).url
    told = dict(parse_qsl(urlsplit(answer).query))
    assert told["iss"] == live.issuer
    forged = f"{LANDING}cb?{urlencode({**told, 'iss': 'https://evil.example'})}"
    assert portal.finish(forged) == {"failure": "not the answer to this request (RFC 9207)"}
