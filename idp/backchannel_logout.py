"""Back-channel logout: which applications a session signed in to, and that they hear of its end.

Remembered in the transaction of the sign-in, queued in the transaction of the end: no end without the message, and no
message without the end. How it is delivered is `channels/backchannel.py`'s matter; those that are only loaded in the
browser are remembered here, too, and no message is queued for them (`frontchannel_logout.py`).
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy import delete
from sqlalchemy import select

from . import outbox
from . import subjects
from .clock import now
from .db import db
from .db import own_transaction
from .db import upsert
from .models import Client
from .models import SignedInClient
from .provider import provider
from .session import Session

LIVES = 2 * 3600
"""Seconds for which delivery is tried, later and later; by then most sessions of applications have ended anyway."""


def is_wanted(client: Client) -> bool:
    """Whether this client is to hear of the end of the sessions that signed in to it."""
    return client.backchannel_logout_uri is not None and provider.settings.backchannel_logout


def remember(session: Session, client_id: str) -> None:
    """Keep in mind that this client was signed in to and wants to hear of the end; called inside a transaction."""
    connection = db.session.connection()
    row = upsert(connection.dialect, SignedInClient).values(
        sid=session.sid,
        client_id=client_id,
        account_id=session.account_id,
        expires_at=now() + timedelta(seconds=provider.settings.session_absolute_seconds),
    )
    kept = row.on_conflict_do_update(index_elements=["sid", "client_id"], set_={"expires_at": row.excluded.expires_at})
    connection.execute(kept)


def tell_of_session(sid: str) -> int:
    """Tell the clients of one session that it is over; their number. Called inside a transaction."""
    return _tell(SignedInClient.sid == sid)


def tell_of_accounts(account_ids: Collection[str]) -> int:
    """Tell the clients of every session of these accounts; their number. Called inside a transaction."""
    return _tell(SignedInClient.account_id.in_(account_ids))


def tell_of_client(client_id: str) -> int:
    """Tell one client that its sessions are over; their number. Called inside a transaction."""
    return _tell(SignedInClient.client_id == client_id)


def sweep() -> int:
    """Forget sessions that have ended by themselves; the number of rows."""
    with own_transaction() as connection:
        over = SignedInClient.expires_at < now()
        return int(connection.execute(delete(SignedInClient).where(over)).rowcount)


def _tell(which: ColumnElement[bool]) -> int:
    """Take the rows, so that nobody is told twice, and queue a message for each."""
    taken = delete(SignedInClient).where(which, SignedInClient.expires_at > now())
    columns = SignedInClient.sid, SignedInClient.client_id, SignedInClient.account_id
    rows = db.session.execute(taken.returning(*columns), execution_options={"synchronize_session": False}).all()
    clients = _clients({row.client_id for row in rows}) if provider.settings.backchannel_logout else {}
    told = 0
    for row in rows:
        client = clients.get(row.client_id)
        if client is not None and client.backchannel_logout_uri is not None:
            told += 1
            outbox.logout(client.client_id, client.backchannel_logout_uri, _stated(row, client), lives=LIVES)
    return told


def _clients(client_ids: set[str]) -> dict[str, Client]:
    if not client_ids:
        return {}
    found = db.session.scalars(select(Client).where(Client.client_id.in_(client_ids)))
    return {client.client_id: client for client in found}


def _stated(row: Any, client: Client) -> dict[str, str | None]:
    """`sub` and `sid` as in the client's ID tokens, signed alike (OIDC Back-Channel Logout §2.4)."""
    subject = subjects.of(row.account_id, client)
    return {"sub": subject, "sid": subjects.session_name(row.sid, client), "alg": client.id_token_signed_response_alg}
