"""Signing key: the encrypted material behind the key ring (`keys/ring.py`)."""

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from ..db import Base
from ..db import Moment


class SigningKeyRecord(Base):
    """One key pair; two nodes that make the next key at once end with one (unique per algorithm and start)."""

    __tablename__ = "signing_key"
    __table_args__ = (UniqueConstraint("alg", "signs_from"),)

    kid: Mapped[str] = mapped_column(primary_key=True)
    alg: Mapped[str]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Moment)
    signs_from: Mapped[datetime] = mapped_column(Moment)
    signs_until: Mapped[datetime] = mapped_column(Moment)
    shown_until: Mapped[datetime] = mapped_column(Moment)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)
