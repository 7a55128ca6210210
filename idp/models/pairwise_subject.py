"""Pairwise subject: the name by which the clients of one sector know an account (OIDC Core §8.1)."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from ..db import Base


class PairwiseSubject(Base):
    """A random name for each pair; drawn, not computed, so that it outlives every change of the root secret."""

    __tablename__ = "pairwise_subject"

    account_id: Mapped[str] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), primary_key=True)
    sector: Mapped[str] = mapped_column(primary_key=True)
    """The host that stands for the clients of one owner."""
    subject: Mapped[str] = mapped_column(unique=True)
