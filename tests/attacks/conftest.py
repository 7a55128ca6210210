"""Attacks: black box, over HTTP, against a running provider with four workers; see README.md for the table.

`target` is one provider on SQLite where clients may register with a token; `each_target` runs a test on both pairs of
database and store. What takes minutes is marked `slow_attack` and runs with `make attacks` only.
"""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from live import Live
from live import provider
from target import STAFF_SETTING
from target import Target
from target import move_in
from target import write_register


@pytest.fixture(scope="session")
def targets(
    lives: Callable[[str], Live], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Target]]:
    """The provider that is attacked, per backend; started when first asked for."""
    known: dict[str, Target] = {}
    with ExitStack() as stack:

        def start(backend: str) -> Live:
            if backend == "postgres":  # shared with other tests: a second one would only cost time
                live = lives(backend)
                move_in(live)
                return live
            folder = tmp_path_factory.mktemp("attacked")
            register = write_register(folder)
            settings = {"IDP_REGISTRATION": "token", "IDP_ASSERTION_ISSUERS": STAFF_SETTING}
            return stack.enter_context(provider(folder, workers=4, register=register, **settings))

        def of(backend: str) -> Target:
            if backend not in known:
                known[backend] = Target(start(backend))
            return known[backend]

        yield of


@pytest.fixture(scope="session")
def target(targets: Callable[[str], Target]) -> Target:
    """A provider on SQLite alone, where clients register with an initial access token."""
    return targets("sqlite")


@pytest.fixture(params=["sqlite", "postgres"])
def each_target(request: pytest.FixtureRequest, targets: Callable[[str], Target]) -> Target:
    """SQLite alone, and PostgreSQL with Redis."""
    return targets(str(request.param))
