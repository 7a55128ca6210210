"""Initial access tokens: handed out by an operator, spent by applications that register themselves (RFC 7591 §3)."""

import secrets
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy import update

from . import audit
from .clock import now
from .db import db
from .db import transaction
from .models import InitialAccessToken
from .provider import provider

PURPOSE = "initial_access_token"
MAX_LENGTH = 128


def issue(note: str, *, uses: int, life: timedelta) -> str:
    """Make a token for so many registrations and return it: it is shown once."""
    token, moment = secrets.token_urlsafe(32), now()
    with transaction() as session:
        row = InitialAccessToken(
            id=secrets.token_hex(4),
            fingerprint=provider.vault.fingerprint(PURPOSE, token),
            note=note,
            uses_left=uses,
            created_at=moment,
            expires_at=moment + life,
        )
        session.add(row)
        audit.record("registration_opened", reason=row.id, uses=uses)
    return token


def find(token: str) -> InitialAccessToken | None:
    """The token, if it still lets somebody register."""
    known = provider.vault.fingerprints(PURPOSE, token) if 0 < len(token) <= MAX_LENGTH else []
    found = db.session.scalar(select(InitialAccessToken).where(InitialAccessToken.fingerprint.in_(known)))
    return found if found is not None and lives(found) else None


def lives(token: InitialAccessToken) -> bool:
    """Neither used up, nor too old, nor revoked."""
    return token.revoked_at is None and token.uses_left > 0 and now() < token.expires_at


def spend(token_id: str) -> bool:
    """Use it once, inside the transaction of the registration; False for whoever comes one too late."""
    spent = db.session.execute(
        update(InitialAccessToken)
        .where(
            InitialAccessToken.id == token_id,
            InitialAccessToken.uses_left > 0,
            InitialAccessToken.revoked_at.is_(None),
            InitialAccessToken.expires_at > now(),
        )
        .values(uses_left=InitialAccessToken.uses_left - 1)
        .returning(InitialAccessToken.id)
        .execution_options(synchronize_session=False)
    )
    return spent.scalar() is not None


def revoke(token_id: str) -> bool:
    """Let nobody register with it any more; False where there is none of this name."""
    with transaction() as session:
        token = session.get(InitialAccessToken, token_id)
        if token is None:
            return False
        token.revoked_at = token.revoked_at or now()
        audit.record("registration_closed", reason=token_id)
    return True


def all_tokens() -> Sequence[InitialAccessToken]:
    """Every token there ever was, the newest first."""
    return db.session.scalars(select(InitialAccessToken).order_by(InitialAccessToken.created_at.desc())).all()
