"""One-time code: six digits sent by SMS or e-mail, known here by a fingerprint only."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from ..db import Base
from ..db import Moment


class OneTimeCode(Base):
    """One code that was sent for one purpose to one address on behalf of one holder.

    `holder` is the interaction or account it was made for, `target` a fingerprint of the phone number or e-mail: a
    code never counts for another purpose, holder or address (CVE-2026-27946). `person` is a fingerprint of whose limits
    it counts against. Without `code_hash` it is a place reserved for a code that is about to be made.
    """

    __tablename__ = "one_time_code"
    __table_args__ = (
        Index("one_time_code_holder", "purpose", "holder"),
        Index("one_time_code_sent", "purpose", "sent_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    holder: Mapped[str]
    person: Mapped[str | None] = mapped_column(index=True)
    target: Mapped[str] = mapped_column(index=True)
    code_hash: Mapped[str | None]
    tries: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    used_at: Mapped[datetime | None] = mapped_column(Moment)
    replaced_at: Mapped[datetime | None] = mapped_column(Moment)
