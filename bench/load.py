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


def drive(scenarios: Sequence[Ready], host: str, port: int, seconds: float) -> tuple[float, list[float]]:
    """Drive them side by side for so long: the seconds it took, and what each request took."""
    start = Barrier(len(scenarios) + 1)
    with ThreadPoolExecutor(len(scenarios)) as pool:
        running = [pool.submit(_drive, each, host, port, seconds, start) for each in scenarios]
        start.wait(WAIT)
        began = time.perf_counter()
        taken = [each.result() for each in running]
        wall = time.perf_counter() - began
    return wall, [latency for each in taken for latency in each]


def _drive(ready: Ready, host: str, port: int, seconds: float, start: Barrier) -> list[float]:
    connection, taken = HTTPConnection(host, port, timeout=WAIT), []
    connection.connect()
    request = ready.first
    start.wait(WAIT)
    end = time.perf_counter() + seconds
    while request is not None and (began := time.perf_counter()) < end:
        answer = _ask(connection, request)
        taken.append(time.perf_counter() - began)
        try:
            request = ready.scenario.send(answer)
        except StopIteration:
            break
    connection.close()
    return taken


def _ask(connection: HTTPConnection, request: Request) -> Answer:
    connection.request(request.method, request.path, request.body, dict(request.headers))
    response = connection.getresponse()
    return Answer(response.status, response.headers, response.read())
