"""A mailbox on loopback: what the provider mails to the test person arrives here."""

import email
import email.policy
import queue
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiosmtpd.controller import Controller

CODE = re.compile(r"\b[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}\b")
"""The code of a decoupled request (`idp/decoupled.py`)."""


class Mailbox:
    """The codes that came by mail, the oldest first."""

    def __init__(self) -> None:
        self._codes: queue.Queue[str] = queue.Queue()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """Keep the code of one mail."""
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        body = mail.get_body(("plain",))
        found = CODE.search(body.get_content() if body is not None else "")
        if found:
            self._codes.put(found[0])
        return "250 OK"

    def next_code(self) -> str | None:
        """The next code nobody has typed yet."""
        try:
            return self._codes.get_nowait()
        except queue.Empty:
            return None

    def empty(self) -> None:
        """Throw away what has come."""
        while self.next_code() is not None:
            pass


@contextmanager
def listening(port: int) -> Iterator[Mailbox]:
    """Take mails until the end."""
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
