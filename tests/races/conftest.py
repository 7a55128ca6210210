"""What races need: a client at the running provider, many requests at once, and a look into its database."""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlencode
from urllib.parse import urlsplit

import pytest
import requests
from live import Live
from live import Person
from oidc import CHALLENGE
from oidc import VERIFIER
from target import at_once
from walk import Page
from walk import Walker
from walk import expect

CALLBACK = "http://127.0.0.1:9/cb"


class Racer:
    """A running provider, its client `race`, and its database."""

    def __init__(self, live: Live) -> None:
        self.live = live
        if "race" not in live.idp("clients", "list").stdout:
            live.idp(
                *("clients", "add", "race", "--name", "Race", "--redirect-uri", CALLBACK),
                *("--auth", "none", "--type", "native", "--first-party", "--refresh", "--scope", "openid"),
            )

    def rows(self, query: str, **params: Any) -> list[Any]:
        """Ask the provider's database."""
        return self.live.rows(query, **params)

    def address(self) -> str:
        """An authorization request."""
        params = {
            "client_id": "race",
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid offline_access",
            "state": "s",
            "nonce": "n",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return f"{self.live.issuer}/authorize?{urlencode(params)}"

    def code(self, walker: Walker) -> str:
        """An authorization code of a signed-in browser."""
        response = walker.get(self.address(), allow_redirects=False, timeout=60)
        for _ in range(4):
            location = response.headers.get("Location", "")
            if location.startswith(CALLBACK):
                return parse_qs(urlsplit(location).query)["code"][0]
            response = walker.get(f"{self.live.issuer}{location}", allow_redirects=False, timeout=60)
        raise AssertionError(f"no code: {response.status_code} {response.text[:500]}")

    def redeem(self, code: str) -> requests.Response:
        form = {
            "grant_type": "authorization_code",
            "client_id": "race",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }
        return requests.post(f"{self.live.issuer}/token", data=form, timeout=60)

    def refresh(self, token: str) -> requests.Response:
        form = {"grant_type": "refresh_token", "client_id": "race", "refresh_token": token}
        return requests.post(f"{self.live.issuer}/token", data=form, timeout=60)

    def enrolled(self, factor: str = "totp") -> tuple[Person, Walker]:
        """Somebody with an account, and the browser that is signed in."""
        person, walker = self.live.person(), Walker(self.live)
        page = walker.until_confirmation(walker.open("/enrol"), person, factor)
        page = walker.answer(page, code=walker.confirmation(page, person, factor))
        expect(page, "/done")
        action, fields = page.form()
        walker.post(action, data=fields, allow_redirects=False, timeout=60)
        return person, walker

    def at_second_factor(self, person: Person) -> tuple[Walker, Page]:
        """A new browser that has given the right password."""
        walker = Walker(self.live)
        page = walker.answer(walker.open("/signin"), username=person.email, password=person.password)
        expect(page, "two_factor")
        return walker, page

    def log(self) -> str:
        """What the provider has said."""
        return (self.live.folder / "serve.log").read_text(errors="replace")


def post_of(walker: Walker, page: Page, number: int = 0, **values: str) -> Callable[[], requests.Response]:
    """A form of the page, ready to be sent in any thread; a session of requests must not be shared by threads."""
    action, given = page.form(number)
    cookies, data = walker.cookies.get_dict(), {**given, **values}
    return lambda: requests.post(action, data=data, cookies=cookies, allow_redirects=False, timeout=90)


@pytest.fixture
def racer(live: Live) -> Racer:
    return Racer(live)


@pytest.fixture
def race() -> Callable[[Sequence[Callable[[], Any]]], list[Any]]:
    return at_once


@pytest.fixture
def ready_post() -> Callable[..., Callable[[], requests.Response]]:
    return post_of
