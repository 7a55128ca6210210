"""Interaction: one authorization request, or one visit of our own, that waits for a person.

It holds the request, the proofs and the answers given so far; it never holds where the person stands (that is
computed, `idp/flow.py`). The id stands in the address `/i/<id>/…` and the browser's cookie must fit, so that two tabs
work side by side and a copied address works nowhere else. In the store everything is encrypted.
"""

import hashlib
import hmac
import json
import secrets
from base64 import b64decode
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from typing import Any

from flask import Response
from flask import g
from flask import request as http

from . import lease as leases
from .assurance import Proof
from .authorization_request import AuthorizationRequest
from .clock import epoch
from .clock import now
from .db import db
from .models import Account
from .models import Client
from .provider import provider
from .session import Session
from .session import cookie_name
from .session import set_cookie
from .store import StoreUnavailable
from .texts import Text

KIND = "interaction"
BROWSER_SECONDS = 86400
ANSWERED_SECONDS = 3600


class Expired(Exception):
    """There is no such interaction (any more) for this browser; the person is shown the way back."""


class NoCookies(Expired):
    """The browser sends no cookie at all, although it has just been given one."""


class Answered(Exception):
    """The interaction is over, its client has been answered: a second press, or the back button."""

    def __init__(self, interaction_id: str, client_id: str | None) -> None:
        super().__init__("answered")
        self.interaction_id = interaction_id
        self.client_id = client_id


@dataclass
class Interaction:
    """Request, proofs and answers of one visit."""

    id: str
    browser: str
    """Hash of the browser's cookie, once `bind` has tied it."""
    goal: str
    """The entrance that was chosen: the name of a flow with `is_entrance`."""
    request: AuthorizationRequest | None
    """What the client asked; None when the person came by an address of our own."""
    client_id: str | None
    account_id: str | None = None
    """Who it is, as far as `proofs` prove it."""
    proofs: list[Proof] = field(default_factory=list)
    proven_at: dict[str, float] = field(default_factory=dict)
    """The exact moment of each proof made here, by method: an "end all" within the same second must count."""
    sid: str | None = None
    """Name of the session that the other proofs came from."""
    answers: dict[str, Any] = field(default_factory=dict)
    """What the steps keep, one entry a step or flow."""
    begun: list[str] = field(default_factory=list)
    """Steps whose challenge has been sent."""
    notices: list[list[Any]] = field(default_factory=list)
    """Messages for the next page: `[kind, text]`."""
    language: str | None = None
    """The stored language of the identified person."""
    started_at: int = field(default_factory=epoch)
    seen_at: int = field(default_factory=epoch)

    @property
    def idle_seconds(self) -> int:
        """How long the person may still be idle."""
        return max(1, provider.settings.interaction_idle_seconds - (epoch() - self.seen_at))

    @property
    def account(self) -> Account | None:
        """The account of the person, if known."""
        return db.session.get(Account, self.account_id) if self.account_id else None

    @property
    def client(self) -> Client | None:
        """The application the person wants to reach."""
        return db.session.get(Client, self.client_id) if self.client_id else None

    def prove(self, method: str, account_id: str) -> None:
        """Add a proof that has just succeeded; proofs of another person go."""
        if self.account_id != account_id:
            self.proofs, self.proven_at, self.sid = [], {}, None
        moment = now().timestamp()
        self.account_id = account_id
        self.proofs = [proof for proof in self.proofs if proof.method != method]
        self.proofs.append(Proof(method, int(moment)))
        self.proven_at[method] = moment

    def notify(self, kind: str, text: Text) -> None:
        """Leave a message for the next page: `info`, `ok` or `warn`."""
        self.notices.append([kind, text.to_json()])

    def csrf_token(self) -> str:
        """What every form of this interaction carries."""
        key = provider.vault.derive("csrf")
        return hmac.new(key, f"{self.id}:{self.browser}".encode(), hashlib.sha256).hexdigest()

    def to_json(self) -> dict[str, Any]:
        value = dict(vars(self))
        value["request"] = self.request.to_json() if self.request else None
        value["proofs"] = [proof.to_json() for proof in self.proofs]
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Interaction":
        """As it was kept; members of another version of the program are left out."""
        known = {each.name for each in fields(cls)}
        request = value["request"]
        return cls(
            **{
                **{name: member for name, member in value.items() if name in known},
                "request": AuthorizationRequest.from_json(request) if request else None,
                "proofs": [Proof.from_json(proof) for proof in value["proofs"]],
            }
        )


