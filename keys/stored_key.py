"""A key as the storage keeps it, and what a storage must do.

A key lives through next → active → retired → gone. Which of these it is follows from its dates and the
moment; it is never stored, so that no node can have it wrong. A key that others encrypt to lives the same life: where
a signing key would sign, it is the one clients see, and it opens what was encrypted to it until it is gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from typing import Literal
from typing import Protocol

State = Literal["next", "active", "retired", "gone"]


@dataclass(frozen=True)
class StoredKey:
    """One row: the private JWK as JSON, sealed by the vault for `context`, and its dates (aware, UTC)."""

    kid: str
    alg: str
    sealed: bytes = field(repr=False)
    created_at: datetime
    signs_from: datetime
    signs_until: datetime
    shown_until: datetime
    revoked_at: datetime | None = None

    @property
    def context(self) -> str:
        """The place the private half is sealed for (see `Vault.seal`)."""
        return context_of(self.kid)

    def is_shown(self, now: datetime) -> bool:
        """Whether clients see the key, and its signatures count; of one to encrypt to: whether it opens anything."""
        return self.revoked_at is None and now < self.shown_until

    def may_sign(self, now: datetime) -> bool:
        """Whether the key has begun to sign and is still shown; a younger one goes before it."""
        return self.is_shown(now) and self.signs_from <= now

    def state(self, now: datetime) -> State:
        """Say where in its life the key stands."""
        if not self.is_shown(now):
            return "gone"
        if now < self.signs_from:
            return "next"
        return "active" if now < self.signs_until else "retired"


class KeyStorage(Protocol):
    """Where the keys of all nodes lie."""

    def load(self) -> Sequence[StoredKey]:
        """Read every key, with the ones that are gone."""

    def add(self, key: StoredKey) -> bool:
        """Add a key; False, and nothing written, where one with this `alg` and `signs_from` already is."""

    def replace(self, key: StoredKey) -> None:
        """Write a key's sealed bytes and dates anew, found by its kid; a `revoked_at` once set must stay."""


def context_of(kid: str) -> str:
    """Name the place a private half is sealed for."""
    return f"signing_key.sealed:{kid}"
