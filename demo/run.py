"""`make run`: provider, demo portal and fictive register on this machine; says what to try, and keeps its data.

Everything lies in one folder, `var/`: the settings with a secret drawn at the first run, the database, the codes that
would be on the letters, the logs. Both programs end with this one, however it ends.
"""

import ctypes
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from pensioners.demo import DemoPerson

from .prepare import Prepared
from .prepare import prepare
from .prepare import tell

ROOT = Path(__file__).resolve().parent.parent
SIGTERM_AT_PARENTS_DEATH = 1  # PR_SET_PDEATHSIG of prctl(2)
START_SECONDS = 60
STOP_SECONDS = 10


@dataclass(frozen=True)
class House:
    """Where this run listens and keeps its things."""

    folder: Path
    port: int
    portal_port: int

    @property
    def issuer(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def portal(self) -> str:
        return f"http://localhost:{self.portal_port}"


class Ended(Exception):
    """One of the programs ended by itself; the text is the end of its log."""


def main() -> int:
    """Prepare, start both, say what to try, wait."""
    house = House(
        Path(os.environ.get("FOLDER") or ROOT / "var").resolve(),
        _port("PORT", 8400),
        _port("PORTAL_PORT", 8401),
    )
    os.chdir(ROOT)
    parent = os.getppid()
    for port in (house.port, house.portal_port):
        _refuse_if_taken(port)
    environment = settings(house)
    os.environ.update(environment)
    prepared = prepare(house.folder, house.portal)
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, _interrupt)
    try:
        with running(house, prepared) as programs:
            say_what_to_try(house, prepared.people)
            while os.getppid() == parent:
                _check(programs)
                time.sleep(0.5)
    except KeyboardInterrupt:
        print("\nStopped. The data is kept in", house.folder)
    except Ended as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def settings(house: House) -> dict[str, str]:
    """The settings of this run: the file in the folder, drawn up at the first run; the environment wins."""
    file = house.folder / "env"
    if not file.exists():
        house.folder.mkdir(parents=True, exist_ok=True)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as new:
            new.write("# The settings of `make run`, made at its first run. See idp/settings.py for all of them.\n")
            new.writelines(f"{name}={shlex.quote(value)}\n" for name, value in _first_settings(house).items())
    kept = dict(_read(file))
    if "PORT" in os.environ:
        kept["IDP_ISSUER"] = house.issuer
    return {**kept, **{name: value for name, value in os.environ.items() if name.startswith("IDP_")}}


@contextmanager
def running(house: House, prepared: Prepared) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Both programs, answering; ended with the block."""
    portal = {
        "DEMO_ISSUER": house.issuer,
        "DEMO_BASE_URL": house.portal,
        "DEMO_PORT": str(house.portal_port),
        "DEMO_CLIENT_ID": prepared.client_id,
        "DEMO_CLIENT_SECRET_FILE": str(prepared.secret_file),
    }
    serve = ["-m", "cli", "serve", "--port", str(house.port)]
    with ExitStack() as stack:
        print("Starting provider and portal …", flush=True)
        programs = {
            "provider": stack.enter_context(_program(house, "provider", serve, {})),
            "portal": stack.enter_context(_program(house, "portal", ["-m", "demo"], portal)),
        }
        _wait_for(f"{house.issuer}/health/ready", programs)
        _wait_for(f"{house.portal}/health", programs)
        yield programs


def say_what_to_try(house: House, people: list[DemoPerson]) -> None:
    """Addresses first, then who can enrol with what."""
    print()
    print(f"  {house.portal}             the portal: register as one of these people, or sign in")
    print(f"  {house.issuer}/dev/outbox  every mail and SMS that was “sent” (as JSON: /dev/outbox.json)")
    print()
    tell(people)
    print()
    print(f"The codes of everybody are in {house.folder}/demo-codes.csv, the logs beside it.")
    print("Ctrl-C stops both programs and keeps the data; `make reset` starts anew.", flush=True)


def _first_settings(house: House) -> dict[str, str]:
    return {
        "IDP_ENVIRONMENT": "development",
        "IDP_ISSUER": house.issuer,
        "IDP_SECRET": secrets.token_urlsafe(48),
        "IDP_DATABASE_URL": f"sqlite:///{house.folder}/idp.sqlite",
        "IDP_MAIL_CHANNEL": "outbox",
        "IDP_SMS_CHANNEL": "outbox",
        "IDP_LOG_FORMAT": "console",
        "IDP_AUDIENCES": '[{"name": "member"}, {"name": "employer", "url": "https://www.valora-pensionskasse.com"}]',
    }


def _read(file: Path) -> Iterator[tuple[str, str]]:
    if file.stat().st_mode & 0o077:
        file.chmod(0o600)
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield name.strip(), shlex.split(value)[0] if value.startswith("'") else value


def _port(name: str, default: int) -> int:
    given = os.environ.get(name) or str(default)
    if not given.isascii() or not given.isdigit() or not 1024 <= int(given) < 65536:
        sys.exit(f"{name}: give a port number from 1024 to 65535, for example {default}.")
    return int(given)


def _refuse_if_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            sys.exit(f"Port {port} is taken. End the other program, or: make run PORT=9400 PORTAL_PORT=9401")


@contextmanager
def _program(house: House, name: str, arguments: list[str], more: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """One program in a session of its own, so that Ctrl-C reaches this one alone, which then ends both in order."""
    with (house.folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own programs
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **more},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no thread runs here
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _end_with_parent() -> None:
    """Ask Linux for a SIGTERM when this program is killed and cannot end the others itself."""
    ctypes.CDLL(None).prctl(SIGTERM_AT_PARENTS_DEATH, signal.SIGTERM)


def _wait_for(address: str, programs: dict[str, subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        _check(programs)
        try:
            with urlopen(address, timeout=2) as answer:  # noqa: S310 - our own address
                if answer.status == 200:
                    return
        except (URLError, OSError):
            time.sleep(0.2)
    raise Ended(f"{address} did not answer within {START_SECONDS} s; see the logs.")


def _check(programs: dict[str, subprocess.Popen[bytes]]) -> None:
    for name, process in programs.items():
        if process.poll() is not None:
            raise Ended(f"The {name} ended by itself (status {process.returncode}); see its log.")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
