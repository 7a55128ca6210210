"""Signed-in client: an application that wants to hear when the session ends in which it was signed in to."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from ..db import Base
from ..db import Moment


class SignedInClient(Base):
    """One row per session and client with a `backchannel_logout_uri` or a `frontchannel_logout_uri`.

    What must be told outlives the session itself; and rows of two sign-ins at once stand side by side.
    """

    __tablename__ = "signed_in_client"

    sid: Mapped[str] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.client_id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    """When the session has ended by itself, at the latest; nobody is told of that."""
