"""Who knows more of a person than the account does: the fund's source of claims comes in here (decision 12)."""

from collections.abc import Mapping
from typing import Any
from typing import Protocol

from .models import Account


class ClaimsSource(Protocol):
    """Somebody who knows more of a person than the account does."""

    def claims(self, account: Account) -> Mapping[str, Any]:
        """Every claim it can supply; what a client may see is decided by scope (`claims.py`)."""


class NoClaims:
    """A source that knows nothing."""

    def claims(self, account: Account) -> Mapping[str, Any]:
        """Nothing."""
        return {}
