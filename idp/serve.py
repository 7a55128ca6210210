"""`idp serve`: several worker processes behind one port, each with its threads, its outbox sender and its chores.

Refuses to start when something is missing that every request would miss: a right setting, the database, the schema, a
secret that opens the keys, a free port. The workers are granian's; what they run is handed in, for this package knows
no flow.
"""

import gc
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence
from datetime import timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import ForkContext
from multiprocessing.context import SpawnContext
from pathlib import Path
from typing import Any

import structlog
from flask import Flask
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server import MPServer
from sqlalchemy import delete
from sqlalchemy.exc import SQLAlchemyError

from keys import WrongKey

from . import audit
from . import backchannel_logout
from . import channels
from . import families
from . import one_time_codes
from . import schema
from . import setting_mistakes
from . import throttle
from .clock import now
from .db import db
from .db import transaction
from .models import OutboxMessage
from .provider import Chore
from .provider import provider
from .sender import Sender
from .settings import SECRETS_FOLDER
from .settings import BadSetting
from .settings import Settings
from .store import StoreUnavailable

KEPT_MESSAGES = timedelta(days=7)
"""How long the row of a sent message stays, without its text (data protection inventory)."""
STOP_SECONDS = 25
"""What a worker gets to finish its requests before it is killed; less than the 30 s most orchestrators give."""
PARENT_SECONDS = 1.0
ENDING = (signal.SIGINT, signal.SIGTERM)
"""The signals that end the server and its workers."""

log = structlog.get_logger("serve")


class CannotServe(RuntimeError):
    """The program does not start; the text says why and what to do."""


def workers_of_this_machine() -> int:
    """One worker for each core, two at least: one that hangs must not be the whole service."""
    return max(2, os.cpu_count() or 1)


def threads_of_this_machine() -> int:
    """Two for each core and one: more only take the interpreter from each other, fewer than 5 wait for one another."""
    return min(16, max(5, 2 * (os.cpu_count() or 1) + 1))


def check_apart(assemble: Callable[[], Flask]) -> None:
    """`check` in a process that takes its connections, locks and opened keys with it: workers are forked after it."""
    answer, told = multiprocessing.Pipe(duplex=False)
    process = processes().Process(target=_tell_what_is_wrong, args=(assemble, told), name="check")
    process.start()
    told.close()
    try:
        wrong = answer.recv()
    except EOFError:
        wrong = CannotServe("The check of the settings was killed. Start again, with more memory.")
    process.join()
    if wrong is not None:
        raise wrong


def _tell_what_is_wrong(assemble: Callable[[], Flask], told: Connection) -> None:
    try:
        check(assemble())
    except (CannotServe, BadSetting, StoreUnavailable, schema.DataDamaged) as error:
        told.send(error)
    except Exception as error:
        log.critical("the check of the settings failed", exc_info=error)
        told.send(CannotServe("The check of the settings failed; the log says where."))
    else:
        told.send(None)


def processes() -> ForkContext | SpawnContext:
    """How processes are started: forked, save where the operating system's libraries do not bear it (macOS)."""
    return multiprocessing.get_context("fork") if sys.platform == "linux" else multiprocessing.get_context("spawn")


def check(app: Flask) -> None:
    """Raise `CannotServe` or `BadSetting` unless people could be served; makes the signing keys that are missing."""
    settings: Settings = app.extensions["idp"].settings
    if app.debug and not settings.development:
        raise CannotServe("FLASK_DEBUG: debugging shows secrets to visitors; unset it.")
    check_secret_files(SECRETS_FOLDER)
    setting_mistakes.refuse(settings)
    channels.choose(settings)
    with app.app_context():
        try:
            is_current = schema.is_current(db.engine)
        except SQLAlchemyError as error:
            raise CannotServe(
                f"IDP_DATABASE_URL: the database cannot be used ({_first_line(error)}). Start it, or mend the address."
            ) from error
        if not is_current:
            raise CannotServe("IDP_DATABASE_URL: the database has an old schema, or none. Run: idp migrate")
        try:
            provider.keys.ensure()
        except WrongKey as error:
            raise CannotServe(
                "IDP_SECRET: it does not open the signing keys in this database; another secret made them. "
                "Set the secret of the other nodes, or name the older one in IDP_OLD_SECRETS."
            ) from error


