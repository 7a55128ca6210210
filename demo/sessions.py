"""Sessions kept on the server: the cookie holds a signed name and nothing else, the rest stays in this process.

ID tokens are larger than a cookie may be, and they are nobody's business but ours. Of two requests at the same time
each writes only what it changed, so that two tabs that sign in side by side both find their `state` again.
"""

import copy
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from threading import Lock
from typing import Any

from flask import Flask
from flask import Request
from flask import Response
from flask.sessions import SessionInterface
from flask.sessions import SessionMixin
from itsdangerous import BadSignature
from itsdangerous import URLSafeSerializer

IDLE_SECONDS = 1800
ABSOLUTE_SECONDS = 12 * 3600
MOST_SESSIONS = 10_000


class Session(dict[str, Any], SessionMixin):
    """One browser's session, and what it was when the request came."""

    def __init__(self, name: str, values: dict[str, Any], *, new: bool) -> None:
        super().__init__(copy.deepcopy(values))
        self.name = name
        self.new = new
        self.former_name: str | None = None
        self._before = copy.deepcopy(values)

    def renew(self) -> None:
        """Begin a new, empty session under another name: who knew the old one gains nothing (session fixation)."""
        self.former_name = self.former_name or self.name
        self.name = _new_name()
        self.new = True
        self.clear()
        self._before = {}

    @property
    def changed(self) -> dict[str, Any]:
        """The values that this request set."""
        return {key: value for key, value in self.items() if key not in self._before or self._before[key] != value}

    @property
    def gone(self) -> set[str]:
        """The values that this request removed."""
        return self._before.keys() - self.keys()


@dataclass
class _Kept:
    values: dict[str, Any]
    began: float
    seen: float = field(default=0)


class Sessions:
    """All sessions of this process, the longest unseen first; idle and old ones are over."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def find(self, name: str) -> dict[str, Any] | None:
        """The values of a living session."""
        with self._lock:
            kept = self._living(name)
            return None if kept is None else copy.deepcopy(kept.values)

    def write(self, session: Session) -> None:
        """Keep what this request changed, and leave alone what it did not."""
        with self._lock:
            if session.former_name is not None:
                self._kept.pop(session.former_name, None)
            kept = self._living(session.name)
            if kept is None:
                if not session.new:
                    return  # signed out by another request in the meantime: nothing comes back to life
                kept = _Kept({}, began=self._clock())
            kept.values.update(copy.deepcopy(session.changed))
            for key in session.gone:
                kept.values.pop(key, None)
            kept.seen = self._clock()
            self._kept[session.name] = kept
            self._kept.move_to_end(session.name)
            while len(self._kept) > MOST_SESSIONS:
                self._kept.popitem(last=False)

    def end(self, name: str) -> None:
        """Forget a session."""
        with self._lock:
            self._kept.pop(name, None)

    def _living(self, name: str) -> _Kept | None:
        kept, moment = self._kept.get(name), self._clock()
        if kept is None:
            return None
        if moment - kept.seen > IDLE_SECONDS or moment - kept.began > ABSOLUTE_SECONDS:
            del self._kept[name]
            return None
        return kept


class KeptSessions(SessionInterface):
    """Flask's sessions, kept in `Sessions`."""

    def __init__(self, sessions: Sessions | None = None) -> None:
        self.sessions = sessions or Sessions()

    def open_session(self, app: Flask, request: Request) -> Session:
        """The session that the cookie names, or a new one."""
        try:
            name = str(_signer(app).loads(request.cookies.get(self.get_cookie_name(app), "")))
        except BadSignature:
            return Session(_new_name(), {}, new=True)
        values = self.sessions.find(name)
        return Session(_new_name(), {}, new=True) if values is None else Session(name, values, new=False)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Write what changed; a session without content needs no cookie."""
        assert isinstance(session, Session)
        if session.new and not session:
            if session.former_name is not None:
                self.sessions.end(session.former_name)
                response.delete_cookie(self.get_cookie_name(app), path="/", secure=self.get_cookie_secure(app))
            return
        self.sessions.write(session)
        if session.new:
            response.set_cookie(
                self.get_cookie_name(app),
                _signer(app).dumps(session.name),
                path="/",
                httponly=True,
                secure=self.get_cookie_secure(app),
                samesite="Lax",
            )


def _signer(app: Flask) -> URLSafeSerializer:
    assert app.secret_key
    return URLSafeSerializer(app.secret_key, salt="demo session")


def _new_name() -> str:
    return secrets.token_urlsafe(32)
