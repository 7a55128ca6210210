"""A real provider for tests: `idp serve` with several workers on a free port, the fictive register and a demo client.

Only what leaves the building is faked: mails and SMS stay in the development outbox, read over HTTP as a person would.
"""

import csv
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

import program
import requests
from services import free_port
from sqlalchemy import create_engine
from sqlalchemy import text

ROOT = Path(__file__).parent.parent
REGISTER = ROOT / "demo" / "register.csv"


@dataclass
class Person:
    """Somebody of the fictive register with an unused letter, and what they have enrolled."""

    person_number: str
    ahv_number: str
    birth_date: str
    code: str
    language: str
    first_name: str
    last_name: str
    email: str = ""
    password: str = "Vier-Gruppen 2026!"
    phone: str = "079 123 45 67"
    totp_secret: str = ""


@dataclass
class Live:
    """A running provider."""

    issuer: str
    folder: Path
    environment: dict[str, str]
    people: list[Person] = field(default_factory=list)
    root: Path = ROOT
    """The checkout that runs."""
    process: program.Started = field(init=False)
    """The server; it is started last."""

    def idp(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of the command line against the same database."""
        done = program.run(*arguments, environment=self.environment, root=self.root)
        if check and done.returncode != 0:
            raise AssertionError(f"idp {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")
        return done

    def kill(self) -> None:
        """Kill every process of the provider at once, as a power cut does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    def workers(self) -> list[int]:
        """The worker processes."""
        parent = f"\nPPid:\t{self.process.pid}\n"
        return [int(each.name) for each in Path("/proc").glob("[0-9]*") if parent in _read(each / "status")]

    def person(self, language: str = "fr") -> Person:
        """Somebody who has not enrolled yet; each is given away once."""
        number = next(i for i, person in enumerate(self.people) if person.language == language)
        person = self.people.pop(number)
        person.email = f"{person.person_number.lower()}.{secrets.token_hex(3)}@example.org"
        person.phone = f"079{secrets.randbelow(10**7):07d}"
        return person

    def rows(self, query: str, **params: Any) -> list[Any]:
        """Ask the provider's database."""
        engine = create_engine(sql_address(self.environment["IDP_DATABASE_URL"]))
        try:
            with engine.connect() as connection:
                return list(connection.execute(text(query), params).all())
        finally:
            engine.dispose()

    def messages(self, to: str) -> list[dict[str, str]]:
        """What was sent to this address, newest first."""
        answer = requests.get(f"{self.issuer}/dev/outbox.json", params={"to": to}, timeout=10)
        answer.raise_for_status()
        return list(answer.json())

    def code(self, to: str, *, after: int = 0) -> str:
        """The newest six digits sent to this address, once there are more than `after` messages."""
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            found = self.messages(to)
            if len(found) > after and (digits := re.search(r"\b(\d{6})\b", found[0]["text"])):
                return digits[1]
            time.sleep(0.1)
        raise AssertionError(f"no code arrived at {to}")


@contextmanager
def provider(
    folder: Path, *, workers: int = 2, register: Path = REGISTER, root: Path = ROOT, **settings: str
) -> Iterator[Live]:
    """Migrate, load the register, write the letters' codes, serve; ends with the block."""
    port = free_port()
    issuer = f"http://localhost:{port}"
    environment = {**os.environ, **_environment(folder, issuer), "PYTHONPATH": str(root), **settings}
    live = Live(issuer, folder, environment, root=root)
    codes = folder / "codes.csv"
    live.idp("migrate")
    live.idp("register", "import", str(register))
    live.idp("register", "codes", "issue", "--campaign", "tests", "--output", str(codes))
    live.people = list(_people(register, codes))
    live.process = start_node(live, port, workers=workers, log=folder / "serve.log")
    try:
        yield live
    finally:
        end(live.process)


def start_node(live: Live, port: int, *, workers: int = 1, log: Path | None = None) -> program.Started:
    """Start one more node of this provider on this port."""
    log = log or live.folder / f"node-{port}.log"
    serve = ("serve", "--port", str(port), "--workers", str(workers))
    process = program.start(*serve, environment=live.environment, output=log, root=live.root)
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}/health/ready", process, log)
    except BaseException:
        end(process)
        raise
    return process


def end(process: program.Started) -> None:
    """End a server and its workers, as an orchestrator does: asked first, killed then."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def node(live: Live) -> Iterator[str]:
    """One more node of this provider, for the length of the block; its own address."""
    port = free_port()
    process = start_node(live, port)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process)


def _environment(folder: Path, issuer: str) -> dict[str, str]:
    return {
        "IDP_ENVIRONMENT": "development",
        "IDP_ISSUER": issuer,
        "IDP_SECRET": secrets.token_urlsafe(48),
        "IDP_DATABASE_URL": f"sqlite:///{folder / 'idp.sqlite'}",
        "IDP_MAIL_CHANNEL": "outbox",
        "IDP_SMS_CHANNEL": "outbox",
        "IDP_DEFAULT_LANGUAGE": "fr",
        "IDP_LOG_LEVEL": "INFO",
    }


def _people(people: Path, codes: Path) -> Iterator[Person]:
    with people.open(encoding="utf-8-sig") as file:
        sample = file.read(2048)
        file.seek(0)
        register = {row["person_number"]: row for row in csv.DictReader(file, delimiter=";" if ";" in sample else ",")}
    with codes.open(encoding="utf-8-sig") as file:
        sample = file.read(2048)
        file.seek(0)
        for row in csv.DictReader(file, delimiter=";" if ";" in sample else ","):
            person = register[row["person_number"]]
            yield Person(
                person["person_number"],
                person["ahv_number"],
                person["birth_date"],
                row["activation_code"],
                person["language"],
                person["first_name"],
                person["last_name"],
            )


def _wait_until_ready(url: str, process: program.Started | subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the provider ended at start:\n{log.read_text()[-3000:]}")
        try:
            if requests.get(url, timeout=5).status_code == 200:
                return
        except (requests.ConnectionError, requests.Timeout):  # not yet, on a busy machine
            pass
        time.sleep(0.1)
    raise AssertionError(f"the provider did not become ready:\n{log.read_text()[-3000:]}")


@contextmanager
def portal(live: Live, *, port: int = 0, address: str = "", **settings: str) -> Iterator[str]:
    """The demo portal as a client of this provider; its address, where browsers see another one than its own."""
    port = port or free_port()
    address = address or f"http://localhost:{port}"
    description = (ROOT / "demo" / "clients.toml").read_text(encoding="utf-8")
    secret_file = live.folder / "portal-secret"
    description = description.replace("http://localhost:8401", address).replace(
        "var/demo-portal-secret", str(secret_file)
    )
    toml = live.folder / "clients.toml"
    toml.write_text(description, encoding="utf-8")
    live.idp("clients", "apply", str(toml), "--yes")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DEMO_ISSUER": live.issuer,
        "DEMO_BASE_URL": address,
        "DEMO_PORT": str(port),
        "DEMO_CLIENT_ID": "myvpk",
        "DEMO_CLIENT_SECRET_FILE": str(secret_file),
        **settings,
    }
    with (live.folder / "portal.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "demo"], cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_until_ready(f"http://localhost:{port}/health", process, live.folder / "portal.log")
            yield address
        finally:
            process.terminate()
            process.wait(20)


def sql_address(url: str) -> str:
    """The address for SQLAlchemy with psycopg."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
