"""`idp serve`: refuses to start in a sentence, survives its workers, ends in order and never alone."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import live
import program
import pytest
import requests
from flask import Flask
from oidc import Configure
from services import free_port
from sqlalchemy import select

from idp import serve
from idp.clock import now
from idp.db import db
from idp.db import transaction
from idp.models import OutboxMessage
from idp.serve import CannotServe

ROOT = live.ROOT


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Live]:
    with live.provider(tmp_path_factory.mktemp("serve"), workers=2) as provider:
        yield provider


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, **live._environment(folder, "http://localhost:8400"), **more}


@pytest.mark.parametrize(
    ("wrong", "named", "remedy"),
    [
        ({"IDP_SECRET": ""}, "IDP_SECRET", "idp secret"),
        ({"IDP_SMTP_PASWORD": "x"}, "IDP_SMTP_PASWORD", "Did you mean IDP_SMTP_PASSWORD?"),
        ({"IDP_ISSUER": "http://login.fund.example"}, "IDP_ISSUER", "use https"),
        ({"FLASK_DEBUG": "1", "IDP_ENVIRONMENT": "production"}, "IDP_MAIL_CHANNEL", "smtp"),
        ({"IDP_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}, "IDP_DATABASE_URL", "Start it"),
        ({}, "IDP_DATABASE_URL", "idp migrate"),
    ],
    ids=["secret", "unknown", "issuer", "channels", "database", "schema"],
)
def test_it_refuses_to_start_with_a_sentence(tmp_path: Path, wrong: dict[str, str], named: str, remedy: str) -> None:
    done = program.run("serve", "--port", str(free_port()), environment=environment(tmp_path, **wrong))

    assert done.returncode == 2
    assert named in done.stderr
    assert remedy in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_it_refuses_the_database_of_another_secret(tmp_path: Path) -> None:
    first = environment(tmp_path)
    program.run("migrate", environment=first)
    program.run("keys", "rotate", "--yes", environment=first)

    done = program.run("serve", environment={**first, "IDP_SECRET": secrets.token_urlsafe(48)})

    assert done.returncode == 2
    assert "IDP_OLD_SECRETS" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_refuses_a_port_somebody_listens_on(running: live.Live) -> None:
    port = running.issuer.rpartition(":")[2]

    done = running.idp("serve", "--port", port, check=False)

    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr


def test_a_free_port_is_taken_at_once_after_an_end() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        listener.listen()
        with pytest.raises(CannotServe, match=str(port)):
            serve.check_port("127.0.0.1", port)

    serve.check_port("127.0.0.1", port)


def test_it_refuses_debugging_in_production(app: Flask, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "debug", True)
    configure(environment="production")

    with pytest.raises(CannotServe, match="FLASK_DEBUG"):
        serve.check(app)


def test_it_refuses_a_secret_that_others_may_write(tmp_path: Path) -> None:
    file = tmp_path / "idp_secret"
    file.write_text("x")
    file.chmod(0o640)
    serve.check_secret_files(tmp_path)

    file.chmod(0o660)

    with pytest.raises(CannotServe, match="chmod go-w"):
        serve.check_secret_files(tmp_path)


def test_a_killed_worker_is_replaced(running: live.Live) -> None:
    victim = running.workers()[0]

    os.kill(victim, signal.SIGKILL)

    wait(lambda: len(running.workers()) == 2 and victim not in running.workers(), 15)
    wait(lambda: all(_answers(running) for _ in range(20)), 15)  # what waited at the dead one's door is reset


def _answers(provider: live.Live) -> bool:
    try:
        return requests.get(f"{provider.issuer}/health/live", timeout=5).ok
    except requests.ConnectionError:
        return False


def test_no_request_carries_our_settings_in_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Granian copies the process environment into every request's; a page that showed it would show the secret."""
    from granian.wsgi import _callback_wrapper

    monkeypatch.setenv("IDP_SECRET", "marker")
    monkeypatch.setenv("idp_smtp_password", "marker")
    serve.forget_environment()
    seen: dict[str, object] = {}

    def show(environ: dict[str, object], start: object) -> list[bytes]:
        seen.update(environ)
        return []

    class Protocol:
        def response_bytes(self, *_: object) -> None: ...

    _callback_wrapper(show, {})(Protocol(), {"PATH_INFO": "/"})

    assert seen["PATH_INFO"] == "/"
    assert "marker" not in seen.values()


