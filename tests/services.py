"""PostgreSQL and Redis for the tests: given by the environment, or started here on free loopback ports.

`TEST_POSTGRES_URL` and `TEST_REDIS_URL` name servers that run already (`.ci/run` starts them). Otherwise each pytest
worker starts its own from the machine's packages, in a temporary folder, and ends it with the worker.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.parse import urlunsplit

import pytest
from psycopg import OperationalError
from psycopg import connect
from redis import Redis
from redis.exceptions import ConnectionError as RedisDown

PACKAGES = {"postgres": "postgresql", "redis-server": "redis-server", "chromium": "chromium", "nginx": "nginx"}


def missing(program: str) -> None:
    """Skip the test and name the Debian package to install; fail where services are required."""
    message = f"{program} is not installed: apt-get install {PACKAGES.get(program, program)}"
    if os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(message)
    pytest.skip(message)


def find(program: str) -> str | None:
    """The program's path; PostgreSQL keeps its server outside PATH on Debian, nginx in /usr/sbin."""
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/sbin")]
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, places)])
    return shutil.which(program, path=path)


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def postgres(name: str) -> Iterator[str]:
    """The address of an empty database called `name`."""
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        yield _empty_database(given, name)
        return
    server = find("postgres")
    if server is None:
        missing("postgres")
    with tempfile.TemporaryDirectory(prefix="idp-postgres-") as folder:
        port = free_port()
        process = _start_postgres(Path(str(server)).parent, Path(folder), port)
        try:
            yield _empty_database(f"postgresql://postgres@127.0.0.1:{port}/postgres", name)
        finally:
            process.send_signal(signal.SIGINT)  # fast: does not wait for pooled connections to leave
            process.wait(20)


def _start_postgres(programs: Path, folder: Path, port: int) -> subprocess.Popen[bytes]:
    data = folder / "data"
    as_user: dict[str, object] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres", "postgres")
        as_user = {"user": "postgres", "group": "postgres", "extra_groups": []}
    initdb = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=folder, **as_user)  # type: ignore[call-overload]
    options = ["-c", "fsync=off", "-c", "max_connections=200", "-c", "listen_addresses=127.0.0.1"]
    process: subprocess.Popen[bytes] = subprocess.Popen(
        [programs / "postgres", "-D", data, "-p", str(port), "-k", folder, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        **as_user,  # type: ignore[arg-type]
    )
    _wait(lambda: connect(f"postgresql://postgres@127.0.0.1:{port}/postgres").close(), OperationalError)
    return process


def _empty_database(server_url: str, name: str) -> str:
    with connect(server_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


def another_database(url: str, name: str) -> str:
    """One more empty database on the same server."""
    return _empty_database(url, name)


@contextmanager
def redis(number: int) -> Iterator[str]:
    """The address of an empty Redis database."""
    given = os.environ.get("TEST_REDIS_URL")
    if given:
        url = urlunsplit(urlsplit(given)._replace(path=f"/{number}"))
        Redis.from_url(url).flushdb()
        yield url
        return
    server = find("redis-server")
    if server is None:
        missing("redis-server")
    port = free_port()
    command = [str(server), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with tempfile.TemporaryDirectory(prefix="idp-redis-") as folder:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=folder)
        try:
            _wait(lambda: Redis(port=port).ping(), RedisDown)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait(20)


def another_redis(url: str) -> str:
    """Another database of the same Redis, which has sixteen."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{(int(parts.path.strip('/') or 0) + 8) % 16}"))


def _wait(ready: object, failure: type[Exception], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            ready()  # type: ignore[operator]
            return
        except failure:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
