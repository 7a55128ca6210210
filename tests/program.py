"""The command `idp` for tests: every start is a process of its own, forked from one that has loaded the program.

Loading takes longer than most commands. What runs is `cli.main` with its own arguments, environment and files; that the
program also loads from nothing is for tests/delivery and the first tests of tests/idp/test_cli.py.
"""

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


class Started:
    """A process of the program, used like `subprocess.Popen`; its process group has its number."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link.makefile("rb")
        self.pid = int(self._link.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit status, None while it runs."""
        return self._wait_until(time.monotonic())

    def wait(self, timeout: float | None = None) -> int:
        """The exit status; `subprocess.TimeoutExpired` when the process still runs after so many seconds."""
        status = self._wait_until(None if timeout is None else time.monotonic() + timeout)
        if status is None:
            raise subprocess.TimeoutExpired("idp", timeout or 0)
        return status

    def _wait_until(self, deadline: float | None) -> int | None:
        """The exit status, None when there is none at this moment of the monotonic clock."""
        if self.returncode is None:
            seconds = None if deadline is None else max(0.0, deadline - time.monotonic())
            if select.select([self._link], [], [], seconds)[0]:
                self.returncode = int(self._link.readline())
                self._link.close()
        return self.returncode

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class _Loaded:
    """The process that has loaded the program and waits for commands."""

    def __init__(self, root: Path) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="idp-program-")
        self.address = f"{self.folder.name}/socket"
        environment = {**os.environ, "PYTHONPATH": str(root)}
        command = [sys.executable, __file__, self.address]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"loaded\n", "the program does not load"
        atexit.register(self.end)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def start(self, request: dict[str, Any]) -> Started:
        link = socket.socket(socket.AF_UNIX)
        link.connect(self.address)
        link.sendall(json.dumps(request).encode() + b"\n")
        return Started(link)


_loaded: dict[Path, _Loaded] = {}
"""By the checkout that was loaded."""


def start(
    *arguments: str, environment: dict[str, str], output: Path, errors: Path | None = None, root: Path = ROOT
) -> Started:
    """Start `idp` with these arguments, in a session of its own; what it prints is added to the file."""
    if root not in _loaded:
        _loaded[root] = _Loaded(root)
    files = {"output": str(output), "errors": str(errors or output)}
    return _loaded[root].start({"arguments": arguments, "environment": environment, "folder": os.getcwd(), **files})


def run(
    *arguments: str, environment: dict[str, str], timeout: float = 120, root: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run `idp` with these arguments to its end."""
    with tempfile.TemporaryDirectory(prefix="idp-run-") as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        process = start(*arguments, environment=environment, output=output, errors=errors, root=root)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        texts = (file.read_text(encoding="utf-8") for file in (output, errors))
        return subprocess.CompletedProcess(["idp", *arguments], status, *texts)


def _wait_for_commands(address: str) -> dict[str, Any]:
    """Give each caller a process: the one that returns is to become what was asked for; the others tell its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who tells of an end needs no funeral
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen(64)
        print("loaded", flush=True)
        while door in (ready := select.select([door, sys.stdin], [], [])[0]) or not ready:
            link, _ = door.accept()
            if os.fork() == 0:
                break
            link.close()
        else:  # the tests are over
            os._exit(0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request: dict[str, Any] = json.loads(link.makefile("rb").readline())
    pid = os.fork()
    if pid == 0:
        link.close()
        return request
    link.sendall(b"%d\n" % pid)
    _, status = os.waitpid(pid, 0)
    link.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(request: dict[str, Any]) -> None:
    """Environment, folder, session and files of a process that was started for this alone."""
    os.setsid()
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for number, file in ((1, request["output"]), (2, request["errors"])):
        os.dup2(os.open(file, flags, 0o600), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


if __name__ == "__main__":
    import cli

    gc.freeze()  # a collection would touch, and so copy, everything that is loaded
    asked = _wait_for_commands(sys.argv[1])
    _become(asked)
    cli.main(asked["arguments"], prog_name="idp")
