"""Store entry: a row of the embedded store (`idp/store/sql.py`)."""

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from ..db import Base
from ..db import Moment


class StoreEntry(Base):
    """One value, tombstone or count with its lifetime."""

    __tablename__ = "store_entry"

    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[bytes | None] = mapped_column(LargeBinary)
    counter: Mapped[int] = mapped_column(default=0)
    taken_at: Mapped[datetime | None] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
