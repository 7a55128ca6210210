"""The toy myVPK portal: a start page for everybody, and a page for whoever the provider has proven.

It shows what a relying party needs: discovery, the code flow with PKCE, `state`, `nonce` and `iss`, registration
(`prompt=create`), sign-in begun elsewhere (`initiate_login_uri`) and sign-out at both ends. No page has a script.
"""

import secrets
from http import HTTPStatus
from urllib.parse import urlencode

from flask import Blueprint
from flask import Flask
from flask import Response
from flask import abort
from flask import current_app
from flask import g
from flask import redirect
from flask import render_template
from flask import request
from flask import session
from flask import url_for
from werkzeug.exceptions import HTTPException

from .reading import Reading
from .relying_party import Refused
from .relying_party import RelyingParty
from .relying_party import UnknownState
from .sessions import KeptSessions
from .settings import Settings
from .settings import load
from .words import LANGUAGES
from .words import Words

pages = Blueprint("portal", __name__)

STATUSES = {
    "cancelled": HTTPStatus.FORBIDDEN,
    "refused": HTTPStatus.BAD_REQUEST,
    "expired": HTTPStatus.BAD_REQUEST,
    "foreign": HTTPStatus.BAD_REQUEST,
    "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
}
STANDING = frozenset({"portal.start", "portal.pension", "portal.ask_logout"})
"""The pages that can be opened again in another language; elsewhere the choice leads to the start page."""

LANGUAGE_COOKIE = "demo_lang"
YEAR_SECONDS = 365 * 86400
LONGEST_HINT = 255


def create_app(settings: Settings | None = None) -> Flask:
    """The portal, assembled; without settings they are read from the environment."""
    settings = settings or load()
    app = Flask(__name__)
    prefix = "__Host-" if settings.secure else ""
    app.config.update(
        SECRET_KEY=settings.secret,
        SESSION_COOKIE_NAME=f"{prefix}demo_session",
        SESSION_COOKIE_SECURE=settings.secure,
        MAX_CONTENT_LENGTH=64 * 1024,
    )
    app.session_interface = KeptSessions()
    app.extensions["demo"] = settings
    app.extensions["relying_party"] = RelyingParty(app, settings)
    app.register_blueprint(pages)
    app.before_request(_choose_language)
    app.after_request(_secure)
    app.context_processor(_for_every_page)
    app.register_error_handler(Refused, show_refusal)
    app.register_error_handler(HTTPException, show_error)
    return app


@pages.get("/")
def start() -> str:
    """What everybody sees; also where the provider leads back to, once its session has ended too.

    Only the answer to a question of our own, told by its `state`, may say that the sign-out worked.
    """
    return render_template("signed_out.html" if _relying_party().has_ended() else "start.html")


@pages.get("/pension")
def pension() -> str | Response:
    """What only the person sees; somebody who is not signed in is sent to do so."""
    if "person" not in session:
        return _go(url_for(".login"))
    return render_template("pension.html", reading=Reading(g.words, session["proof"], session["person"]))


@pages.get("/login")
def login() -> Response:
    """Begin a sign-in; also where others may send people to begin one (OIDC Core §4)."""
    issuer = request.args.get("iss")
    if issuer is not None and issuer != _settings().issuer:
        raise Refused("foreign", "a sign-in was to begin at an issuer we do not know")
    hint = request.args.get("login_hint", "")
    return _relying_party().begin(g.words.language, **({"login_hint": hint} if 0 < len(hint) <= LONGEST_HINT else {}))


@pages.post("/login")
def login_begun_elsewhere() -> Response:
    """A form of another site may begin a sign-in too (OIDC Core §4); the GET that follows brings our cookies."""
    named = {name: request.form[name] for name in ("iss", "login_hint") if name in request.form}
    return _go(url_for(".login") + (f"?{urlencode(named)}" if named else ""))


@pages.get("/register")
def register() -> Response:
    """Begin an enrolment (OIDC Initiating User Registration §4)."""
    return _relying_party().begin(g.words.language, prompt="create")


@pages.get("/callback")
def callback() -> Response:
    """The provider's answer: whoever was proven gets a new session, under a new name."""
    try:
        signed_in = _relying_party().finish(request.args)
    except UnknownState:
        if "person" in session:  # reloaded, or gone back to, after the sign-in has succeeded
            return _go(url_for(".pension"))
        raise
    session.renew()
    session.update(
        id_token=signed_in.id_token,
        proof=signed_in.proof,
        person=signed_in.person,
        csrf=secrets.token_urlsafe(32),
    )
    return _go(url_for(".pension"))


@pages.get("/logout")
def ask_logout() -> str | Response:
    """A GET changes nothing: who comes by a link is asked."""
    return render_template("logout.html") if "person" in session else _go(url_for(".start"))


@pages.post("/logout")
def logout() -> Response:
    """End the session here first, then at the provider."""
    if "person" not in session:
        return _go(url_for(".start"))
    if not secrets.compare_digest(request.form.get("csrf", "").encode(), session["csrf"].encode()):
        abort(HTTPStatus.BAD_REQUEST)
    id_token = session["id_token"]
    session.renew()
    return _relying_party().end(id_token, g.words.language)


@pages.get("/health")
def health() -> Response:
    """For whoever watches the process."""
    return Response("ok\n", content_type="text/plain; charset=utf-8")


def show_refusal(refusal: Refused) -> tuple[str, int]:
    """A kind page, and the reason for the operator; nothing that a stranger sent is repeated."""
    current_app.logger.warning("sign-in did not succeed (%s): %s", refusal.kind, refusal)
    return render_template("error.html", kind=refusal.kind), STATUSES[refusal.kind]


def show_error(error: HTTPException) -> tuple[str, int] | HTTPException:
    """A page in the person's language for everything HTTP knows."""
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        return error
    kind = {404: "missing", 405: "missing"}.get(error.code, "broken" if error.code >= 500 else "expired")
    return render_template("error.html", kind=kind), error.code


def _settings() -> Settings:
    return current_app.extensions["demo"]


def _relying_party() -> RelyingParty:
    return current_app.extensions["relying_party"]


def _go(address: str) -> Response:
    return redirect(address, HTTPStatus.SEE_OTHER)


def _choose_language() -> None:
    """The language asked for now, chosen before, of the person, or of the browser."""
    candidates = [
        request.args.get("lang", ""),
        request.cookies.get(LANGUAGE_COOKIE, ""),
        str(session.get("person", {}).get("locale", ""))[:2],
        request.accept_languages.best_match(LANGUAGES) or "",
    ]
    g.words = Words(next((name for name in candidates if name in LANGUAGES), "fr"))


def _for_every_page() -> dict[str, object]:
    """What the frame of every page needs."""
    words = g.get("words") or Words("fr")
    return {
        "w": words,
        "languages": LANGUAGES,
        "here": request.path if request.endpoint in STANDING else url_for("portal.start"),
        "signed_in": "person" in session,
        "csrf": session.get("csrf"),
    }


def _secure(response: Response) -> Response:
    """Headers of every answer; the form that signs out is redirected to the provider, which CSP must allow."""
    headers = response.headers
    headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; "
        f"form-action 'self' {_settings().issuer_origin}; frame-ancestors 'none'; base-uri 'none'"
    )
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=()"
    if _settings().secure:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.endpoint != "static":
        headers["Cache-Control"] = "no-store"
    if request.args.get("lang") in LANGUAGES:
        response.set_cookie(
            LANGUAGE_COOKIE,
            request.args["lang"],
            max_age=YEAR_SECONDS,
            path="/",
            httponly=True,
            secure=_settings().secure,
            samesite="Lax",
        )
    return response
