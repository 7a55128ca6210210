"""Load: scenarios driven over kept connections, one thread each, every answer checked.

A scenario is a generator that yields requests and is sent the answers; it raises on any that is not the success it
expects, and ends when it has nothing more to ask.
"""

import time
from collections.abc import Generator
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from dataclasses import field
from http.client import HTTPConnection
from threading import Barrier

WAIT = 30


@dataclass(frozen=True)
class Request:
    """What is sent."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Scenario = Generator[Request, Answer, None]


@dataclass(frozen=True)
class Ready:
    """A scenario that has done what comes before its first request."""

    scenario: Scenario
    first: Request | None


def ready(scenario: Scenario) -> Ready:
    """Let it get what it needs; none of that is measured."""
    return Ready(scenario, next(scenario, None))


@dataclass(frozen=True)
class Driven:
    """What became of one scenario."""

    began: float
    ended: float
    taken: list[float]
    """The seconds that each request took."""


def drive(scenarios: Sequence[Ready], host: str, port: int, seconds: float) -> tuple[float, list[float]]:
    """Drive them side by side for so long, one request each at least: the seconds in all, and of each request."""
    start = Barrier(len(scenarios))
    with ThreadPoolExecutor(len(scenarios)) as pool:
        running = [pool.submit(_drive, each, host, port, seconds, start) for each in scenarios]
        done = [each.result() for each in running]
    wall = max(each.ended for each in done) - min(each.began for each in done)
    return wall, [latency for each in done for latency in each.taken]


def _drive(ready: Ready, host: str, port: int, seconds: float, start: Barrier) -> Driven:
    connection, taken = HTTPConnection(host, port, timeout=WAIT), []
    connection.connect()
    request = ready.first
    start.wait(WAIT)
    now = began = time.perf_counter()
    while request is not None and (not taken or now < began + seconds):
        answer = _ask(connection, request)
        taken.append(time.perf_counter() - now)
        try:
            request = ready.scenario.send(answer)
        except StopIteration:
            break
        now = time.perf_counter()
    connection.close()
    return Driven(began, time.perf_counter(), taken)


def _ask(connection: HTTPConnection, request: Request) -> Answer:
    connection.request(request.method, request.path, request.body, dict(request.headers))
    response = connection.getresponse()
    return Answer(response.status, response.headers, response.read())
