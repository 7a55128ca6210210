"""Access tokens: opaque, short-lived, known here by a hash only (decision 5).

Owns their minting and their look-up, and `mint`, the body of every successful token answer.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Any

from . import endings
from . import id_token
from . import sender_constraint
from .authorization import Authorization
from .clock import epoch
from .db import db
from .models import Account
from .models import Client
from .provider import provider

KIND = "access_token"
_SHAPE = re.compile(r"[A-Za-z0-9_\-]{43}")


@dataclass(frozen=True)
class AccessToken:
    """A living access token, with the rows it stands on."""

    authorization: Authorization
    account: Account
    client: Client
    issued_at: int
    expires_at: int


def mint(
    authorization: Authorization,
    account: Account,
    client: Client,
    *,
    generation: int = 0,
    refresh_token: str | None = None,
    nonce: str | None = None,
) -> dict[str, Any]:
    """Make what the token endpoint answers: access token, ID token, refresh token, scope (RFC 6749 §5.1)."""
    access_token = issue(authorization, generation)
    body: dict[str, Any] = {
        "access_token": access_token,
        "token_type": sender_constraint.token_type(authorization.confirmation),
        "expires_in": provider.settings.access_token_seconds,
        "scope": " ".join(authorization.scope),
    }
    if refresh_token is not None:
        body["refresh_token"] = refresh_token
    if "openid" in authorization.scope:
        body["id_token"] = id_token.issue(authorization, account, client, access_token=access_token, nonce=nonce)
    return body


def mint_for_browser(authorization: Authorization, client: Client) -> dict[str, Any]:
    """Make the access token that travels in the browser's address (OIDC Core §3.2.2.5)."""
    return {
        "access_token": issue(authorization),
        "token_type": "Bearer",
        "expires_in": provider.settings.access_token_seconds,
        "scope": " ".join(authorization.scope),
    }


def issue(authorization: Authorization, generation: int = 0) -> str:
    """Make an access token of 256 random bits; only its hash is kept."""
    token = secrets.token_urlsafe(32)
    moment, seconds = epoch(), provider.settings.access_token_seconds
    value = {
        "authorization": authorization.to_json(),
        "generation": generation,
        "issued_at": moment,
        "expires_at": moment + seconds,
    }
    provider.store.put(KIND, _hash(token), value, seconds)
    return token


def find(token: str) -> AccessToken | None:
    """The access token, if it lives: neither expired nor revoked, nor its family, session, account or client ended."""
    value = provider.store.get(KIND, _hash(token)) if _SHAPE.fullmatch(token) else None
    if value is None:
        return None
    authorization = Authorization.from_json(value["authorization"])
    if value["expires_at"] <= epoch() or endings.is_over(authorization, value["generation"]):
        return None
    account = db.session.get(Account, authorization.account_id)
    client = db.session.get(Client, authorization.client_id)
    if account is None or not authorization.holds(account) or client is None or not client.is_active:
        return None
    return AccessToken(authorization, account, client, value["issued_at"], value["expires_at"])


def revoke(token: str) -> None:
    """Forget one access token (RFC 7009 §2.1)."""
    provider.store.delete(KIND, _hash(token))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
