"""`make run`: says what to try, keeps its data, and leaves nothing running however it ends."""

import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from services import free_port

ROOT = Path(__file__).parent.parent.parent


class House:
    """A running `make run` in a folder of its own."""

    def __init__(self, folder: Path, starter: list[str] | None = None) -> None:
        self.port, self.portal_port = free_port(), free_port()
        self.folder = folder
        self.output = folder.with_suffix(".out")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("IDP_", "DEMO_"))}
        environment |= {"FOLDER": str(folder), "PORT": str(self.port), "PORTAL_PORT": str(self.portal_port)}
        command = [*(starter or []), sys.executable, "-m", "demo.run"]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def wait_for_invitation(self) -> None:
        wait(lambda: "Ctrl-C" in self.text or self.process.poll() is not None, 60)
        assert self.process.poll() is None, self.text

    def answers(self) -> bool:
        try:
            provider = requests.get(f"http://localhost:{self.port}/health/ready", timeout=5)
            return provider.ok and requests.get(f"http://localhost:{self.portal_port}/", timeout=5).ok
        except requests.RequestException:
            return False

    def processes(self) -> list[str]:
        """The command lines of all processes that have something to do with this house."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                environ = (process / "environ").read_text().split("\0")
                if f"FOLDER={self.folder}" in environ and int(process.name) != os.getpid():
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except (OSError, UnicodeDecodeError):
                continue
        return found


@contextmanager
def house(folder: Path, starter: list[str] | None = None) -> Iterator[House]:
    running = House(folder, starter)
    try:
        running.wait_for_invitation()
        yield running
    finally:
        if running.process.poll() is None:
            os.killpg(running.process.pid, signal.SIGINT)
        running.process.wait(30)
        wait(lambda: running.processes() == [], 30)


def test_a_newcomer_is_told_what_to_try_and_it_is_there(tmp_path: Path) -> None:
    with house(tmp_path / "var") as first:
        assert first.answers()
        phases = [line for line in first.text.partition("http")[0].splitlines() if line.strip()]
        assert [line.partition(" ")[0] for line in phases] == ["Bringing", "Loading", "Registering", "Starting"]
        assert f"http://localhost:{first.portal_port}" in first.text
        assert f"http://localhost:{first.port}/dev/outbox" in first.text
        people = re.findall(
            r"756\.\d{4}\.\d{4}\.\d\d +\d\d\.\d\d\.\d{4} +([0-9A-Z]{4} [0-9A-Z]{4} [0-9A-Z]{4})", first.text
        )
        assert len(set(people)) == 3
        outbox = requests.get(f"http://localhost:{first.port}/dev/outbox.json", timeout=5)
        assert outbox.json() == []
        settings = first.folder / "env"
        assert stat.S_IMODE(settings.stat().st_mode) == 0o600
        secret = settings.read_text()
        doctor = ["sh", "-c", f"set -a; . {settings}; exec {sys.executable} -m cli doctor"]
        assert subprocess.run(doctor, cwd=ROOT, capture_output=True, check=False).returncode == 0, "as the README says"

    with house(tmp_path / "var") as second:
        assert second.answers()
        assert (second.folder / "env").read_text() == secret
        assert all(code in second.text for code in people)


def test_it_ends_both_programs_when_it_is_asked_to(tmp_path: Path) -> None:
    with house(tmp_path / "var") as running:
        running.process.send_signal(signal.SIGTERM)

        assert running.process.wait(30) == 0
        assert "Stopped" in running.text


def test_it_ends_both_programs_when_it_is_killed(tmp_path: Path) -> None:
    with house(tmp_path / "var") as running:
        assert len(running.processes()) > 3

        running.process.kill()

        wait(lambda: running.processes() == [], 40)


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = [sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:], check=False)"]
    with house(tmp_path / "var", parent) as running:
        running.process.kill()

        wait(lambda: running.processes() == [], 40)


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with house(tmp_path / "var") as running:
        environment = {**os.environ, "FOLDER": str(tmp_path / "other"), "PORT": str(running.port)}
        command = [sys.executable, "-m", "demo.run"]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    assert done.returncode == 1
    assert f"Port {running.port} is taken" in done.stderr
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("port", ["0", "80", "99999", "http"])
def test_a_port_that_is_none_is_told(port: str) -> None:
    command = [sys.executable, "-m", "demo.run"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PORT": port}, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 1
    assert done.stderr.startswith("PORT: give a port number")


def test_make_alone_lists_every_command() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert re.findall(r"^make ([a-z-]+)", listed, re.MULTILINE) == targets


def wait(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
