"""Subjects: the `sub` by which a client knows an account (OIDC Core §8): random, stable, never the AHV number.

Public clients know the account by its own random id. A pairwise client knows it by a name that only the clients of its
sector share, so that two sectors cannot compare their people.
"""

import hmac
import secrets
from urllib.parse import urlsplit

from sqlalchemy import Connection
from sqlalchemy import Select
from sqlalchemy import select

from .db import db
from .db import in_transaction
from .db import own_transaction
from .db import upsert
from .models import Client
from .models import PairwiseSubject
from .provider import provider
from .redirects import LOOPBACK

SESSION = "session name"


def of(account_id: str, client: Client) -> str:
    """The name of this account for this client; a pairwise one is drawn when it is first needed."""
    if client.subject_type != "pairwise":
        return account_id
    place = (account_id, sector(client))
    known: str | None = db.session.scalar(_query(*place))
    if known is not None:
        return known
    if in_transaction():
        return _draw(db.session.connection(), *place)
    with own_transaction() as connection:
        return _draw(connection, *place)


def account_of(subject: str, client: Client) -> str | None:
    """The account that this client knows by this name, as far as it is one of ours."""
    if client.subject_type != "pairwise":
        return subject
    where = (PairwiseSubject.subject == subject, PairwiseSubject.sector == sector(client))
    found: str | None = db.session.scalar(select(PairwiseSubject.account_id).where(*where))
    return found


def session_name(sid: str, client: Client) -> str:
    """The name of a browser session for this client: sectors cannot compare their sessions either."""
    return provider.vault.fingerprint(SESSION, _in_sector(sid, client)) if client.subject_type == "pairwise" else sid


def is_session(name: str, sid: str, client: Client) -> bool:
    """Whether the client knows this session by this name."""
    if client.subject_type != "pairwise":
        return hmac.compare_digest(name.encode(), sid.encode())
    known = provider.vault.fingerprints(SESSION, _in_sector(sid, client))
    return any(hmac.compare_digest(name.encode(), each.encode()) for each in known)


def _in_sector(sid: str, client: Client) -> str:
    return f"{sid} {sector(client)}"


def sector(client: Client) -> str:
    """The host of the sector identifier, or the one host of all redirect addresses (OIDC Core §8.1).

    The own machine is nobody's host: applications that live there have nothing in common, unless a document says so.
    """
    if client.sector_identifier_uri is not None:
        return urlsplit(client.sector_identifier_uri).hostname or client.client_id
    host = urlsplit(next(iter(client.redirect_uris), "")).hostname
    return client.client_id if host is None or host in LOOPBACK else host


def _draw(connection: Connection, account_id: str, sector: str) -> str:
    """Draw a name; where another was first, its name is the one."""
    row = upsert(connection.dialect, PairwiseSubject).values(
        account_id=account_id, sector=sector, subject=secrets.token_urlsafe(24)
    )
    connection.execute(row.on_conflict_do_nothing(index_elements=["account_id", "sector"]))
    return str(connection.execute(_query(account_id, sector)).scalar_one())


def _query(account_id: str, sector: str) -> Select[str]:
    where = (PairwiseSubject.account_id == account_id, PairwiseSubject.sector == sector)
    return select(PairwiseSubject.subject).where(*where)
