"""Audit event: who did what, when, with which outcome (DSV art. 4); no secrets, no AHV number."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlalchemy import BigInteger
from sqlalchemy import Integer
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from ..db import Base
from ..db import Moment


class AuditEvent(Base):
    """One line of the journal; rows are only added, and sealed by a hash chain in batches."""

    __tablename__ = "audit_event"

    sequence: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    at: Mapped[datetime] = mapped_column(Moment, index=True)
    event: Mapped[str] = mapped_column(index=True)
    outcome: Mapped[str]
    account_id: Mapped[str | None] = mapped_column(index=True)
    subject: Mapped[str | None]
    """Pseudonym of whoever it is about when there is no account: person number or fingerprint."""
    client_id: Mapped[str | None]
    session: Mapped[str | None]
    address: Mapped[str | None]
    reason: Mapped[str | None]
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON)
