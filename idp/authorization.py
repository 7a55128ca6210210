"""Authorization: what a person let a client have, and how the person was proven when that happened.

Codes, access tokens and refresh families all carry one; whatever mints a token mints it from this and nothing else.
"""

import secrets
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from dataclasses import replace
from typing import Any
from typing import Self

from .clock import now
from .models import Account
from .models import Client


@dataclass(frozen=True)
class Authorization:
    """One sign-in for one client; its tokens descend from it and end with it."""

    account_id: str | None
    """Nobody's, where the client asked for itself (RFC 6749 §4.4)."""
    client_id: str
    scope: tuple[str, ...]
    auth_time: int
    """When the person signed in; 0 where somebody else vouches for them (RFC 7523)."""
    acr: str | None
    amr: tuple[str, ...]
    sid: str | None = None
    """Name of the browser session it came from."""
    apart_since: float | None = None
    """Since when it goes on without that session: a sign-out before then did not end it (Back-Channel Logout §2.7)."""
    nonce: str | None = None
    claims: Mapping[str, Any] | None = None
    """What the claims parameter asked for."""
    resource: tuple[str, ...] = ()
    """The protected resources its tokens are for (RFC 8707)."""
    authorization_details: tuple[Mapping[str, Any], ...] = ()
    """What was allowed in more words than a scope has (RFC 9396)."""
    confirmation: Mapping[str, str] | None = None
    """The key its tokens are bound to: the `cnf` of RFC 7800."""
    act: Mapping[str, Any] | None = None
    """Who acts for the person, and who did before: the `act` of RFC 8693 §4.1."""
    through: tuple[str, ...] = ()
    """The clients whose tokens were exchanged on the way here; it ends when one of them is shut out."""
    family: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    """Name of all tokens that descend from it."""
    at: float = field(default_factory=lambda: now().timestamp())
    """When it was given."""

    def holds(self, account: Account | None) -> bool:
        """Whether the account still stands behind it: active, and no "end all" since (decision 11)."""
        if account is None or not account.is_active:
            return False
        return self.at >= account.sessions_valid_after.timestamp()

    def within(self, client: Client, scope: Iterable[str] | None = None) -> Self:
        """The same, narrowed to the scopes asked for and to those the client may still have."""
        asked = set(self.scope if scope is None else scope)
        return replace(self, scope=tuple(name for name in self.scope if name in asked and name in client.scope))

    def apart(self) -> Self:
        """The same, fetched elsewhere than in the browser: what became of its session until now does not matter."""
        return replace(self, apart_since=now().timestamp())

    def to_json(self) -> dict[str, Any]:
        """As the store and the database keep it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """As it was kept; members of another version of the program are left out."""
        known = {each.name for each in fields(cls)}
        kept = {name: member for name, member in value.items() if name in known}
        lists = ("scope", "amr", "resource", "authorization_details", "through")
        return cls(**{**kept, **{name: tuple(kept[name]) for name in lists if name in kept}})