def test_the_access_log_names_routes_and_nobody(running: live.Live) -> None:
    marker = secrets.token_hex(4)

    requests.get(f"{running.issuer}/i/{marker}/sign_in/credentials?login_hint={marker}@example.org", timeout=5)

    log = running.folder / "serve.log"
    wait(lambda: "/i/<interaction_id>" in log.read_text(), 5)
    assert marker not in log.read_text()


def test_sigterm_ends_it_after_the_requests_that_have_begun(tmp_path: Path) -> None:
    with live.provider(tmp_path, workers=2) as provider:
        children = provider.workers()
        os.kill(provider.process.pid, signal.SIGTERM)
        wait(lambda: not any(map(_is_running, children)), 20)

    log = (tmp_path / "serve.log").read_text()
    assert "Traceback" not in log
    assert "refused to gracefully stop" not in log


SLOW = """
import os, sys, time
from pathlib import Path
from idp import serve

def load():
    Path(sys.argv[1], str(os.getpid())).touch()
    time.sleep(100)

if __name__ == "__main__":
    serve.serve(load, host="127.0.0.1", port=int(sys.argv[2]), workers=2, threads=1)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_workers_that_still_load_end_at_once(tmp_path: Path, number: int) -> None:
    script, loading = tmp_path / "slow.py", tmp_path / "loading"
    script.write_text(SLOW, encoding="utf-8")
    loading.mkdir()

    command = [sys.executable, str(script), str(loading), str(free_port())]
    told = tmp_path / "told"
    with told.open("wb") as errors:
        server = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=errors, start_new_session=True
        )
    try:
        wait(lambda: len(list(loading.iterdir())) == 2, 60)
        server.send_signal(number)
        server.wait(15)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()

    assert server.returncode == 0
    assert "refused to gracefully stop" not in told.read_text()
    assert "Traceback" not in told.read_text()


def test_workers_do_not_outlive_a_server_that_was_killed(tmp_path: Path) -> None:
    with live.provider(tmp_path, workers=2) as provider:
        children = provider.workers()
        os.kill(provider.process.pid, signal.SIGKILL)
        wait(lambda: not any(map(_is_running, children)), 40)


ORPHAN = """
import multiprocessing, os, sys, time
from idp import serve

def work(path):
    while os.getppid() == multiprocessing.parent_process().pid:
        time.sleep(0.05)
    with open(path, "w") as file:
        file.write(str(serve._server()))

if __name__ == "__main__":
    serve.processes().Process(target=work, args=[sys.argv[1]]).start()
    time.sleep(3)
    os._exit(0)
"""


def test_a_worker_knows_its_server_also_when_that_was_killed_before_it_was_ready(tmp_path: Path) -> None:
    """Else it would follow whoever adopts it, for ever."""
    script, told = tmp_path / "orphan.py", tmp_path / "told"
    script.write_text(ORPHAN, encoding="utf-8")

    command = [sys.executable, str(script), str(told)]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}) as first:
        first.wait(30)
    wait(lambda: told.exists() and bool(told.read_text()), 30)

    assert int(told.read_text()) == first.pid


def test_it_asks_for_no_more_threads_than_the_machine_can_use(running: live.Live) -> None:
    """granian warns where there are more than two for each core and one; a machine of one core has 5 all the same."""
    log = (running.folder / "serve.log").read_text()

    (serving,) = [json.loads(line) for line in log.splitlines() if '"serving"' in line]
    assert 5 <= serving["threads"] <= max(5, 2 * (os.cpu_count() or 1) + 1)
    assert "Python threads" not in log or os.cpu_count() == 1


def test_every_chore_can_be_done_at_any_time(app: Flask) -> None:
    for seconds, chore in serve.chores(app):
        assert seconds >= 1
        chore()


def test_ended_messages_are_forgotten_after_a_week(app: Flask) -> None:
    with transaction() as session:
        for name, state, days in (("old", "sent", 8), ("waiting", "pending", 8), ("young", "sent", 6)):
            created = now() - timedelta(days=days)
            session.add(
                OutboxMessage(
                    id=name,
                    medium="mail",
                    name="enrol_code",
                    target="t",
                    state=state,
                    created_at=created,
                    next_try_at=created,
                    expires_at=created,
                )
            )

    removed = serve.forget_old_messages()

    assert removed == 1
    assert set(db.session.scalars(select(OutboxMessage.id))) == {"waiting", "young"}


def wait(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def _is_running(process: int) -> bool:
    return "\nState:\tZ" not in (status := _read(Path(f"/proc/{process}/status"))) and bool(status)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
