"""npm's openid-client, a certified relying party library, signs people in with the discovery address alone."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from urllib.parse import urlencode
from urllib.parse import urlsplit

import pytest
from foreign import EVERY_SCOPE
from foreign import Registered
from foreign import new_key
from foreign import npm_install
from live import Live
from services import find
from services import free_port
from services import missing
from walk import Page
from walk import Walker
from walk import expect

PACKAGE = "openid-client@^6"
PROGRAM = Path(__file__).with_name("openid_client.mjs")

Portal = Callable[..., str]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The portal beside the installed library, as npm wants it."""
    for needed, package in (("node", "nodejs"), ("npm", "npm")):
        if find(needed) is None:
            missing(package)
    folder = tmp_path_factory.mktemp("openid-client")
    npm_install(folder, PACKAGE)
    return Path(shutil.copy(PROGRAM, folder))


@pytest.fixture
def portal(live: Live, program: Path, register: Callable[..., Registered]) -> Iterator[Portal]:
    """Starts a portal with a client of its own and gives its address."""
    with ExitStack() as stack:

        def start(
            auth: str = "client_secret_basic",
            algorithm: str = "ES256",
            key: Any = None,
            scope: str = f"{EVERY_SCOPE} offline_access",
        ) -> str:
            port = free_port()
            home = f"http://localhost:{port}"
            client = register(
                f"{home}/callback",
                logout=f"{home}/signed-out",
                auth=auth,
                alg=algorithm,
                jwks=None if key is None else {"keys": [key.as_dict(private=False)]},
            )
            settings = {
                **{"issuer": live.issuer, "clientId": client.client_id, "secret": client.secret, "auth": auth},
                **{"algorithm": algorithm, "key": key and key.as_dict(private=True), "scope": scope, "port": port},
            }
            stack.enter_context(_running(program, settings))
            return home

        yield start


@contextmanager
def _running(program: Path, settings: dict[str, Any]) -> Iterator[None]:
    environment = {**os.environ, "PORTAL": json.dumps(settings)}
    process = subprocess.Popen(
        ["node", program.name],
        cwd=program.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        if process.stdout.readline().strip() != "ready":
            process.kill()
            pytest.fail(f"the portal ended at start:\n{process.stderr.read()[-3000:]}")
        yield
    finally:
        process.terminate()
        process.wait(10)


def test_a_person_enrols_through_it_signs_out_and_signs_in_again(live: Live, portal: Portal, walker: Walker) -> None:
    home, person = portal(), live.person("fr")

    told = result(walker.enrol(walker.open(f"{home}/login?prompt=create"), person))

    assert told["claims"]["iss"] == live.issuer
    assert told["claims"]["acr"] == "urn:vpk:acr:two-factor"
    assert set(told["claims"]["amr"]) == {"pwd", "sms", "mfa"}
    assert told["claims"]["auth_time"] <= told["claims"]["iat"]
    assert told["userinfo"]["sub"] == told["claims"]["sub"]
    assert told["userinfo"]["name"] == f"{person.first_name} {person.last_name}"
    assert told["userinfo"]["email"] == person.email
    assert told["userinfo"]["person_number"] == person.person_number
    assert set(told["scope"].split()) == {*EVERY_SCOPE.split(), "offline_access"}
    assert told["rotated"] is True
    assert told["refreshed"]["sub"] == told["claims"]["sub"]
    assert told["alive"]["active"] is True
    assert told["revoked"] == {"active": False}
    assert told["afterRevocation"] == "invalid_grant"

    back = walker.open(f"{home}/logout?{urlencode({'id_token': told['id_token']})}")
    assert result(back) == {"state": "back-from-logout"}

    page = walker.open(f"{home}/login")
    expect(page, "credentials")
    again = result(walker.sign_in(page, person, username=person.ahv_number))
    assert again["claims"]["sub"] == told["claims"]["sub"]
    assert again["claims"]["auth_time"] >= told["claims"]["auth_time"]


@pytest.mark.parametrize(
    ("auth", "algorithm", "key_algorithm"),
    [
        ("client_secret_basic", "RS256", None),
        ("client_secret_post", "ES256", None),
        ("private_key_jwt", "ES256", "ES256"),
        ("private_key_jwt", "RS256", "PS256"),
        ("none", "ES256", None),
    ],
)
def test_every_way_to_prove_who_the_client_is_and_to_sign_an_id_token(
    live: Live, portal: Portal, signed_in: Walker, auth: str, algorithm: str, key_algorithm: str | None
) -> None:
    home = portal(auth, algorithm, key_algorithm and new_key(key_algorithm))

    told = result(signed_in.open(f"{home}/login"))

    assert told["userinfo"]["sub"] == told["claims"]["sub"]
    assert told["afterRevocation"] == "invalid_grant"


def test_it_refuses_an_answer_that_names_another_issuer(live: Live, portal: Portal, signed_in: Walker) -> None:
    """RFC 9207: the library demands `iss`, because our discovery document says that we send it."""
    home = portal()
    location = _answer(signed_in, home)
    told = dict(parse_qsl(urlsplit(location).query))
    assert told["iss"] == live.issuer

    for changed in ({**told, "iss": "https://evil.example"}, {k: v for k, v in told.items() if k != "iss"}):
        page = signed_in.open(f"{home}/callback?{urlencode(changed)}")
        assert page.status == 400
        assert page.response.json()["failure"] == "OAUTH_INVALID_RESPONSE"


def test_it_understands_our_errors(live: Live, portal: Portal, walker: Walker) -> None:
    """An error carries `state` and `iss` too, or the library would not believe it."""
    home = portal()

    page = walker.open(f"{home}/login?prompt=none")

    assert page.response.json()["failure"] == "login_required"


def result(page: Page) -> Any:
    assert page.status == 200, page.text[:2000]
    return page.response.json()


def _answer(walker: Walker, home: str) -> str:
    """Where the provider sends a browser that is signed in, not followed."""
    begun = walker.get(f"{home}/login", allow_redirects=False)
    answer = walker.get(begun.headers["Location"], allow_redirects=False)
    assert answer.status_code in (302, 303), answer.text[:500]
    return answer.headers["Location"]
