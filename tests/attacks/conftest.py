"""Attacks: black box, over HTTP, against a running provider with four workers; see README.md for the table.

`target` is one provider on SQLite where clients may register with a token; `each_target` runs a test on both pairs of
database and store. What takes minutes is marked `slow_attack` and runs with `make attacks` only.
"""

import json
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from listener import certificate
from listener import listener
from live import Live
from live import provider
from target import FUND
from target import STAFF
from target import STAFF_SETTING
from target import Calling
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


@pytest.fixture(scope="session")
def calling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calling]:
    """A provider on SQLite that may call servers of its clients on this machine."""
    folder = tmp_path_factory.mktemp("calling")
    with listener() as server, listener(tls=False) as gateway:
        staff = {"jwks_uri": f"{server.url}/assertion_issuers", "clients": ["desk"], "scopes": ["profile"]}
        fund = {"jwks_uri": f"{server.url}/software_statement_issuers"}
        settings = {
            "IDP_REGISTRATION": "token",
            "IDP_FETCH_PRIVATE_HOSTS": '["localhost"]',
            "IDP_FETCH_CA_FILE": certificate(),
            "IDP_ASSERTION_ISSUERS": json.dumps({STAFF: staff}),
            "IDP_SOFTWARE_STATEMENT_ISSUERS": json.dumps({FUND: fund}),
            "IDP_SMS_CHANNEL": "sms_http",
            "IDP_SMS_REQUEST": '{"fields": {"to": "{to}", "text": "{text}"}}',
            "IDP_SMS_URL": f"{gateway.url}/sms_url",
            "IDP_ID_TOKEN_SECONDS": "60",
        }
        with provider(folder, workers=4, register=write_register(folder), **settings) as live:
            yield Calling(Target(live), server, gateway)
