"""Audit seal: the hash chain over the journal, closed in batches so that it never serialises sign-ins."""

from datetime import datetime

from sqlalchemy import BigInteger
from sqlalchemy import Integer
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from ..db import Base
from ..db import Moment


class AuditSeal(Base):
    """One batch: all events up to `last_sequence`, chained to the batch before."""

    __tablename__ = "audit_seal"

    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    )
    last_sequence: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"))
    events: Mapped[int]
    digest: Mapped[str]
    """SHA-256 over the digest before and the events of this batch."""
    mark: Mapped[str]
    """Keyed fingerprint of this seal: the database alone cannot make one."""
    sealed_at: Mapped[datetime] = mapped_column(Moment)
