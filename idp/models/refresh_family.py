"""Refresh-token family: all refresh tokens that descend from one authorization (RFC 9700 §4.14)."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from ..db import Base
from ..db import Moment


class RefreshFamily(Base):
    """One authorization with its living refresh token; only hashes are kept.

    Rotation is a compare-and-set on `generation`. The previous token may be repeated once within the grace period
    (`grace_used_at` is unset), its first successor dies then; anything else ends the family (decision 4).
    """

    __tablename__ = "refresh_family"

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.client_id", ondelete="CASCADE"), index=True)
    scope: Mapped[list[str]] = mapped_column(JSON)
    authentication: Mapped[dict[str, Any]] = mapped_column(JSON)
    """How the person was proven when it began: auth_time, acr, amr, nonce, sid and requested claims."""
    current_hash: Mapped[str] = mapped_column(index=True)
    previous_hash: Mapped[str | None] = mapped_column(index=True)
    rotated_at: Mapped[datetime | None] = mapped_column(Moment)
    grace_used_at: Mapped[datetime | None] = mapped_column(Moment)
    generation: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(Moment)
    idle_until: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    end_reason: Mapped[str | None]
