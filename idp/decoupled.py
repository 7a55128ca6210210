"""Decoupled requests: a program asks, a person allows it in a browser elsewhere, the program fetches the answer.

The device grant (RFC 8628) and client-initiated backchannel authentication (CIBA) are the same thing with two fronts.
The program gets a handle of 256 random bits to ask with; the person types a short code at `/device`, which brings the
request into a visit of its own: sign-in, second factor and consent are those of every other sign-in.
"""

import hashlib
import json
import secrets
from base64 import b64decode
from base64 import b64encode
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749 import AccessDeniedError
from authlib.oauth2.rfc6749 import InvalidGrantError
from authlib.oauth2.rfc6749 import OAuth2Error
from authlib.oauth2.rfc8628 import AuthorizationPendingError
from authlib.oauth2.rfc8628 import ExpiredTokenError
from authlib.oauth2.rfc8628 import SlowDownError

from .authorization import Authorization
from .authorization_request import AuthorizationRequest
from .clock import epoch
from .models import Client
from .provider import provider

KIND = "decoupled"
ANSWER = "decoupled_answer"
OUTCOME = "decoupled_outcome"
USER_CODE = "user_code"
QUESTION = "decoupled_question"

SECONDS = 600
INTERVAL = 5
"""Seconds between two questions of the program (RFC 8628 §3.5)."""
GRACE = 1
"""Of which one may be missing: clocks and networks are not that even."""
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""Letters that make no words and are not taken for one another (RFC 8628 §6.1)."""
LENGTH = 8
LONGEST_HANDLE = 64


@dataclass(frozen=True)
class Pending:
    """What the program and the person are given."""

    handle: str
    user_code: str
    seconds: int

    @property
    def spelled(self) -> str:
        """The code as people read it: two groups."""
        return f"{self.user_code[:4]}-{self.user_code[4:]}"


def begin(request: AuthorizationRequest, *, seconds: int = SECONDS, notify: Mapping[str, str] | None = None) -> Pending:
    """Keep a request until a person answers it; `notify` is whom to tell when that has happened (CIBA §10.2)."""
    handle, code = secrets.token_urlsafe(32), _free_code()
    name = _name(handle)
    kept = {"request": request.to_json(), "notify": notify, "handle": handle if notify else None, "code": code}
    clear = json.dumps(kept)
    sealed = b64encode(provider.vault.seal(clear, f"{KIND}:{name}")).decode()
    whose = {"client_id": request.client_id, "grant": request.response_type}
    value = {"sealed": sealed, "ends_at": epoch() + seconds, **whose}
    # Kept longer than it is good for, so that a program hears that it is over and not that it never was.
    provider.store.put(KIND, name, value, 2 * seconds)
    provider.store.put(USER_CODE, code, {"name": name}, seconds)
    return Pending(handle, code, seconds)


def find_by_user_code(typed: str) -> AuthorizationRequest | None:
    """The request that waits behind a code, however it is spelled."""
    code = "".join(letter for letter in typed.upper() if letter.isalnum())
    known = provider.store.get(USER_CODE, code) if len(code) == LENGTH else None
    opened = _open(known["name"]) if known else None
    if known is None or opened is None:
        return None
    return AuthorizationRequest.from_json({**opened["request"], "decoupled": known["name"]})


def approve(name: str, authorization: Authorization) -> Mapping[str, str] | None:
    """The person has allowed it; whom to tell, if this is the first answer and somebody is to be told.

    Raises an error for who comes after a refusal or too late, so that nobody is told of a success that was none.
    """
    notify = _answer(name, {"authorization": authorization.to_json()})
    outcome = provider.store.get(OUTCOME, name)
    if outcome is None:
        raise ExpiredTokenError("The request has expired.")
    if not outcome["is_allowed"]:
        raise AccessDeniedError("The request was refused before.")
    return notify


def refuse(name: str, error: OAuth2Error) -> Mapping[str, str] | None:
    """The person has refused, or was not let in."""
    return _answer(name, {"error": str(error.error)})


def fetch(handle: str, client: Client, grant: str, look: Callable[[Authorization], object]) -> Authorization:
    """The answer, once; or the error that says how it stands (RFC 8628 §3.5, CIBA §11).

    `grant` is what the handle must have been given for: none of one kind is good for the other. `look` is shown the
    answer first and may raise: a program that asks for too much spends nothing by it.
    """
    name = _name(handle)
    kept = provider.store.get(KIND, name) if len(handle) <= LONGEST_HANDLE else None
    if kept is None or (kept["client_id"], kept.get("grant", grant)) != (client.client_id, grant):
        raise InvalidGrantError("The request is not known.")
    waiting = provider.store.get(ANSWER, name)
    if waiting is not None and "authorization" in waiting:
        look(Authorization.from_json(waiting["authorization"]))
    answer = provider.store.take(ANSWER, name) if waiting is not None else None
    if answer is None:
        if kept["ends_at"] <= epoch():
            raise ExpiredTokenError("The request has expired.")
        raise SlowDownError() if _is_too_soon(name) else AuthorizationPendingError()
    provider.store.delete(KIND, name)
    if "error" in answer:
        raise AccessDeniedError("The person declined.")
    return Authorization.from_json(answer["authorization"])


def _is_too_soon(name: str) -> bool:
    """Whether the program has asked within its interval, which grows by 5 s each time it does (RFC 8628 §3.5)."""
    moment, before = epoch(), provider.store.get(QUESTION, name) or {"at": 0, "times": 0}
    too_soon = bool(moment - before["at"] < INTERVAL * (before["times"] + 1) - GRACE)
    provider.store.put(QUESTION, name, {"at": moment, "times": before["times"] + too_soon}, 2 * SECONDS)
    return too_soon


def _answer(name: str, answer: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Of several answers the first one counts; the code that people type is over with it."""
    opened = _open(name)
    if opened is None or not provider.store.add_once("decoupled_answered", name, 4 * SECONDS):
        return None
    provider.store.put(OUTCOME, name, {"is_allowed": "authorization" in answer}, 4 * SECONDS)
    provider.store.put(ANSWER, name, answer, SECONDS)
    provider.store.delete(USER_CODE, opened.get("code", ""))
    notify: Mapping[str, str] | None = opened["notify"]
    return {**notify, "auth_req_id": opened["handle"]} if notify else None


def _open(name: str) -> dict[str, Any] | None:
    """What waits under a name, while it may still be answered."""
    kept = provider.store.get(KIND, name)
    if kept is None or kept["ends_at"] <= epoch():
        return None
    opened: dict[str, Any] = json.loads(provider.vault.open(b64decode(kept["sealed"]), f"{KIND}:{name}"))
    return opened


def _free_code() -> str:
    """A code that nobody else holds now; 34 bits, guarded by the limit on those who type one."""
    while True:
        code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        if provider.store.add_once("user_code_drawn", code, SECONDS):
            return code


def _name(handle: str) -> str:
    return hashlib.sha256(handle.encode("utf-8", "surrogatepass")).hexdigest()
