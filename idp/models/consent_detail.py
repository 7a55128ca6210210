"""Consent detail: one rich authorization request that an account allowed a client."""

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from ..db import Base
from ..db import Moment


class ConsentDetail(Base):
    """Known again by its keyed fingerprint, to the letter; what it says of the person is not kept (RFC 9396 §5)."""

    __tablename__ = "consent_detail"
    __table_args__ = (
        ForeignKeyConstraint(
            ["account_id", "client_id"], ["consent.account_id", "consent.client_id"], ondelete="CASCADE"
        ),
    )

    account_id: Mapped[str] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    granted_at: Mapped[datetime] = mapped_column(Moment)
