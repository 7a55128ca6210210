"""Account: a person who can sign in."""

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from ..clock import now
from ..db import Base
from ..db import Moment
from ..db import Sealed
from ..db import sealed_column
from .authenticator import Authenticator


class Account(Base):
    """A person who can sign in; the random `id` is the root of `sub` and says nothing about the person."""

    __tablename__ = "account"
    __table_args__ = (Index("account_email", "email_fingerprint"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    email_sealed: Mapped[bytes | None] = sealed_column()
    email = Sealed("email_sealed")
    email_fingerprint: Mapped[str]
    email_verified_at: Mapped[datetime] = mapped_column(Moment)
    password_hash: Mapped[str]
    password_changed_at: Mapped[datetime] = mapped_column(Moment)
    language: Mapped[str]
    terms_version: Mapped[str]
    terms_accepted_at: Mapped[datetime] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)
    factors_changed_at: Mapped[datetime] = mapped_column(Moment)
    sessions_valid_after: Mapped[datetime] = mapped_column(Moment)
    """Sessions and refresh tokens from before this moment are over ("end all", decision 11)."""
    disabled_at: Mapped[datetime | None] = mapped_column(Moment)
    """The person has left or died, or staff blocked the access: no sign-in, no tokens."""

    authenticators: Mapped[list[Authenticator]] = relationship(
        order_by=Authenticator.created_at, cascade="all, delete-orphan", lazy="select"
    )

    def __init__(self, **values: Any) -> None:
        moment = now()
        values.setdefault("id", secrets.token_urlsafe(16))
        for field in ("created_at", "factors_changed_at", "password_changed_at", "sessions_valid_after"):
            values.setdefault(field, moment)
        self.id = values.pop("id")
        super().__init__(**values)

    @property
    def is_active(self) -> bool:
        """Whether the person may sign in and hold tokens."""
        return self.disabled_at is None
