"""The production shape on one machine: two `idp serve` behind a real nginx, on PostgreSQL and Redis."""

import os
import re
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import program
import pytest
import requests
import services
from program import Started
from services import free_port

ROOT = Path(__file__).parent.parent.parent
PASSED_OVER_SECONDS = 6
"""How long the proxy passes over a node that was gone (`fail_timeout` in deploy/nginx.conf), and a little more."""


@dataclass
class Node:
    """One `idp serve`."""

    port: int
    log: Path
    process: Started

    @property
    def is_ready(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/health/ready", timeout=2).ok
        except requests.RequestException:
            return False


@dataclass
class Shape:
    """Two nodes and the proxy in front."""

    issuer: str
    folder: Path
    environment: dict[str, str]
    nodes: list[Node]

    def start(self, number: int) -> Node:
        """Start a node on the port that nginx knows."""
        port = self.nodes[number].port if len(self.nodes) > number else free_port()
        log = self.folder / f"node-{number}.log"
        serve = ("serve", "--port", str(port), "--workers", "2")
        process = program.start(*serve, environment=self.environment, output=log)
        return Node(port, log, process)


@pytest.fixture(scope="module")
def shape(tmp_path_factory: pytest.TempPathFactory, worker: str) -> Iterator[Shape]:
    nginx = services.find("nginx") or services.missing("nginx")
    folder = tmp_path_factory.mktemp("nodes")
    folder.chmod(0o755)
    number = int(worker.removeprefix("gw")) if worker.startswith("gw") else 15
    with ExitStack() as stack:
        listen = free_port()
        issuer = f"http://localhost:{listen}"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("IDP_")},
            "IDP_ENVIRONMENT": "development",
            "IDP_ISSUER": issuer,
            "IDP_SECRET": secrets.token_urlsafe(48),
            "IDP_DATABASE_URL": stack.enter_context(services.postgres(f"idp_nodes_{worker}")),
            "IDP_REDIS_URL": stack.enter_context(services.redis(number)),
            "IDP_TRUSTED_PROXIES": "1",
            "IDP_MAIL_CHANNEL": "outbox",
            "IDP_SMS_CHANNEL": "outbox",
        }
        assert program.run("migrate", environment=environment).returncode == 0
        made = Shape(issuer, folder, environment, [])
        stack.callback(lambda: [_end(node.process) for node in made.nodes])
        made.nodes = [made.start(0), made.start(1)]
        wait(lambda: all(node.is_ready for node in made.nodes), 60)
        proxy = subprocess.Popen(
            [str(nginx), "-c", str(_configuration(folder, listen, made.nodes)), "-g", "daemon off;"],
            stdout=(folder / "nginx.log").open("wb"),
            stderr=subprocess.STDOUT,
        )
        stack.callback(_end, proxy)
        wait(lambda: _answers(f"{issuer}/health/live"), 20)
        yield made


def _configuration(folder: Path, listen: int, nodes: list[Node]) -> Path:
    """deploy/nginx.conf with the addresses of this machine, otherwise as it is."""
    text = (ROOT / "deploy" / "nginx.conf").read_text().replace("/tmp/", f"{folder}/")
    for number, node in enumerate(nodes, 1):
        text = text.replace(f"provider-{number}:8400", f"127.0.0.1:{node.port}")
    text = re.sub(r"listen 8400", f"listen 127.0.0.1:{listen}", text)
    if os.geteuid() == 0:
        text = f"user root;\n{text}"
    file = folder / "nginx.conf"
    file.write_text(text)
    return file


def test_both_nodes_serve(shape: Shape) -> None:
    before = [node.log.read_text().count('"request"') for node in shape.nodes]

    for _ in range(20):
        assert requests.get(f"{shape.issuer}/jwks", timeout=5).ok

    wait(
        lambda: all(node.log.read_text().count('"request"') > n for node, n in zip(shape.nodes, before, strict=True)), 5
    )


def test_both_nodes_sign_and_open_with_the_same_keys(shape: Shape) -> None:
    sets = [requests.get(f"http://127.0.0.1:{node.port}/jwks", timeout=5).json() for node in shape.nodes]

    assert sets[0] == sets[1]
    assert {key["alg"] for key in sets[0]["keys"] if key["use"] == "sig"} == {"RS256", "ES256"}
    assert {key["kty"] for key in sets[0]["keys"] if key["use"] == "enc"} == {"RSA", "EC"}


def test_discovery_names_the_address_that_people_see(shape: Shape) -> None:
    found = requests.get(f"{shape.issuer}/.well-known/openid-configuration", timeout=5).json()

    assert found["issuer"] == shape.issuer
    assert all(value.startswith(shape.issuer) for name, value in found.items() if name.endswith("_endpoint"))


