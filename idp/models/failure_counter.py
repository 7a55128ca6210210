"""Failure counters: the durable memory behind every limit that guards a secret of a person."""

from datetime import datetime

from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from ..db import Base
from ..db import Moment


class FailureCounter(Base):
    """Tries spent against one limit by (or against) one subject, known by a fingerprint only."""

    __tablename__ = "failure_counter"

    limit: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    spent: Mapped[int]
    window_ends_at: Mapped[datetime] = mapped_column(Moment)
    paused_until: Mapped[datetime | None] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
