"""Refresh families: the refresh tokens that descend from one authorization, with rotation and reuse detection.

A token is `family.secret.tag`. Only its hash is kept; the tag, keyed by the vault, tells a token that was once ours
from one that never was, so that an outdated token ends its family (RFC 9700 §4.14.2) and a mistyped one harms nobody.
Rotation is one conditional UPDATE, the same on every node (decision 4).
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError
from sqlalchemy import Connection
from sqlalchemy import Update
from sqlalchemy import delete
from sqlalchemy import insert
from sqlalchemy import update
from sqlalchemy.orm import Session

from . import audit
from . import endings
from . import outbox
from .authorization import Authorization
from .clock import now
from .db import db
from .db import own_transaction
from .db import transaction
from .models import Account
from .models import Client
from .models import RefreshFamily
from .provider import provider

GRACE = timedelta(seconds=10)
MAX_LENGTH = 200
KEPT = timedelta(days=30)
"""How long a family outlives its absolute end, so that a token used twice is still seen as one (security.md 4.2)."""
TOLD_SECONDS = 7 * 86400


@dataclass(frozen=True)
class Rotation:
    """The exchange of a refresh token for its successor: prepared, and not made yet."""

    family: str
    replaced: str
    """Hash of the token it replaces."""
    successor: str
    generation: int
    """Of the successor, and of the access token beside it."""
    is_repeated: bool
    """Whether the token was exchanged before, for a successor that got lost."""


def start(authorization: Authorization) -> str:
    """Begin a family and return its first refresh token.

    What ended its permission meanwhile has left its mark before it looked for the family in SQL; it is looked for in
    the opposite order here, so that one of the two finds the other.
    """
    token, moment, settings = _new_token(authorization.family), now(), provider.settings
    absolute = moment + timedelta(seconds=settings.refresh_absolute_seconds)
    row = insert(RefreshFamily).values(
        id=authorization.family,
        account_id=authorization.account_id,
        client_id=authorization.client_id,
        scope=list(authorization.scope),
        authentication=authorization.to_json(),
        current_hash=_hash(token),
        generation=0,
        created_at=moment,
        idle_until=min(absolute, moment + timedelta(seconds=settings.refresh_idle_seconds)),
        expires_at=absolute,
    )
    with own_transaction() as connection:
        connection.execute(row)
    if endings.is_over(authorization, 0):
        end(authorization.family, "ended_meanwhile")
    return token


def sweep() -> int:
    """Forget the families whose absolute end lies far enough back; the number of rows."""
    over = RefreshFamily.expires_at < now() - KEPT
    with own_transaction() as connection:
        return int(connection.execute(delete(RefreshFamily).where(over)).rowcount)


def find(token: str) -> RefreshFamily | None:
    """The family a token belongs to, whatever has become of it; None unless the token was once ours."""
    name = _family_of(token)
    return db.session.get(RefreshFamily, name, populate_existing=True) if name else None


def exists(name: str) -> bool:
    """Whether there is, or was, a family of this name."""
    return db.session.get(RefreshFamily, name) is not None


def is_current(family: RefreshFamily, token: str) -> bool:
    """Whether this is the family's living refresh token."""
    return _lives(family) and hmac.compare_digest(family.current_hash, _hash(token))


def prepare(family: RefreshFamily, token: str, client_id: str) -> Rotation:
    """The rotation that this token may bring about as the family was read, or `InvalidGrantError`.

    The first caller moves the family on. Who lost the answer may repeat the same token once within the grace period.
    Whoever comes with anything older ends the family.
    """
    if not _lives(family):
        raise InvalidGrantError("The refresh token is not valid.")
    hashed = _hash(token)
    is_repeated = not hmac.compare_digest(family.current_hash, hashed)
    if is_repeated and not _may_be_repeated(family, hashed):
        _end_reused(family.id, family.account_id, client_id)
        raise InvalidGrantError("The refresh token is not valid.")
    return Rotation(family.id, hashed, _new_token(family.id), family.generation + 1, is_repeated)


def rotate(rotation: Rotation) -> bool:
    """Make the rotation, unless the family has moved or ended since it was prepared: compare and set in one command.

    Where it is repeated, the successor nobody received, and its access token, die.
    """
    if rotation.is_repeated:
        endings.end_generation(rotation.family, rotation.generation - 1)
    moment = now()
    used = {"grace_used_at": moment} if rotation.is_repeated else {"rotated_at": moment, "grace_used_at": None}
    with own_transaction() as connection:
        generation = _set(
            connection,
            update(RefreshFamily)
            .where(
                RefreshFamily.id == rotation.family,
                RefreshFamily.generation == rotation.generation - 1,
                RefreshFamily.ended_at.is_(None),
            )
            .values(
                current_hash=_hash(rotation.successor),
                previous_hash=rotation.replaced,
                generation=rotation.generation,
                idle_until=moment + timedelta(seconds=provider.settings.refresh_idle_seconds),
                **used,
            ),
        )
    return generation is not None


