"""The bench measures successes only: an answer that is none ends it."""

import json
from collections.abc import Iterator
from types import SimpleNamespace

import load
import pytest
import scenarios
from listener import Listener
from listener import listener

ISSUER = "https://op.example.ch"


@pytest.fixture
def server() -> Iterator[Listener]:
    """A server that says who it is, whatever it is asked."""
    with listener(tls=False) as started:
        started.body = json.dumps({"issuer": ISSUER}).encode()
        yield started


def drive(server: Listener, at_once: int = 1) -> tuple[float, list[float]]:
    ready = [load.ready(scenarios.discovery(SimpleNamespace(issuer=ISSUER))) for _ in range(at_once)]
    return load.drive(ready, "127.0.0.1", server.port, 0.2)


def test_every_request_that_was_sent_is_counted(server: Listener) -> None:
    wall, taken = drive(server, at_once=3)

    assert len(taken) == len(server.seen) >= 3
    assert server.connections == 3
    assert wall >= 0.2
    assert all(0 < latency <= wall for latency in taken)


def test_an_error_ends_the_bench(server: Listener) -> None:
    server.status = 500

    with pytest.raises(scenarios.NotTheAnswer, match="500"):
        drive(server)


def test_a_success_that_says_something_else_ends_the_bench(server: Listener) -> None:
    server.body = b'{"issuer": "https://other.example"}'

    with pytest.raises(scenarios.NotTheAnswer, match=r"other\.example"):
        drive(server)


def test_a_scenario_that_has_nothing_more_to_ask_ends_early(server: Listener) -> None:
    def once() -> load.Scenario:
        yield load.Request("GET", "/")

    _, taken = load.drive([load.ready(once())], "127.0.0.1", server.port, 30)

    assert len(taken) == len(server.seen) == 1
