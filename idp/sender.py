"""The sender: takes what is due from the outbox and hands it to the channels, in threads of its own.

Every process may run one. A message is leased by one conditional UPDATE, so that only one sends it; whoever dies with a
lease leaves the message to the others, who may then send it a second time, and never loses it. One thread a medium: a
hanging mail server does not keep an SMS waiting. Periodic chores run here too.
"""

import random
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from flask import Flask
from flask import current_app
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from keys import WrongKey

from .channels import choose
from .clock import now
from .db import db
from .db import own_transaction
from .db import transaction
from .message import Channel
from .message import Message
from .message import NotSent
from .message import Permanent
from .message import Temporary
from .message import Unreachable
from .message import Unsure
from .models import OutboxMessage
from .provider import provider

log = structlog.get_logger("outbox")

Chore = tuple[float, Callable[[], object]]
"""Every so many seconds, this; whether one process at a time may do it is its own business."""

LEASE = timedelta(seconds=120)
"""Longer than any try takes; after a crash a message waits so long."""
BACK_OFF = (5, 30, 120, 600, 1800)
PAUSE = 1.0
"""Seconds between two looks at the outbox, where nobody pokes."""
REPETITIONS = 1
"""How often a message is repeated that may have been taken already: an SMS costs, and two codes confuse."""


def poke() -> None:
    """Let this process's sender look at once."""
    sender = current_app.extensions.get("sender")
    if sender is not None:
        sender.wake()


class Sender:
    """The background of one process: a thread for each medium, one for chores."""

    def __init__(
        self, app: Flask, chores: Sequence[Chore] = (), *, channels: Mapping[str, Channel] | None = None
    ) -> None:
        self.app = app
        self.chores = tuple(chores)
        self.channels = dict(channels or choose(app.extensions["idp"].settings))
        self._busy = {medium: threading.Lock() for medium in self.channels}
        self._poked = {medium: threading.Event() for medium in self.channels}
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to send; returns at once."""
        self._stopped.clear()
        self.app.extensions["sender"] = self
        work: dict[str, Callable[[], None]] = {m: partial(self._keep_sending, m) for m in self.channels}
        if self.chores:
            work["chores"] = self._keep_doing_chores
        for name, target in work.items():
            thread = threading.Thread(target=target, name=f"sender-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, seconds: float = 5) -> None:
        """Finish the message that is on its way, and end."""
        self._stopped.set()
        self.wake()
        for thread in self._threads:
            thread.join(seconds)
        self._threads.clear()
        if self.app.extensions.get("sender") is self:
            del self.app.extensions["sender"]

    def wake(self) -> None:
        """Look at the outbox now."""
        for event in self._poked.values():
            event.set()

    def run_once(self) -> int:
        """Send what is due, here and now; the number of messages that left."""
        return sum(self._send_due(medium) for medium in self.channels)

    def _keep_sending(self, medium: str) -> None:
        while not self._stopped.is_set():
            pause = PAUSE
            try:
                self._send_due(medium)
            except SQLAlchemyError as trouble:
                log.error("outbox unavailable", medium=medium, error=type(trouble).__name__)
                pause = 5 * PAUSE
            except Exception as error:
                log.error("sender failed", medium=medium, error=type(error).__name__)
                pause = 5 * PAUSE
            self._poked[medium].wait(pause)
            self._poked[medium].clear()

    def _send_due(self, medium: str) -> int:
        """One connection for everything that is due, until there is no more or nobody can be reached."""
        channel = self.channels[medium]
        sent = 0
        with self._busy[medium], self.app.app_context():
            try:
                for lease in _leases(medium):
                    outcome = _deliver(channel, lease)
                    sent += outcome is None
                    if isinstance(outcome, Unreachable) or self._stopped.is_set():
                        break
            finally:
                channel.close()
        return sent

    def _keep_doing_chores(self) -> None:
        due = [time.monotonic()] * len(self.chores)
        while not self._stopped.is_set():
            for number, (seconds, chore) in enumerate(self.chores):
                if due[number] <= time.monotonic():
                    self._do(chore)
                    due[number] = time.monotonic() + seconds * random.uniform(0.9, 1.1)  # noqa: S311 - nodes drift apart
            self._stopped.wait(max(0.0, min(due) - time.monotonic()))

    def _do(self, chore: Callable[[], object]) -> None:
        with self.app.app_context():
            try:
                chore()
            except Exception as error:
                log.error("chore failed", chore=_name(chore), error=type(error).__name__)


@dataclass(frozen=True, repr=False)
class _Lease:
    """A message that this process alone may send, for a while."""

    message: Message
    target: str
    tries: int
    """Fences the lease: whoever leases it later has a higher one."""
    doubts: int
    expires_at: datetime


def _leases(medium: str) -> Iterator[_Lease]:
    """The messages that are due, one after another; each is leased when its turn comes."""
    while _something_is_due(medium):
        with transaction() as session:
            _expire(session, medium)
            row = _lease_one(session, medium)
            lease = _opened(row) if row is not None else None
        if row is None:
            return
        if lease is not None:
            yield lease


def _due(medium: str, moment: datetime) -> tuple[Any, ...]:
    return OutboxMessage.state == "pending", OutboxMessage.medium == medium, OutboxMessage.next_try_at <= moment


def _something_is_due(medium: str) -> bool:
    """Looked up without a lock, so that an idle sender stands in nobody's way."""
    with db.engine.connect() as connection:
        return connection.execute(select(OutboxMessage.id).where(*_due(medium, now())).limit(1)).first() is not None