def use(family: RefreshFamily, token: str) -> int:
    """Let the token go on as it is: its generation, or `InvalidGrantError`; its idle time begins anew.

    For clients that prove a key with every request, where rotation would only lose tokens (FAPI 2.0 Security Profile
    §5.3.2.1).
    """
    with own_transaction() as connection:
        generation = _set(
            connection,
            update(RefreshFamily)
            .where(
                RefreshFamily.id == family.id,
                RefreshFamily.current_hash == _hash(token),
                RefreshFamily.ended_at.is_(None),
                RefreshFamily.idle_until > now(),
                RefreshFamily.expires_at > now(),
            )
            .values(idle_until=now() + timedelta(seconds=provider.settings.refresh_idle_seconds)),
        )
    if generation is None:
        raise InvalidGrantError("The refresh token is not valid.")
    return generation


def end(family_id: str, reason: str) -> None:
    """End all tokens of a family: no refresh any more, and its access tokens die at once."""
    endings.end_family(family_id)
    with transaction() as session:
        _end(session, family_id, reason)


def end_granted(account_id: str, client_id: str, reason: str) -> None:
    """End every family that an account let a client have. Called inside a transaction; for access tokens: `endings`."""
    db.session.execute(
        update(RefreshFamily)
        .where(
            RefreshFamily.account_id == account_id,
            RefreshFamily.client_id == client_id,
            RefreshFamily.ended_at.is_(None),
        )
        .values(ended_at=now(), end_reason=reason)
    )


def end_of_client(client_id: str, reason: str) -> None:
    """End every family of a client. Called inside a transaction; for access tokens: `endings`."""
    db.session.execute(
        update(RefreshFamily)
        .where(RefreshFamily.client_id == client_id, RefreshFamily.ended_at.is_(None))
        .values(ended_at=now(), end_reason=reason)
    )


def _end_reused(name: str, account_id: str, client_id: str) -> None:
    """End a family of which a token was used too often, and tell the account, once (decision 4)."""
    endings.end_family(name)
    with transaction() as session:
        is_first = _end(session, name, "reuse")
        audit.record("refresh_token_reused", outcome="refused", account_id=account_id, client_id=client_id)
        account, client = session.get(Account, account_id), session.get(Client, client_id)
        if is_first and account is not None and client is not None:
            app = client.name_in(account.language)
            outbox.mail("reused", account.email, account.language, lives=TOLD_SECONDS, frame=outbox.UNASKED, app=app)


def authorization_of(family: RefreshFamily) -> Authorization:
    """What the person let the client have when the family began."""
    return Authorization.from_json(family.authentication)


def _may_be_repeated(family: RefreshFamily, hashed: str) -> bool:
    """Whether it is the previous token, repeated for the first time and within the grace period."""
    if family.previous_hash is None or family.rotated_at is None or family.grace_used_at is not None:
        return False
    return hmac.compare_digest(family.previous_hash, hashed) and family.rotated_at >= now() - GRACE


def _set(connection: Connection, statement: Update) -> int | None:
    """The generation reached, or None where the condition did not hold."""
    reached: int | None = connection.execute(statement.returning(RefreshFamily.generation)).scalar()
    return reached


def _end(session: Session, name: str, reason: str) -> bool:
    """End the family; whether it was living until now."""
    done: Any = session.execute(
        update(RefreshFamily)
        .where(RefreshFamily.id == name, RefreshFamily.ended_at.is_(None))
        .values(ended_at=now(), end_reason=reason)
        .execution_options(synchronize_session=False)
    )
    return int(done.rowcount) == 1


def _lives(family: RefreshFamily) -> bool:
    """Neither ended nor too old: idle time slides, the absolute life does not (decision 4)."""
    return family.ended_at is None and now() < min(family.idle_until, family.expires_at)


def _new_token(family: str) -> str:
    body = f"{family}.{secrets.token_urlsafe(32)}"
    return f"{body}.{provider.vault.fingerprint('refresh_token', body)}"


def _family_of(token: str) -> str | None:
    """The family named by a token whose tag is right, under any root of the vault."""
    body, _, tag = token.rpartition(".")
    if not body or not token.isascii() or len(token) > MAX_LENGTH:
        return None
    genuine = any(hmac.compare_digest(tag, each) for each in provider.vault.fingerprints("refresh_token", body))
    return body.partition(".")[0] if genuine else None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
