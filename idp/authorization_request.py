"""What a client asked, validated (OIDC Core §3.1.2.1); only `request.py` makes one, and others keep it as JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import fields
from typing import Any
from typing import Self

from .response import ReturnAddress


@dataclass(frozen=True)
class AuthorizationRequest:
    """What a client asked; `scope` holds only what the client may have."""

    client_id: str
    redirect_uri: str
    response_type: str
    response_mode: str
    scope: tuple[str, ...]
    state: str | None = None
    nonce: str | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    login_hint: str | None = None
    id_token_hint_sub: str | None = None
    """The `sub` of a genuine ID token that came as a hint."""
    ui_locales: tuple[str, ...] = ()
    claims: Mapping[str, Any] | None = None
    resource: tuple[str, ...] = ()
    """The protected resources the tokens are for (RFC 8707 §2.1)."""
    authorization_details: tuple[Mapping[str, Any], ...] = ()
    """What is asked in more words than a scope has (RFC 9396 §2)."""
    dpop_jkt: str | None = None
    """Thumbprint of the key to which the code is bound (RFC 9449 §10)."""
    signed_with: str = "RS256"
    """The algorithm of a signed answer."""
    pushed: str | None = None
    """The handle under which it was pushed, used up once it is answered (RFC 9126 §4)."""
    decoupled: str | None = None
    """The name under which its answer waits for the program, where no browser carries it (`decoupled.py`)."""
    binding_message: str | None = None
    """What the program shows at its end, so that the person knows what is being confirmed (CIBA §7.1)."""

    @property
    def address(self) -> ReturnAddress:
        """Where the answer goes."""
        return ReturnAddress(self.client_id, self.redirect_uri, self.response_mode, self.state, self.signed_with)

    @property
    def essential_acr(self) -> tuple[str, ...] | None:
        """The classes of which one must be reached, None where any will do (OIDC Core §5.5.1.1)."""
        wish = self._id_token_wish("acr")
        return tuple(wish["values"]) if wish.get("essential") and "values" in wish else None

    @property
    def subjects(self) -> tuple[str, ...] | None:
        """The persons of whom one must sign in, or None where anybody may (OIDC Core §3.1.2.1, §5.5.1)."""
        hinted = {self.id_token_hint_sub} if self.id_token_hint_sub else None
        wish = self._id_token_wish("sub")
        named = set(wish["values"]) if "values" in wish else None
        if hinted is not None and named is not None:
            return tuple(hinted & named)
        chosen = hinted if hinted is not None else named
        return None if chosen is None else tuple(chosen)

    def _id_token_wish(self, claim: str) -> Mapping[str, Any]:
        return ((self.claims or {}).get("id_token") or {}).get(claim) or {}

    def to_json(self) -> dict[str, Any]:
        """As an interaction keeps it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """As it was kept; members of another version of the program are left out."""
        known = {each.name for each in fields(cls)}
        kept: dict[str, Any] = {
            name: tuple(member) if isinstance(member, list) else member
            for name, member in value.items()
            if name in known
        }
        return cls(**kept)