def test_a_visit_begun_on_one_node_goes_on_at_the_other(shape: Shape) -> None:
    """No sticky sessions: each page of one visit may come from either node."""
    with requests.Session() as browser:
        page = browser.get(f"{shape.issuer}/signin", timeout=10)
        pages = [browser.get(page.url, timeout=10) for _ in range(6)]

    assert page.ok
    assert "/i/" in page.url
    assert {each.url for each in pages} == {page.url}
    assert {each.status_code for each in pages} == {200}


def test_the_request_id_of_the_proxy_is_the_one_in_both_logs(shape: Shape) -> None:
    request_id = requests.get(f"{shape.issuer}/jwks", timeout=5).headers["X-Request-ID"]

    assert re.fullmatch(r"[0-9a-f]{32}", request_id)
    wait(lambda: any(request_id in node.log.read_text() for node in shape.nodes), 5)
    wait(lambda: request_id in (shape.folder / "nginx.log").read_text(), 5)


def test_no_log_knows_addresses_or_queries(shape: Shape) -> None:
    marker = secrets.token_hex(6)

    requests.get(f"{shape.issuer}/authorize?login_hint={marker}@example.org&code=123456", timeout=5)

    logs = [*(node.log for node in shape.nodes), shape.folder / "nginx.log"]
    assert [log.name for log in logs if marker in log.read_text()] == []


def test_a_body_that_is_too_large_does_not_reach_a_node(shape: Shape) -> None:
    assert requests.post(f"{shape.issuer}/token", data=b"x" * 300_000, timeout=10).status_code == 413


def test_slow_requests_do_not_hold_workers(shape: Shape) -> None:
    """50 clients that never finish their header and their body, and everybody else is served."""
    port = int(shape.issuer.rpartition(":")[2])
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    try:
        for number, connection in enumerate(slow):
            head = b"POST /token HTTP/1.1\r\nHost: localhost\r\n"
            connection.sendall(head + (b"Content-Length: 100\r\n\r\nx" if number % 2 else b""))
        before = time.monotonic()
        answers = [requests.get(f"{shape.issuer}/jwks", timeout=5).status_code for _ in range(20)]
        took = time.monotonic() - before
    finally:
        for connection in slow:
            connection.close()

    assert answers == [200] * 20
    assert took < 5


def test_a_node_that_is_killed_is_passed_over_and_comes_back(shape: Shape) -> None:
    """P2: while one node is gone and comes back, nobody who asks the proxy gets an error."""
    os.killpg(shape.nodes[0].process.pid, signal.SIGKILL)
    shape.nodes[0].process.wait(10)

    gone = [requests.get(f"{shape.issuer}/jwks", timeout=10).status_code for _ in range(40)]
    shape.nodes[0] = shape.start(0)
    wait(lambda: shape.nodes[0].is_ready, 60)
    back = [requests.get(f"{shape.issuer}/jwks", timeout=10).status_code for _ in range(40)]

    assert set(gone) == {200}
    assert set(back) == {200}


def test_an_update_of_one_node_after_the_other_loses_no_request(shape: Shape) -> None:
    """P6: SIGTERM, wait, start; requests go on all the while."""
    statuses: list[int] = []

    def ask_while(condition: Callable[[], bool]) -> None:
        while condition():
            statuses.append(requests.get(f"{shape.issuer}/jwks", timeout=10).status_code)
            time.sleep(0.05)  # below the proxy's limit for one address

    for number in (0, 1):
        shape.nodes[number].process.terminate()
        ask_while(lambda: shape.nodes[number].process.poll() is None)  # noqa: B023 - called within the round
        shape.nodes[number] = shape.start(number)
        ask_while(lambda: not shape.nodes[number].is_ready)  # noqa: B023
        known_again = time.monotonic() + PASSED_OVER_SECONDS
        ask_while(lambda: time.monotonic() < known_again)  # noqa: B023

    assert len(statuses) > 20
    assert set(statuses) == {200}
    assert not [node for node in shape.nodes if "Traceback" in node.log.read_text()]


def test_another_node_with_another_secret_does_not_start(shape: Shape) -> None:
    """F24: no split results."""
    environment = {**shape.environment, "IDP_SECRET": secrets.token_urlsafe(48)}
    done = program.run("serve", "--port", str(free_port()), environment=environment)

    assert done.returncode == 2
    assert "IDP_SECRET" in done.stderr


def wait(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def _answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=2).ok
    except requests.RequestException:
        return False


def _end(process: Started | subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
