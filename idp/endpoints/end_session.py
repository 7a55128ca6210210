"""Signing out: RP-initiated logout, and the page of our own (OIDC RP-Initiated Logout §2).

Only a genuine ID token of this very session spares the person the question, and only an address registered by the
client it was issued to is ever redirected to; everything else ends on a page here.
"""

import hashlib
import hmac
from dataclasses import dataclass

from flask import Blueprint
from flask import Response
from flask import g
from flask import make_response
from flask import render_template
from flask import request as http
from werkzeug.urls import iri_to_uri

from .. import audit
from .. import endings
from .. import errors
from .. import frontchannel_logout
from .. import id_token
from .. import interaction as interactions
from .. import pages
from .. import posted
from .. import response as responses
from .. import session as sessions
from .. import subjects
from ..db import transaction
from ..parameters import Malformed
from ..parameters import Parameters
from ..parameters import read_form
from ..parameters import read_query
from ..provider import provider
from ..server import find_client
from ..session import Session

blueprint = Blueprint("end_session", __name__)
METADATA = {"end_session_endpoint": "/logout"}

KIND = "posted_logout"
MAX_LENGTH = 16 * 1024
DONE = "/signed-out"
LEAVE_SECONDS = 5


@dataclass(frozen=True)
class LogoutRequest:
    """What a client asked, as far as it can be believed."""

    sid: str | None
    """The session named by a genuine hint."""
    target: str | None
    """Where the browser goes afterwards: an address registered by the client of the hint, with its `state`."""
    client_id: str | None = None
    """The client of the hint."""

    def is_about(self, session: Session) -> bool:
        """Whether the hint names this session, as its client knows it."""
        client = find_client(self.client_id) if self.client_id is not None else None
        return client is not None and self.sid is not None and subjects.is_session(self.sid, session.sid, client)


@blueprint.get("/logout")
def end_session() -> Response:
    """End the session at once for a genuine hint of this very session; ask the person otherwise."""
    errors.refuse_head()
    params = read_query(http)
    handle = params.get(posted.HANDLE)
    request = _validated(params) if handle is None else _posted(handle)
    session = sessions.current()
    if session is None or request.is_about(session):
        return _sign_out(session, request.target)
    return _ask(session, request.target)


@blueprint.post("/logout")
def accept() -> Response:
    """Go on by GET, which brings our cookies (decision 10)."""
    request = _validated(read_form(http))
    return responses.go("/logout", {posted.HANDLE: posted.keep(KIND, vars(request))})


@blueprint.get("/signout")
def ask() -> Response:
    """«Voulez-vous vous déconnecter ?» (pages.md S1)."""
    session = sessions.current()
    return responses.go(DONE) if session is None else _ask(session, None)


@blueprint.post("/signout")
def sign_out() -> Response:
    """Sign out, if the answer comes from our own page (CSRF)."""
    session = sessions.current()
    target = http.form.get("target") or None
    if session is None:
        return responses.go(DONE)
    if not hmac.compare_digest(http.form.get("csrf_token", "").encode(), _csrf_token(session, target).encode()):
        return _ask(session, None, status=400)
    return _sign_out(session, target)


@blueprint.get(DONE)
def done() -> Response:
    """The signed-out page (pages.md S2)."""
    return make_response(render_template("signout/done.html"))


@blueprint.errorhandler(Malformed)
def stay(error: Malformed) -> Response:
    """A request nobody can read is answered here."""
    return errors.client_error(str(error))


def _validated(params: Parameters) -> LogoutRequest:
    """Believe what is signed and registered, and nothing else; a doubtful request still gets its page."""
    if params.repeated or any(len(value) > MAX_LENGTH for value in params.as_dict().values()):
        raise Malformed("A parameter is repeated or too long.")
    pages.speak(ui_locales=tuple((params.get("ui_locales") or "").split()[:10]))
    hint = id_token.read(params.get("id_token_hint") or "")
    client_id = params.get("client_id")
    if hint is None or client_id not in (None, hint["aud"]):  # §2: the two must agree
        return LogoutRequest(None, None)
    client, uri, state = find_client(hint["aud"]), params.get("post_logout_redirect_uri"), params.get("state")
    if client is None or not client.is_active or uri not in client.post_logout_redirect_uris:
        return LogoutRequest(hint.get("sid"), None, hint["aud"])
    way_back = responses.with_params(uri, {"state": state} if state else {})
    return LogoutRequest(hint.get("sid"), way_back, client.client_id)


def _posted(handle: str) -> LogoutRequest:
    value = posted.find(KIND, handle)
    return LogoutRequest(None, None) if value is None else LogoutRequest(**value)


def _ask(session: Session, target: str | None, *, status: int = 200) -> Response:
    if target is not None:
        g.form_action = [responses.origin_of(target)]
    html = render_template("signout/confirm.html", csrf_token=_csrf_token(session, target), target=target)
    return make_response(html, status)


def _sign_out(session: Session | None, target: str | None) -> Response:
    """End the session on the server first, and all tokens that hang on it, then in the browser and its applications."""
    if session is None:
        return _forget(responses.go(target or DONE))
    endings.end_session(session.sid)
    with transaction():
        frames = frontchannel_logout.frames(session)
        told = endings.tell_of_session(session.sid)
        audit.record("sign_out", account_id=session.account_id, session=session.sid, told=told)
    response = _leave(frames, target or DONE) if frames else responses.go(target or DONE)
    interactions.forget_browser(response)
    return _forget(response)


def _forget(response: Response) -> Response:
    sessions.end(response)
    return response


def _leave(frames: list[str], target: str) -> Response:
    """Have the applications sign out in this browser, and then go on (OpenID Connect Front-Channel Logout §2).

    The script goes on as soon as all have answered; without scripts the page itself does, later.
    """
    g.frame_src = sorted({responses.origin_of(frame) for frame in frames})
    refresh = f"{LEAVE_SECONDS}; url={iri_to_uri(target)}"
    shown = {"frames": frames, "target": target, "refresh": refresh, "scripts": ["leaving.js"]}
    return make_response(render_template("signout/leaving.html", **shown))


def _csrf_token(session: Session, target: str | None) -> str:
    """Bound to the session, and to where the answer leads: neither can be swapped."""
    key = provider.vault.derive("csrf")
    return hmac.new(key, f"signout:{session.sid}:{target or ''}".encode(), hashlib.sha256).hexdigest()
