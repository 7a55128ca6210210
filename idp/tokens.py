"""Access tokens: opaque or signed, short-lived, known here by a hash only (decision 5).

Owns their minting and their look-up, and `mint`, the body of every successful token answer. A signed token (RFC 9068)
can be read by its resource; here it counts only as long as its hash is known, so that it can be revoked like any other.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from dataclasses import replace
from typing import Any

from . import endings
from . import id_token
from . import resources
from . import sender_constraint
from . import subjects
from .authorization import Authorization
from .clock import epoch
from .db import db
from .models import Account
from .models import Client
from .provider import provider

KIND = "access_token"
JWT_TYPE = "at+jwt"
MAX_LENGTH = 16 * 1024
_SHAPE = re.compile(r"[A-Za-z0-9_\-]{43}|[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+")


@dataclass(frozen=True)
class AccessToken:
    """A living access token, with the rows it stands on."""

    authorization: Authorization
    account: Account | None
    client: Client
    generation: int
    issued_at: int
    expires_at: int


def mint(
    authorization: Authorization,
    account: Account | None,
    client: Client,
    *,
    generation: int = 0,
    refresh_token: str | None = None,
    nonce: str | None = None,
) -> dict[str, Any]:
    """Make what the token endpoint answers: access token, ID token, refresh token, scope (RFC 6749 §5.1)."""
    body = access(authorization, client, generation)
    if refresh_token is not None:
        body["refresh_token"] = refresh_token
    if account is not None and "openid" in authorization.scope:
        access_token = body["access_token"]
        body["id_token"] = id_token.issue(authorization, account, client, access_token=access_token, nonce=nonce)
    return body


def access(
    authorization: Authorization, client: Client, generation: int = 0, *, ends_at: int | None = None
) -> dict[str, Any]:
    """The access token and what is told of it, narrowed to what its resources understand (RFC 8707 §2.2).

    It ends with what it was exchanged for, where that ends before (`ends_at`).
    """
    narrowed = replace(authorization, scope=resources.open_scopes(authorization))
    seconds = resources.seconds(narrowed)
    if ends_at is not None:
        seconds = min(seconds, max(1, ends_at - epoch()))  # the store keeps nothing for no time at all
    body: dict[str, Any] = {
        "access_token": issue(narrowed, client, generation, seconds),
        "token_type": sender_constraint.token_type(narrowed.confirmation),
        "expires_in": seconds,
        "scope": " ".join(narrowed.scope),
    }
    if narrowed.authorization_details:  # RFC 9396 §7
        body["authorization_details"] = [dict(each) for each in narrowed.authorization_details]
    return body


def issue(authorization: Authorization, client: Client, generation: int, seconds: int) -> str:
    """Make an access token, random or signed; only its hash is kept."""
    moment = epoch()
    is_signed = resources.token_format(authorization, client.access_token_format) == "jwt"
    token = _signed(authorization, client, moment, seconds) if is_signed else secrets.token_urlsafe(32)
    value = {
        "authorization": authorization.to_json(),
        "generation": generation,
        "issued_at": moment,
        "expires_at": moment + seconds,
    }
    provider.store.put(KIND, _hash(token), value, seconds)
    return token


def _signed(authorization: Authorization, client: Client, moment: int, seconds: int) -> str:
    """A JWT access token (RFC 9068 §2.2), bound as its confirmation says (RFC 7800 §3.1)."""
    audience = resources.audience(authorization)
    account_id = authorization.account_id
    of_person = {"auth_time": authorization.auth_time, "acr": authorization.acr, "amr": list(authorization.amr)}
    stated: dict[str, Any] = {
        "iss": provider.settings.issuer,
        "sub": client.client_id if account_id is None else subjects.of(account_id, client),
        "aud": audience[0] if len(audience) == 1 else list(audience),
        "client_id": client.client_id,
        "iat": moment,
        "exp": moment + seconds,
        "jti": secrets.token_urlsafe(16),
        "scope": " ".join(authorization.scope),
        **(of_person if account_id is not None and authorization.auth_time else {}),
        "cnf": dict(authorization.confirmation) if authorization.confirmation else None,
        "authorization_details": [dict(each) for each in authorization.authorization_details] or None,
        "act": authorization.act,
    }
    known = {name: value for name, value in stated.items() if value is not None}
    return provider.keys.sign(known, alg=client.id_token_signed_response_alg, typ=JWT_TYPE)


def find(token: str) -> AccessToken | None:
    """The access token, if it lives: neither expired nor revoked, nor its family, session, account or client ended."""
    is_one = len(token) <= MAX_LENGTH and _SHAPE.fullmatch(token) is not None
    value = provider.store.get(KIND, _hash(token)) if is_one else None
    if value is None:
        return None
    authorization = Authorization.from_json(value["authorization"])
    account = db.session.get(Account, authorization.account_id) if authorization.account_id is not None else None
    client = _active_client(authorization.client_id)  # before the marks: who sees a changed client sees its mark, too
    if value["expires_at"] <= epoch() or endings.is_over(authorization, value["generation"]):
        return None
    if authorization.account_id is not None and not authorization.holds(account):
        return None
    if client is None or not all(_active_client(each) for each in authorization.through):
        return None
    return AccessToken(authorization, account, client, value["generation"], value["issued_at"], value["expires_at"])


def _active_client(client_id: str) -> Client | None:
    client = db.session.get(Client, client_id)
    return client if client is not None and client.is_active else None


def revoke(token: str) -> None:
    """Forget one access token (RFC 7009 §2.1)."""
    provider.store.delete(KIND, _hash(token))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