def check_secret_files(folder: Path) -> None:
    """Refuse a secret that others on this machine could have put there."""
    for file in sorted(folder.glob("idp_*")) if folder.is_dir() else ():
        if file.stat().st_mode & 0o022:
            raise CannotServe(f"{file}: others may write this file. Run: chmod go-w {file}")


def check_port(host: str, port: int) -> None:
    """Refuse a port somebody listens on; the workers share theirs and would quietly share a stranger's too."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotServe(
                f"{host}:{port}: {error.strerror}. End the other program, or give another --port."
            ) from None


def serve(load: Callable[[], Any], *, host: str, port: int, workers: int, threads: int) -> None:
    """Run the workers until a signal ends them; requests that have begun are finished.

    Each worker is forked from a process that has only loaded the program (`check_apart`): it inherits no connection,
    lock or opened key, shares the program's memory with the others, and takes a lost one's place at once.
    """
    multiprocessing.set_start_method(processes().get_start_method(), force=True)
    gc.freeze()  # what is loaded now is never looked at again, so its memory stays shared
    _let_signals_end_young_workers()
    server = MPServer(
        "idp",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=threads,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=15_000, max_buffer_size=128 * 1024),
        log_dictconfig=GRANIAN_LOGS,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=STOP_SECONDS,
    )
    log.info("serving", host=host, port=port, workers=workers, threads=threads)
    server.serve(target_loader=load, wrap_loader=False)


def _let_signals_end_young_workers() -> None:
    """A forked worker inherits the server's handlers, which would only take a note: it has none until granian's own.

    One that is told to end while it loads ends at once, as it answers nobody yet. None is told in between: signals wait
    while there is a fork.
    """

    def have_no_handlers() -> None:
        for each in ENDING:
            signal.signal(each, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)

    os.register_at_fork(
        before=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ENDING),
        after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING),
        after_in_child=have_no_handlers,
    )


GRANIAN_LOGS: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {},
    "handlers": {},
    "loggers": {
        "_granian": {"handlers": [], "propagate": True},
        "granian.access": {"handlers": [], "propagate": False},
    },
}
"""Granian's lines go through our handler; its access log, which writes addresses with their queries, stays off."""


def start_worker(app: Flask) -> Flask:
    """What a worker process does beside answering: send messages, do the chores, end when the server is gone."""
    forget_environment()
    _follow(_server())
    if app.extensions["idp"].settings.outbox_worker:
        Sender(app, chores=chores(app)).start()
    return app


def forget_environment() -> None:
    """Drop our settings from the process environment, which granian copies into every request's."""
    for name in [name for name in os.environ if name.upper().startswith("IDP_")]:
        del os.environ[name]


def chores(app: Flask) -> Sequence[Chore]:
    """What every worker repeats, and how often in seconds; all of it may be done by several at once."""
    parts = app.extensions["idp"]
    return (
        (60, parts.keys.ensure),
        (60, parts.store.sweep),
        (300, throttle.sweep),
        (300, one_time_codes.sweep),
        (300, backchannel_logout.sweep),
        (60, audit.seal),
        (3600, forget_old_messages),
        (3600, families.sweep),
        *parts.chores,
    )


def forget_old_messages() -> int:
    """Remove the rows of messages that ended a week ago; the number removed."""
    ended = OutboxMessage.state.in_(["sent", "failed", "expired"])
    with transaction() as session:
        result = session.execute(delete(OutboxMessage).where(ended, OutboxMessage.created_at < now() - KEPT_MESSAGES))
    return int(result.rowcount)  # type: ignore[attr-defined]


def _server() -> int:
    """The process that started this worker, known also where it was killed before the worker got this far."""
    parent = multiprocessing.parent_process()
    return os.getppid() if parent is None or parent.pid is None else parent.pid


def _follow(parent: int) -> None:
    """End this worker when its server was killed: nobody else would."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)  # granian finishes the requests that have begun
        time.sleep(STOP_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="follow", daemon=True).start()


def _first_line(error: Exception) -> str:
    reason = getattr(error, "orig", None) or error
    return str(reason).strip().partition("\n")[0]
