"""The one writer of authorization responses: query, fragment, form_post and signed ones, success and error.

Whatever is answered to a client goes through here, so that no answer can lack `iss` (RFC 9207 §2) or change `state`
(RFC 6749 §4.1.2), and no other code builds a redirect with a code in it.
"""

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote
from urllib.parse import urlencode
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import OAuth2Error
from flask import Response
from flask import g
from flask import make_response
from flask import render_template

from .clock import epoch
from .provider import provider


@dataclass(frozen=True)
class ReturnAddress:
    """Where and how a client is answered: known, and safe, before anything else of its request is."""

    client_id: str
    redirect_uri: str
    response_mode: str
    """One of `MODES`, or one of them with `.jwt` behind it: the same with a signed answer."""
    state: str | None = None
    signed_with: str = "RS256"
    """The algorithm of a signed answer."""


def answer(address: ReturnAddress, params: Mapping[str, str]) -> Response:
    """Answer a client in the mode it asked for (OIDC Core §3.1.2.5)."""
    sent = dict(params)
    if address.state is not None:
        sent["state"] = address.state
    sent["iss"] = provider.settings.issuer
    mode, is_signed = address.response_mode.removesuffix(SIGNED), address.response_mode.endswith(SIGNED)
    response = MODES[mode](address.redirect_uri, {"response": _signed(address, sent)} if is_signed else sent)
    # RFC 9700 §4.2: the answer must not leak by a cache or a Referer.
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def refuse(address: ReturnAddress, error: OAuth2Error) -> Response:
    """Answer a client with an error (RFC 6749 §4.1.2.1, OIDC Core §3.1.2.6)."""
    params = {"error": str(error.error)}
    if error.description:
        params["error_description"] = str(error.description)
    return answer(address, params)


def go(uri: str, params: Mapping[str, str] | None = None) -> Response:
    """Send the browser on by GET, whatever it came by (RFC 9700 §4.12)."""
    response = make_response("", 303)
    response.headers["Location"] = with_params(uri, params or {})
    return response


def with_params(uri: str, params: Mapping[str, str]) -> str:
    """The address with more parameters behind those it has."""
    if not params:
        return uri
    glue = "" if uri.endswith("?") else "&" if "?" in uri else "?"
    return f"{uri}{glue}{urlencode(params, quote_via=quote, safe='')}"


def origin_of(uri: str) -> str:
    """The origin of an address as a policy names it: `https://host:port`, or the scheme of an application."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"


def _query(redirect_uri: str, params: Mapping[str, str]) -> Response:
    return go(redirect_uri, params)


def _fragment(redirect_uri: str, params: Mapping[str, str]) -> Response:
    """OAuth 2.0 Multiple Response Types §2.1; a registered address has no fragment of its own."""
    return go(f"{redirect_uri}#{urlencode(params, quote_via=quote, safe='')}")


def _form_post(redirect_uri: str, params: Mapping[str, str]) -> Response:
    """A page that posts itself to the client, by script or by its button (OAuth 2.0 Form Post Response Mode §2)."""
    g.form_action = [origin_of(redirect_uri)]
    html = render_template("form_post.html", action=redirect_uri, params=params, scripts=["form_post.js"])
    return make_response(html)


def _signed(address: ReturnAddress, params: Mapping[str, str]) -> str:
    """The whole answer as one JWT for this client, good for some minutes (JARM §2.1)."""
    stated = {**params, "aud": address.client_id, "exp": epoch() + SIGNED_SECONDS}
    return provider.keys.sign(stated, alg=address.signed_with)


MODES: dict[str, Callable[[str, Mapping[str, str]], Response]] = {
    "query": _query,
    "fragment": _fragment,
    "form_post": _form_post,
}
"""How an answer can travel; a mode is one function and one word here."""

SIGNED = ".jwt"
SIGNED_SECONDS = 600
