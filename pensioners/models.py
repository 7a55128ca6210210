"""The tables of the register: pensioners, their activation codes, and the imports they came with."""

import secrets
from datetime import date
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy import ForeignKey
from sqlalchemy import Index
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from idp.db import Base
from idp.db import Moment
from idp.db import Sealed
from idp.db import sealed_column
from idp.provider import provider

ACTIVE, LEFT, DECEASED = "active", "left", "deceased"
STATUSES = (ACTIVE, LEFT, DECEASED)


class Pensioner(Base):
    """A person of the fund's register.

    `person_number` is the fund's own name for the person; the AHV number is an attribute that can be replaced and is
    looked up by its keyed fingerprint only. One account per person is the conditional update of `account_id` where it
    is NULL (`activation.consume`).
    """

    __tablename__ = "pensioner"
    __table_args__ = (Index("pensioner_email", "email_fingerprint"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    person_number: Mapped[str] = mapped_column(unique=True)
    ahv_sealed: Mapped[bytes | None] = sealed_column()
    ahv_number = Sealed("ahv_sealed")
    ahv_fingerprint: Mapped[str] = mapped_column(unique=True)
    birth_date_sealed: Mapped[bytes | None] = sealed_column()
    birth_date_text = Sealed("birth_date_sealed")
    """The date in ISO form."""
    salutation: Mapped[str]
    first_name: Mapped[str]
    last_name: Mapped[str]
    street_sealed: Mapped[bytes | None] = sealed_column()
    street = Sealed("street_sealed")
    postcode: Mapped[str]
    town: Mapped[str]
    country: Mapped[str]
    """ISO 3166-1 alpha-2."""
    language: Mapped[str]
    email_sealed: Mapped[bytes | None] = sealed_column()
    email = Sealed("email_sealed")
    email_fingerprint: Mapped[str | None]
    """Not unique: couples share a mailbox; an address identifies only where one person has it (decision 20)."""
    entitlement: Mapped[str]
    status: Mapped[str]
    account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"), unique=True)
    former_account_id: Mapped[str | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    """The account that waits, shut, for a new enrolment: staff took its second factors away (`help_desk.py`)."""
    enrolled_at: Mapped[datetime | None] = mapped_column(Moment)
    access_ended_at: Mapped[datetime | None] = mapped_column(Moment)
    """When an import closed the account because the person left or died; only that does a later import undo."""
    imported_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    seen_in_import: Mapped[str]
    """The newest import in whose file the person stood."""
    row_hash: Mapped[str]
    """Keyed fingerprint of the row as it was imported: tells unchanged rows without opening them."""

    def __init__(self, **values: Any) -> None:
        self.id = values.pop("id", None) or new_id()
        super().__init__(**values)

    @property
    def birth_date(self) -> date:
        return date.fromisoformat(self.birth_date_text)

    @birth_date.setter
    def birth_date(self, value: date) -> None:
        self.birth_date_text = value.isoformat()


class ActivationCode(Base):
    """The secret on one letter; issued, then used, replaced by a newer letter, void, or expired.

    Only a keyed fingerprint is kept. A code is open while none of `used_at`, `replaced_at` and `void_reason` is set and
    `expires_at` lies ahead.
    """

    __tablename__ = "activation_code"
    __table_args__ = (Index("activation_code_campaign", "campaign"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    pensioner_id: Mapped[str] = mapped_column(ForeignKey("pensioner.id", ondelete="CASCADE"), index=True)
    campaign: Mapped[str]
    code_fingerprint: Mapped[str | None] = mapped_column(unique=True)
    """None once it is forgotten (`retention.py`)."""
    issued_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    used_at: Mapped[datetime | None] = mapped_column(Moment)
    replaced_at: Mapped[datetime | None] = mapped_column(Moment)
    void_reason: Mapped[str | None]
    """`too many tries`, `left` or `deceased`."""

    def __init__(self, **values: Any) -> None:
        self.id = values.pop("id", None) or new_id()
        super().__init__(**values)

    @classmethod
    def is_untouched(cls) -> tuple[ColumnElement[bool], ...]:
        """The conditions of a code that nothing has ended but, perhaps, time."""
        return cls.used_at.is_(None), cls.replaced_at.is_(None), cls.void_reason.is_(None)


class RegisterImport(Base):
    """One import that was written: when, from which file, with which outcome."""

    __tablename__ = "register_import"

    id: Mapped[str] = mapped_column(primary_key=True)
    follows: Mapped[str] = mapped_column(unique=True)
    """The import before it, empty for the first: of two that looked at the same register, one is written."""
    at: Mapped[datetime] = mapped_column(Moment, index=True)
    file_name: Mapped[str]
    new: Mapped[int]
    changed: Mapped[int]
    unchanged: Mapped[int]
    gone: Mapped[int]
    skipped: Mapped[int]


def new_id() -> str:
    """A random name for a row, which says nothing about the person."""
    return secrets.token_urlsafe(16)


def ahv_fingerprint(digits: str) -> str:
    """What an AHV number is looked up by."""
    return provider.vault.fingerprint("ahv", digits)


def code_fingerprint(code: str) -> str:
    """What an activation code is looked up by."""
    return provider.vault.fingerprint("activation code", code)


def email_fingerprint(canonical: str) -> str:
    """What an e-mail address is looked up by, here as on the account."""
    return provider.vault.fingerprint("email", canonical)
