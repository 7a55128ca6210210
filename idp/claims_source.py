"""Who knows more of a person than the account does: the fund's source of claims comes in here (decision 12)."""

from collections.abc import Collection
from collections.abc import Mapping
from typing import Any
from typing import Protocol

from .models import Account


class ClaimsSource(Protocol):
    """Somebody who knows more of a person than the account does."""

    @property
    def names(self) -> frozenset[str]:
        """The claims it can supply; discovery tells of them."""

    def claims(self, account: Account, wanted: Collection[str]) -> Mapping[str, Any]:
        """Those of the claims wanted that it knows, or more; what a client may see is decided in `claims.py`."""


class NoClaims:
    """A source that knows nothing."""

    names: frozenset[str] = frozenset()

    def claims(self, account: Account, wanted: Collection[str]) -> Mapping[str, Any]:
        """Nothing."""
        return {}
