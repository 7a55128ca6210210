"""Message: a mail, an SMS or a call that leaves the building, and how a channel says what became of it."""

from abc import ABC
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from .settings import Settings


@dataclass(frozen=True, repr=False)
class Message:
    """What a channel sends; it has no representation, so that no log shows an address or a code."""

    id: str
    medium: str
    """`mail`, `sms`, `logout` or `ping`."""
    name: str
    """Which text; of a call, the client it is for."""
    to: str
    language: str
    text: str
    subject: str = ""
    html: str = ""


class NotSent(Exception):
    """The message did not leave; the reason names the cause and never an address, a text or a secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Temporary(NotSent):
    """Worth another try; `after` where the server said how many seconds to wait."""

    def __init__(self, reason: str, *, after: float = 0) -> None:
        super().__init__(reason)
        self.after = after


class Unreachable(Temporary):
    """Nobody could be reached, so the next message would fare no better now."""


class Unsure(Temporary):
    """It was handed over and no answer came: it may be on its way, and a repetition may cost twice."""


class Permanent(NotSent):
    """It will never be taken."""


class Channel(ABC):
    """One way for a message to leave."""

    name: ClassVar[str]
    """As the settings `mail_channel` and `sms_channel` say it."""
    media: ClassVar[frozenset[str]]
    """What it can carry."""
    keeps: ClassVar[bool] = False
    """Whether what was sent stays readable in the outbox."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @abstractmethod
    def send(self, message: Message) -> None:
        """Hand the message over, or raise `NotSent`."""

    @abstractmethod
    def check(self) -> str:
        """Reach and sign in without sending anything; tells in a sentence what was proved, or raises `NotSent`."""

    def close(self) -> None:
        """End what is kept open between two messages."""
