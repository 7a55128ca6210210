"""Initial access token: what lets an application register itself where registration is not open (RFC 7591 §3)."""

from datetime import datetime

from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from ..db import Base
from ..db import Moment


class InitialAccessToken(Base):
    """One token an operator handed out; only its fingerprint is kept."""

    __tablename__ = "initial_access_token"

    id: Mapped[str] = mapped_column(primary_key=True)
    """A short name for operators; it opens nothing."""
    fingerprint: Mapped[str] = mapped_column(unique=True)
    note: Mapped[str]
    """Whom it was given to."""
    uses_left: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)
