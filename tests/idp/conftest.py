"""Fixtures of the protocol tests."""

import contextvars
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from idp.db import db
from idp.provider import provider


@pytest.fixture
def app(app: Flask) -> Flask:
    """The provider with its signing keys made, as it is once it serves."""
    if not provider.keys.stored():
        provider.keys.ensure()
    provider.store.born()  # before any assertion of a test is made: older ones are refused (decision 3)
    return app


class Browser(FlaskClient):
    """A browser whose requests have a context of their own, as in a real server.

    Otherwise they would share the test's database session, with whatever it has read before.
    """

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        db.session.rollback()
        try:
            return contextvars.Context().run(super().open, *args, **kwargs)
        finally:
            db.session.rollback()


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """A browser without JavaScript: cookies, no redirects followed unless asked."""
    return Browser(app)
