"""Development outbox: messages leave for nowhere and stay readable at /dev/outbox."""

from ..message import Channel
from ..message import Message


class Outbox(Channel):
    """Everything counts as sent."""

    name = "outbox"
    media = frozenset({"mail", "sms"})
    keeps = True

    def send(self, message: Message) -> None:
        """The outbox itself keeps what is to be read."""

    def check(self) -> str:
        return "stays readable at /dev/outbox."