def _expire(session: Session, medium: str) -> None:
    """A code that is no longer valid is not sent, nor anything else that has become pointless."""
    moment = now()
    statement = update(OutboxMessage).where(*_due(medium, moment), OutboxMessage.expires_at <= moment)
    done: Any = session.execute(
        statement.values(state="expired", body_sealed=None), execution_options={"synchronize_session": False}
    )
    if done.rowcount:
        log.info("messages expired", medium=medium, number=done.rowcount)


def _lease_one(session: Session, medium: str) -> OutboxMessage | None:
    moment = now()
    first = (
        select(OutboxMessage.id)
        .where(*_due(medium, moment), OutboxMessage.expires_at > moment)
        .order_by(OutboxMessage.next_try_at)
        .limit(1)
        .with_for_update(skip_locked=True)  # two processes take two messages; SQLite has one writer anyway
        .scalar_subquery()
    )
    statement = update(OutboxMessage).where(OutboxMessage.id == first)
    return session.scalars(
        statement.values(tries=OutboxMessage.tries + 1, next_try_at=moment + LEASE).returning(OutboxMessage),
        execution_options={"synchronize_session": False, "populate_existing": True},
    ).one_or_none()


def _opened(row: OutboxMessage) -> _Lease | None:
    try:
        body = row.body
    except WrongKey:
        row.state, row.last_error = "failed", "sealed by a secret that is gone"
        log.error("message failed", message=row.id, medium=row.medium, name=row.name, reason=row.last_error)
        return None
    message = Message(id=row.id, medium=row.medium, name=row.name, **body)
    return _Lease(message, row.target, row.tries, row.doubts, row.expires_at)


def _deliver(channel: Channel, lease: _Lease) -> NotSent | None:
    """Send one message and write down what became of it; None when it left."""
    problem: NotSent | None = None
    try:
        channel.send(lease.message)
    except NotSent as not_sent:
        problem = not_sent
    except Exception as error:  # a fault of ours must not stop the others, and its text might hold an address
        problem = Temporary(f"unexpected {type(error).__name__}")
    values = _sent(channel) if problem is None else _not_sent(lease, problem)
    with own_transaction() as connection:
        statement = update(OutboxMessage).where(OutboxMessage.id == lease.message.id)
        connection.execute(statement.where(OutboxMessage.tries == lease.tries).values(**values))
    _tell(lease, values.get("state", "pending"), problem)
    return problem


def _sent(channel: Channel) -> dict[str, Any]:
    kept = {} if channel.keeps and provider.settings.development else {"body_sealed": None}
    return {"state": "sent", "sent_at": now(), "last_error": None, **kept}


def _not_sent(lease: _Lease, problem: NotSent) -> dict[str, Any]:
    doubts = lease.doubts + isinstance(problem, Unsure)
    if isinstance(problem, Permanent) or doubts > REPETITIONS:
        return {"state": "failed", "doubts": doubts, "last_error": problem.reason, "body_sealed": None}
    after = problem.after if isinstance(problem, Temporary) else 0
    return {"doubts": doubts, "last_error": problem.reason, "next_try_at": _next_try(lease, after)}


def _next_try(lease: _Lease, after: float) -> datetime:
    """Later and later, but for what lives shortly still twice in the time it has left."""
    moment = now()
    left = (lease.expires_at - moment).total_seconds()
    pause = min(BACK_OFF[min(lease.tries, len(BACK_OFF)) - 1], max(BACK_OFF[0], left / 2))
    return min(moment + timedelta(seconds=max(pause, after)), lease.expires_at)


def _tell(lease: _Lease, state: str, problem: NotSent | None) -> None:
    message = lease.message
    facts = {"message": message.id, "medium": message.medium, "name": message.name, "to": lease.target}
    if problem is None:
        log.info("message sent", **facts, tries=lease.tries)
    else:
        tell = log.error if state == "failed" else log.warning
        tell("message not sent", **facts, tries=lease.tries, state=state, reason=problem.reason)


def _name(chore: Callable[[], object]) -> str:
    return getattr(chore, "__qualname__", type(chore).__name__)
