"""Authenticator: one thing an account proves itself with (NIST SP 800-63B)."""

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from ..clock import now
from ..db import Base
from ..db import Moment
from ..db import Sealed
from ..db import sealed_column


class Authenticator(Base):
    """One generic record for every kind of factor: its `kind` and its encrypted `data`."""

    __tablename__ = "authenticator"

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    data_sealed: Mapped[bytes | None] = sealed_column()
    data = Sealed("data_sealed")
    """What the factor keeps: the phone number, the secret of the app …; only the factor's module reads it."""
    last_step: Mapped[int | None] = mapped_column(BigInteger)
    """The newest time step or counter accepted; moves forward only, by compare-and-set (RFC 6238 §5.2)."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    last_used_at: Mapped[datetime | None] = mapped_column(Moment)

    def __init__(self, **values: Any) -> None:
        self.id = values.pop("id", None) or secrets.token_urlsafe(16)
        values.setdefault("created_at", now())
        super().__init__(**values)
