"""The portal with a provider that can be made to lie."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from services import free_port

from demo.portal import create_app
from demo.settings import Settings

sys.path.insert(0, str(Path(__file__).parent))

from fake_provider import CLIENT_ID
from fake_provider import CLIENT_SECRET
from fake_provider import FakeProvider
from fake_provider import running


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with running(free_port()) as provider:
        yield provider


@pytest.fixture
def portal(provider: FakeProvider) -> Flask:
    settings = Settings(provider.issuer, CLIENT_ID, CLIENT_SECRET, "http://localhost:8401")
    app = create_app(settings)
    app.testing = True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    return app


@pytest.fixture
def browser(portal: Flask) -> FlaskClient:
    return portal.test_client()


@pytest.fixture
def signed_in(browser: FlaskClient, provider: FakeProvider) -> FlaskClient:
    begun = browser.get("/login")
    answer = browser.get("/callback", query_string=provider.answer(begun.location))
    assert answer.status_code == 303, answer.text
    return browser
