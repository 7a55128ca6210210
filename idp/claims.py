"""Where claims come from: the account's own, and whatever a source outside knows of the person.

`idp` knows no pensioner; `create_app(…, claims_source=…)` brings the fund's (decision 12).
"""

from collections.abc import Mapping
from typing import Any
from typing import Protocol

from .models import Account


class ClaimsSource(Protocol):
    """Somebody who knows more of a person than the account does."""

    def claims(self, account: Account) -> Mapping[str, Any]:
        """Every claim it can supply; what a client may see is decided here, by scope."""


class NoClaims:
    """A source that knows nothing."""

    def claims(self, account: Account) -> Mapping[str, Any]:
        return {}
