"""npm's oauth4webapi, certified for FAPI: pushed requests, tokens bound to a DPoP key, refresh, introspection."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from foreign import EVERY_SCOPE
from foreign import LANDING
from foreign import Registered
from foreign import npm_install
from live import Live
from services import find
from services import missing
from walk import Walker

PACKAGE = "oauth4webapi@^3"
PROGRAM = Path(__file__).with_name("oauth4webapi.mjs")


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program beside the installed library, as npm wants it."""
    for needed, package in (("node", "nodejs"), ("npm", "npm")):
        if find(needed) is None:
            missing(package)
    folder = tmp_path_factory.mktemp("oauth4webapi")
    npm_install(folder, PACKAGE)
    return Path(shutil.copy(PROGRAM, folder))


def test_a_pushed_request_brings_tokens_that_are_worth_nothing_to_a_thief(
    live: Live, program: Path, register: Callable[..., Registered], signed_in: Walker
) -> None:
    redirect_uri = f"{LANDING}dpop"
    client = register(redirect_uri, auth="client_secret_post")
    settings = {
        **{"issuer": live.issuer, "clientId": client.client_id, "secret": client.secret},
        **{"redirectUri": redirect_uri, "scope": f"{EVERY_SCOPE} offline_access"},
    }

    told = _run(program, settings, signed_in)

    assert told["type"] == "dpop"  # the library writes it small
    assert told["claims"]["iss"] == live.issuer
    assert told["userinfo"]["sub"] == told["claims"]["sub"]
    assert told["stolen"] in {401, "invalid_token"}
    assert told["alive"]["active"] is True
    assert "jkt" in told["alive"]["cnf"]
    assert told["rotated"] is True
    assert told["dead"] == {"active": False}


def _run(program: Path, settings: dict[str, Any], browser: Walker) -> dict[str, Any]:
    """Let the program begin, send the browser, and give the program what the browser was sent back with."""
    process = subprocess.Popen(
        ["node", program.name],
        cwd=program.parent,
        env={**os.environ, "PROGRAM": json.dumps(settings)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        begun = process.stdout.readline()
        if not begun:
            pytest.fail(f"the program ended: {process.communicate()[1][-3000:]}")
        answer = browser.get(json.loads(begun)["to"], allow_redirects=False)
        assert answer.status_code == 303, answer.text[:500]
        told, wrong = process.communicate(answer.headers["Location"] + "\n", timeout=60)
    finally:
        process.kill()
    assert told, wrong[-3000:]
    return dict(json.loads(told))
