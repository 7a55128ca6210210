"""Endings: which families, rotations and sessions are over, so that their access tokens die at once.

Codes, answers for other devices and access tokens live for minutes, so the mark of their end need not live longer: it
is in the store. What outlives that, the refresh family, is ended in SQL (`families.py`), and so is everything of an
account (decision 11). The applications that asked for it hear of each end (`backchannel_logout.py`).
"""

import math
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import update

from . import backchannel_logout
from . import decoupled
from .authorization import Authorization
from .clock import now
from .db import db
from .models import Account
from .models import RefreshFamily
from .provider import provider

SLACK_SECONDS = 60


def end_family(family: str) -> None:
    """No access token of this family counts any more."""
    _mark("ended_family", family)


def end_generation(family: str, generation: int) -> None:
    """The access tokens of one rotation of the family are over; those of others live."""
    _mark("ended_generation", _name(family, generation))


def end_session(sid: str) -> None:
    """No code and no access token that came from this browser session until now counts any more."""
    _mark("ended_session", sid, {"at": now().timestamp()})


def end_consent(account_id: str, client_id: str) -> None:
    """No code and no access token that the account let this client have until now counts any more."""
    _mark("ended_consent", f"{account_id}:{client_id}", {"at": now().timestamp()})


@contextmanager
def ending_client(client_id: str) -> Iterator[None]:
    """Nothing that anybody let this client have until the end of this block counts any more.

    Within it nothing of the client counts at all: what is given meanwhile may still be of before. Who dies in it leaves
    that mark, and the client waits until it has gone.
    """
    _mark("ended_client", client_id)
    try:
        yield
    finally:
        _mark("ended_client", client_id, {"at": now().timestamp()})


def tell_of_session(sid: str) -> int:
    """Let the applications of a session know that it is over; their number. Called inside a transaction."""
    return backchannel_logout.tell_of_session(sid)


def end_accounts(account_ids: Collection[str], reason: str) -> int:
    """End every session and refresh token of these accounts, and let their applications know; the number of messages.

    What was given before this moment is over on every node, whatever the store knows. Called inside a transaction.
    """
    moment = now()
    db.session.execute(update(Account).where(Account.id.in_(account_ids)).values(sessions_valid_after=moment))
    db.session.execute(
        update(RefreshFamily)
        .where(RefreshFamily.account_id.in_(account_ids), RefreshFamily.ended_at.is_(None))
        .values(ended_at=moment, end_reason=reason)
    )
    return backchannel_logout.tell_of_accounts(account_ids)


def is_session_over(sid: str) -> bool:
    """Whether this browser session has just been signed out."""
    return provider.store.get("ended_session", sid) is not None


def is_cut_off(authorization: Authorization) -> bool:
    """Whether its session was signed out, its consent withdrawn or its client another, within the life of a token."""
    return _is_marked(authorization, ())


def is_over(authorization: Authorization, generation: int) -> bool:
    """Whether anything this access token descends from has been ended; one round trip."""
    family = authorization.family
    return _is_marked(authorization, [("ended_family", family), ("ended_generation", _name(family, generation))])


def _is_marked(authorization: Authorization, marks: Sequence[tuple[str, str]]) -> bool:
    """Whether one of these marks ends it, or one of its session, of a client or of a consent it stands on."""
    session = [("ended_session", authorization.sid)] if authorization.sid is not None else []
    account_id, clients = authorization.account_id, (authorization.client_id, *authorization.through)
    consents = [("ended_consent", f"{account_id}:{each}") for each in clients] if account_id is not None else []
    looked_up = [*marks, *session, *consents, *(("ended_client", each) for each in clients)]
    found = zip(looked_up, provider.store.get_many(looked_up), strict=True)
    return any(mark is not None and _ends(kind, mark, authorization) for (kind, _), mark in found)


def _ends(kind: str, mark: Mapping[str, Any], authorization: Authorization) -> bool:
    """A session takes with it what came from it, but for what went on since; the others what was given until then."""
    ended: float = mark.get("at", math.inf)
    if kind == "ended_session":
        return authorization.apart_since is None or authorization.apart_since <= ended
    return authorization.at <= ended


def _name(family: str, generation: int) -> str:
    return f"{family}:{generation}"


def _mark(kind: str, key: str, value: Mapping[str, Any] | None = None) -> None:
    settings = provider.settings
    longest = max(settings.access_token_seconds, settings.code_seconds, decoupled.SECONDS)
    provider.store.put(kind, key, value or {}, longest + SLACK_SECONDS)
