"""Fixtures of the flows: a person before a browser, in the test's process."""

from collections.abc import Callable

import pytest
from flask import Flask
from visitor import Visitor

from idp.provider import provider


@pytest.fixture
def app(app: Flask) -> Flask:
    """The provider with its signing keys made, as it is once it serves."""
    if not provider.keys.stored():
        provider.keys.ensure()
    return app


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    """A browser without JavaScript."""
    return Visitor(app)


@pytest.fixture
def another(app: Flask) -> Callable[[], Visitor]:
    """More browsers."""
    return lambda: Visitor(app)
