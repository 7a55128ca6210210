"""Session: a signed-in browser, its account and its proofs.

The cookie holds a random id, the store knows only its hash. A session gets a new id whenever its proofs change, so a
planted id never becomes signed in. Its end on every node, store or no store, is decided by the account in SQL
(`sessions_valid_after`, `disabled_at`).
"""

import hashlib
import secrets
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from functools import cached_property
from typing import Any

from flask import Flask
from flask import Response
from flask import g
from flask import request

from .assurance import Proof
from .clock import epoch
from .clock import now
from .db import db
from .models import Account
from .provider import provider

KIND = "session"
TOUCH_SECONDS = 60
NOTED = "session_of_browser"


@dataclass
class Session:
    """What is remembered of a signed-in browser."""

    account_id: str
    proofs: list[Proof]
    started_at: float
    seen_at: int
    sid: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    """The public name of the session, as in ID tokens and logout tokens."""
    clients: list[str] = field(default_factory=list)
    """Clients signed in to during this session; of two sign-ins at once, one may be missing.

    Who hears of the end stands in `signed_in_client`; a node of the version before, and a session from it, know it
    only from here.
    """

    @cached_property
    def account(self) -> Account | None:
        """Whose session it is, read once."""
        return db.session.get(Account, self.account_id)

    def is_over(self) -> bool:
        """Whether time, the account or an "end all" has ended it."""
        settings = provider.settings
        moment = epoch()
        if moment - self.seen_at > settings.session_idle_seconds:
            return True
        if moment - self.started_at > settings.session_absolute_seconds:
            return True
        account = self.account
        if account is None or not account.is_active:
            return True
        return self.started_at < account.sessions_valid_after.timestamp()

    def to_json(self) -> dict[str, Any]:
        return {
            "account_id": self.account_id,
            "proofs": [proof.to_json() for proof in self.proofs],
            "started_at": self.started_at,
            "seen_at": self.seen_at,
            "sid": self.sid,
            "clients": self.clients,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Session":
        return cls(**{**value, "proofs": [Proof.from_json(proof) for proof in value["proofs"]]})


def current() -> Session | None:
    """The living session of this browser, or None."""
    cookie = request.cookies.get(_cookie_name())
    if not cookie:
        return None
    value = provider.store.get(KIND, _hash(cookie))
    session = Session.from_json(value) if value is not None else None
    return _noted(None if session is None or session.is_over() else session)


def is_noted() -> bool:
    """Whether this request knows what its browser's session is; without a cookie nobody does, it may not be sent."""
    return NOTED in g


def noted() -> Session | None:
    """The session of this browser once this request is answered, as far as it `is_noted`."""
    session: Session | None = g.get(NOTED)
    return session


def init_app(app: Flask) -> None:
    """Note when each request began."""
    app.before_request(_note_beginning)


def moment(account: Account) -> float:
    """From when what this request gives counts: its beginning, or the "end all" that it has made itself.

    An "end all" of somebody else that comes while it is being answered then ends it, too.
    """
    return max(began().timestamp(), account.sessions_valid_after.timestamp())


def began() -> datetime:
    """When this request began: one moment for everything that is judged while it is being answered."""
    beginning: datetime = g.get("began", now())
    return beginning


def start(account: Account, proofs: list[Proof], *, before: Session | None) -> Session:
    """A session for a person who has just been proven; of an older one of the same person it keeps the name."""
    session = Session(account.id, proofs, started_at=moment(account), seen_at=epoch())
    if before is not None and before.account_id == account.id:
        session.sid, session.clients, session.started_at = before.sid, before.clients, before.started_at
    return session


def keep(session: Session, response: Response, *, renew: bool) -> str:
    """Store the session and give the browser its cookie; `renew` retires the old id. Returns its place in the store."""
    old = request.cookies.get(_cookie_name())
    session.seen_at = epoch()
    cookie = secrets.token_urlsafe(32) if renew or not old else old
    if old and cookie != old:
        provider.store.delete(KIND, _hash(old))
    place = _hash(cookie)
    provider.store.put(KIND, place, session.to_json(), provider.settings.session_absolute_seconds)
    if cookie != old:
        set_cookie(response, _cookie_name(), cookie)
    _noted(session)
    return place


def needs_keeping(session: Session, client_id: str) -> bool:
    """Whether a silent sign-in must write the session: a client new to it, or a minute has gone by."""
    return client_id not in session.clients or epoch() - session.seen_at > TOUCH_SECONDS


def end(response: Response) -> None:
    """Sign this browser out on the server, and take its cookie away."""
    cookie = request.cookies.get(_cookie_name())
    drop(_hash(cookie) if cookie else None, response)


def drop(place: str | None, response: Response) -> None:
    """Forget what was kept there, and take the browser's cookie away."""
    if place is not None:
        provider.store.delete(KIND, place)
    response.delete_cookie(_cookie_name(), secure=provider.settings.secure, httponly=True, samesite="Lax")
    _noted(None)


def cookie_name(name: str) -> str:
    """`__Host-idp_*` over TLS, `idp_*` on a loopback http issuer (decision 13)."""
    return f"__Host-idp_{name}" if provider.settings.secure else f"idp_{name}"


def set_cookie(response: Response, name: str, value: str, *, seconds: int | None = None) -> None:
    """A cookie of ours: HttpOnly, SameSite=Lax, Secure over TLS, for the whole host and no other."""
    response.set_cookie(
        name, value, max_age=seconds, secure=provider.settings.secure, httponly=True, samesite="Lax", path="/"
    )


def _note_beginning() -> None:
    g.began = now()
    g.pop(NOTED, None)


def _noted(session: Session | None) -> Session | None:
    setattr(g, NOTED, session)
    return session


def _cookie_name() -> str:
    return cookie_name("session")


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