def begin(
    goal: str, *, request: AuthorizationRequest | None, client_id: str | None, session: Session | None
) -> Interaction:
    """A new interaction of this browser; it starts with the proofs of the session, if one is given.

    Single sign-on is "starts with the session's proofs", `prompt=login` "starts without them", `max_age` "starts with
    those young enough" (OIDC Core §3.1.2.1): the caller leaves the session out, or the request's age rule drops proofs.
    Nothing is stored yet: `save` does it once somebody must be asked.
    """
    interaction = Interaction(
        id=secrets.token_urlsafe(16),
        browser="",
        goal=goal,
        request=request,
        client_id=client_id,
    )
    if session is None:
        return interaction
    oldest = epoch() - request.max_age if request and request.max_age is not None else 0
    proofs = [proof for proof in session.proofs if proof.at >= oldest]
    if proofs:
        interaction.account_id, interaction.sid, interaction.proofs = session.account_id, session.sid, proofs
    return interaction


def bind(interaction: Interaction, response: Response) -> None:
    """Tie a new interaction to this browser, giving it a cookie if it has none yet, and keep it."""
    cookie = _browser_cookie() or secrets.token_urlsafe(32)
    interaction.browser = _hash(cookie)
    save(interaction)
    set_cookie(response, cookie_name("browser"), cookie, seconds=BROWSER_SECONDS)


def forget_browser(response: Response) -> None:
    """Give this browser another cookie: the visits it has begun are over, whoever sits there next."""
    if _browser_cookie() is not None:
        set_cookie(response, cookie_name("browser"), secrets.token_urlsafe(32), seconds=BROWSER_SECONDS)


def load(interaction_id: str) -> Interaction:
    """The interaction with this id, if it belongs to this browser; raises `Expired`, or `Answered` when it is over.

    A copied address stops here (CVE-2022-39222, CVE-2026-7507).
    """
    value = provider.store.get(KIND, interaction_id)
    if value is None:
        raise Expired
    opened = provider.vault.open(b64decode(value["sealed"]), _context(interaction_id))
    interaction = Interaction.from_json(json.loads(opened))
    cookie = _browser_cookie()
    if cookie is None:
        raise NoCookies if not http.cookies and _still_has_cookie(interaction) else Expired
    if not hmac.compare_digest(interaction.browser, _hash(cookie)):
        raise Expired
    if value.get("answered"):
        raise Answered(interaction_id, interaction.client_id)
    return interaction


def save(interaction: Interaction) -> None:
    """Keep it until the person has been idle for too long."""
    interaction.seen_at = epoch()
    _put(interaction, provider.settings.interaction_idle_seconds)


def touch(interaction: Interaction) -> None:
    """Begin the idle time anew and keep nothing else of what has changed: whoever works at a form is not idle."""
    save(load(interaction.id))
    interaction.seen_at = epoch()


def finish(interaction: Interaction) -> None:
    """Close it: it is answered; only the way to the client is remembered for a while."""
    if not interaction.browser:  # never shown, never stored: a silent sign-in
        return
    interaction.account_id, interaction.proofs, interaction.proven_at, interaction.answers = None, [], {}, {}
    _put(interaction, ANSWERED_SECONDS, answered=True)


def _put(interaction: Interaction, seconds: int, *, answered: bool = False) -> None:
    held: leases.Lease | None = g.get("interaction_lease")
    if held is not None and held.key == interaction.id and not held.is_ours():
        raise StoreUnavailable("the lease was over before the answer was kept")
    sealed = provider.vault.seal(json.dumps(interaction.to_json()), _context(interaction.id))
    provider.store.put(KIND, interaction.id, {"sealed": b64encode(sealed).decode(), "answered": answered}, seconds)


@contextmanager
def lease(interaction_id: str) -> Iterator[None]:
    """One submission at a time; whoever comes while another is at work waits for a moment, then goes ahead.

    Whoever was slower than the lease keeps nothing any more (`_put`): another is at work with what is kept.
    """
    with leases.lease("interaction_lease", interaction_id) as held:
        g.interaction_lease = held
        try:
            yield
        finally:
            del g.interaction_lease


def _browser_cookie() -> str | None:
    cookie = http.cookies.get(cookie_name("browser"))
    return cookie if cookie and 40 <= len(cookie) <= 64 else None


def _still_has_cookie(interaction: Interaction) -> bool:
    """Whether the cookie given at the beginning still lives in a browser that takes cookies."""
    return epoch() < interaction.started_at + BROWSER_SECONDS


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()


def _context(interaction_id: str) -> str:
    return f"interaction:{interaction_id}"
