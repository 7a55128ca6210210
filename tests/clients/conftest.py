"""Real clients that nobody here wrote, against a running provider."""

import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from live import Live
from walk import Walker

sys.path.insert(0, str(Path(__file__).parent))

from foreign import Registered
from foreign import browser
from foreign import enrolled
from foreign import register_client

Register = Callable[..., Registered]


@pytest.fixture
def register(live: Live, tmp_path: Path) -> Register:
    """Registers a client of this test's own."""

    def add(redirect_uri: str, **wishes: Any) -> Registered:
        return register_client(live, tmp_path, f"foreign-{secrets.token_hex(4)}", redirect_uri, **wishes)

    return add


@pytest.fixture
def walker(live: Live) -> Walker:
    """A browser that nobody has signed in with."""
    return browser(live)


@pytest.fixture(scope="session")
def signed_in_browsers() -> dict[str, Walker]:
    """By provider: one person enrols for all tests that only need somebody signed in."""
    return {}


@pytest.fixture
def signed_in(live: Live, tmp_path: Path, signed_in_browsers: dict[str, Walker]) -> Walker:
    """A browser whose person is signed in at the provider: no page will be asked of them."""
    if live.issuer not in signed_in_browsers:
        signed_in_browsers[live.issuer] = enrolled(live, tmp_path)
    return signed_in_browsers[live.issuer]
