"""Outbox message: a mail, an SMS or a call that is due, written in the transaction of the thing it tells of."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from ..db import Base
from ..db import Moment
from ..db import Sealed
from ..db import sealed_column


class OutboxMessage(Base):
    """One message on its way; address and text are encrypted, and removed once it is sent or expired."""

    __tablename__ = "outbox_message"
    __table_args__ = (Index("outbox_due", "state", "next_try_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    medium: Mapped[str]
    """`mail`, `sms`, `logout` or `ping`."""
    name: Mapped[str]
    """Which message: `enrol_code`, `activated` …; of a call, the client."""
    body_sealed: Mapped[bytes | None] = sealed_column()
    body = Sealed("body_sealed")
    """`{"to": …, "subject": …, "text": …, "html": …, "language": …}` until sent, then None."""
    target: Mapped[str] = mapped_column(index=True)
    """Fingerprint of the address, for limits and the log."""
    state: Mapped[str] = mapped_column(default="pending")
    """pending → sent | failed | expired."""
    tries: Mapped[int] = mapped_column(default=0)
    doubts: Mapped[int] = mapped_column(default=0)
    """How often it was handed over and no answer came."""
    created_at: Mapped[datetime] = mapped_column(Moment, index=True)
    next_try_at: Mapped[datetime] = mapped_column(Moment)
    """Due from then on; while a sender has it, the end of its lease."""
    expires_at: Mapped[datetime] = mapped_column(Moment)
    sent_at: Mapped[datetime | None] = mapped_column(Moment)
    last_error: Mapped[str | None]

    def __init__(self, **values: Any) -> None:
        self.id = values.pop("id")
        super().__init__(**values)
