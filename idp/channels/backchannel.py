"""What applications are called for: logout tokens, and that an answer waits for them.

A logout token goes to every application a person was signed in to (OpenID Connect Back-Channel Logout 1.0 §2.5), a ping
to the one that asked for a confirmation (CIBA Core §10.2).
"""

import json
import secrets
from typing import Any
from urllib.parse import urlencode
from urllib.parse import urlsplit

from .. import fetcher
from ..clock import epoch
from ..fetcher import Fetched
from ..fetcher import FetchFailed
from ..fetcher import FetchRefused
from ..message import Channel
from ..message import Message
from ..message import Permanent
from ..message import Temporary
from ..provider import provider
from ..settings import Settings

TYPE = "logout+jwt"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
SECONDS = 120
FORM = "application/x-www-form-urlencoded"
LATER = (408, 429)
"""What says no to this try, and not to the next (RFC 9110 §15.5.9, RFC 6585 §4)."""


class Backchannel(Channel):
    """One POST a session and application; a host that does not answer is left alone until the next round."""

    name = "backchannel"
    media = frozenset({"logout", "ping"})

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._silent: set[str] = set()

    def send(self, message: Message) -> None:
        """Deliver, so that one application that hangs does not keep the others waiting (security.md 2.39)."""
        host = urlsplit(message.to).netloc
        if host in self._silent:
            raise Temporary("its host has just not answered")
        try:
            answer = _tell(message)
        except FetchRefused as refusal:
            raise Permanent(f"refused: {refusal.reason}") from None
        except FetchFailed as failure:
            self._silent.add(host)
            raise Temporary(f"not reached: {failure.reason}") from None
        if answer.status in (200, 204):
            return
        is_refused = message.medium == "ping" and answer.status < 500 and answer.status not in LATER
        if answer.status == 400 or is_refused:
            # It has understood, and will not (Back-Channel Logout §2.8); a program refused a ping asks by itself.
            raise Permanent(f"HTTP {answer.status}")
        raise Temporary(f"HTTP {answer.status}", after=answer.retry_after)

    def check(self) -> str:
        return "applications are told at the addresses they registered."

    def close(self) -> None:
        self._silent.clear()


def _tell(message: Message) -> Fetched:
    if message.medium == "logout":
        return fetcher.post(message.to, urlencode({"logout_token": _token(message)}).encode(), FORM)
    told = json.loads(message.text)
    body = json.dumps({"auth_req_id": told["auth_req_id"]}).encode()
    return fetcher.post(message.to, body, "application/json", headers={"Authorization": f"Bearer {told['token']}"})


def _token(message: Message) -> str:
    """The logout token of this try; never a `nonce`, so that it passes for no ID token (§2.4)."""
    told: dict[str, Any] = json.loads(message.text)
    moment = epoch()
    stated = {
        "iss": provider.settings.issuer,
        "sub": told["sub"],
        "aud": message.name,
        "iat": moment,
        "exp": moment + SECONDS,
        "jti": secrets.token_urlsafe(16),
        "sid": told["sid"],
        "events": {EVENT: {}},
    }
    return provider.keys.sign(stated, alg=told["alg"], typ=TYPE)
