"""What every page needs: the language of the request, its texts, static files, legal pages.

Owns the template context (`t`, `say`, `languages`, `static_url` …) and the addresses below `/static`, `/terms`,
`/privacy`, `/accessibility` and `/`; what a page says and asks is its flow's business.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import structlog
from flask import Blueprint
from flask import Flask
from flask import Response
from flask import current_app
from flask import g
from flask import make_response
from flask import redirect
from flask import render_template
from flask import request
from flask import send_from_directory

from . import texts
from .clock import epoch
from .provider import provider
from .session import cookie_name
from .session import set_cookie
from .settings import BadSetting
from .texts import Text
from .theme import BadTheme
from .theme import Theme
from .theme import read_theme

log = structlog.get_logger("pages")
blueprint = Blueprint("pages", __name__)
YEAR = 365 * 86400


def init_app(app: Flask, static: Path) -> None:
    """Give templates their context and register the pages that belong to nobody else."""
    app.config["STATIC_FILES"] = static
    app.config["THEME"] = _checked_theme(app)
    app.register_blueprint(blueprint)
    app.context_processor(_context)
    app.add_template_filter(say, "say")
    app.add_template_global(t, "t")  # macros are imported without the context of the page
    app.after_request(_remember_language)
    app.jinja_options["autoescape"] = True
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def _checked_theme(app: Flask) -> Theme:
    """The fund's colours; the program does not start with ones that cannot be read (pages.md 3.7)."""
    try:
        theme, warnings = read_theme(app.extensions["idp"].settings.theme)
    except BadTheme as problem:
        raise BadSetting(f"The provider cannot start.\n  IDP_THEME: {problem}") from None
    for warning in warnings:
        log.warning("theme", problem=str(warning))
    return theme


def language() -> str:
    """The language of this answer."""
    if "language" not in g:
        speak()
    return str(g.language)


def speak(*, ui_locales: Sequence[str] = (), stored: str | None = None, since: int = 0) -> None:
    """Settle the language of this answer (pages.md 2.1.1).

    What the person chose since `since` (the beginning of the interaction) comes first, then the client's `ui_locales`,
    the person's stored language, an older choice, the browser's, the fund's.
    """
    chosen, chosen_at = _choice()
    asked = [request.args["lang"]] if "lang" in request.args else [chosen] if chosen and chosen_at >= since else []
    g.language = texts.negotiate(
        [*asked, *ui_locales],
        stored,
        chosen,
        request.headers.get("Accept-Language"),
        provider.settings.default_language,
        known=provider.texts.languages,
    )


def _choice() -> tuple[str | None, int]:
    """The language chosen by a link, and when: the cookie reads `fr.1711530000`."""
    chosen, _, moment = request.cookies.get(cookie_name("lang"), "").partition(".")
    return (chosen, int(moment) if moment.isascii() and moment.isdigit() else 0) if chosen else (None, 0)


def t(key: str, **params: Any) -> str:
    """A text in the language of this answer."""
    return provider.texts.text(language(), key, **params)


def say(message: Text | str) -> str:
    """A message that waited for its language."""
    if isinstance(message, Text):
        return t(message.key, **message.params)
    return t(str(message))


def _context() -> dict[str, Any]:
    chosen = language()
    return {
        "lang": chosen,
        "lang_tag": texts.TAGS[chosen],
        "languages": _languages(chosen),
        "portal": provider.settings.portal,
        "settings": provider.settings,
        "home_url": "/",
        "static_url": static_url,
        "help_code": None,
    }


def _languages(chosen: str) -> list[tuple[str, str, str, bool]]:
    names = {"de": "Deutsch", "fr": "Français", "it": "Italiano", "en": "English"}
    query = [(key, value) for key, value in request.args.items(multi=True) if key != "lang"]
    return [(code, name, _address([*query, ("lang", code)]), code == chosen) for code, name in names.items()]


def _address(query: list[tuple[str, str]]) -> str:
    return f"{request.path}?{urlencode(query)}"


def _remember_language(response: Response) -> Response:
    asked = request.args.get("lang")
    if asked in provider.texts.languages and request.method == "GET":
        set_cookie(response, cookie_name("lang"), f"{asked}.{epoch()}", seconds=YEAR)
    return response


@lru_cache(maxsize=64)
def _version(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]


def static_url(filename: str) -> str:
    """The address of a static file, with its fingerprint, so that it may be cached for a year."""
    if filename == "theme.css":
        return f"/static/theme.css?v={hashlib.sha256(_theme().encode()).hexdigest()[:10]}"
    return f"/static/{filename}?v={_version(current_app.config['STATIC_FILES'] / filename)}"


def _theme() -> str:
    return str(current_app.config["THEME"].css())


@blueprint.get("/static/theme.css")
def theme() -> Response:
    """The fund's colours, after `app.css`."""
    response = Response(_theme(), mimetype="text/css")
    return _cached(response)


@blueprint.get("/static/<path:filename>")
def static(filename: str) -> Response:
    """One static file."""
    return _cached(send_from_directory(current_app.config["STATIC_FILES"], filename))


def _cached(response: Response) -> Response:
    response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable" if "v" in request.args else "no-cache"
    return response


@blueprint.get("/")
def home() -> Response:
    """There is nothing here but the way to sign in."""
    return make_response(redirect("/signin", 303))


@blueprint.get("/terms")
@blueprint.get("/privacy")
@blueprint.get("/accessibility")
def legal() -> str:
    """The fund's terms, privacy and accessibility pages."""
    return render_template(f"pages{request.path}.html")


@blueprint.get("/favicon.ico")
def favicon() -> Response:
    """Browsers ask here whatever the page says."""
    return _cached(send_from_directory(current_app.config["STATIC_FILES"], "favicon.svg"))
