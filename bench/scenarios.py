"""The scenarios: what relying parties and browsers ask of a provider all day, and what is a success of each."""

import base64
import json
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl
from urllib.parse import urlencode
from urllib.parse import urlsplit

from load import Answer
from load import Request
from load import Scenario
from oidc import VERIFIER
from servers import Server

ALG = "ES256"
SCOPE = "openid profile email"


class NotTheAnswer(AssertionError):
    """A server answered otherwise than the scenario needs: what would be measured is no success."""


def discovery(server: Server) -> Scenario:
    """The metadata (OIDC Discovery §4)."""
    while True:
        answer = yield Request("GET", "/.well-known/openid-configuration")
        _demand(_json(answer)["issuer"] == server.issuer, answer)


def jwks(server: Server) -> Scenario:
    """The keys."""
    while True:
        answer = yield Request("GET", server.path("jwks_uri"))
        _demand(any(key.get("alg") == ALG for key in _json(answer)["keys"]), answer)


def silent_sign_in(server: Server) -> Scenario:
    """`prompt=none` of a browser with a session: a code, which is left for the redemption (OIDC Core §3.1.2.6)."""
    server.codes.clear()  # those of an earlier run would be too old
    while True:
        state = secrets.token_urlsafe(12)
        params = {**server.request_of(SCOPE), "prompt": "none", "state": state, "nonce": state}
        path = f"{server.path('authorization_endpoint')}?{urlencode(params)}"
        answer = yield Request("GET", path, {"Cookie": server.cookie})
        given = dict(parse_qsl(urlsplit(answer.headers.get("Location", "")).query))
        _demand(answer.status in {302, 303} and given.get("state") == state and "code" in given, answer)
        _demand(answer.headers["Location"].startswith(server.redirect_uri), answer)
        server.codes.append((given["code"], state))


def redemption(server: Server) -> Scenario:
    """A code, PKCE's verifier and the client's secret for an access token and an ID token; ends with the codes."""
    while True:
        try:
            code, nonce = server.codes.pop()
        except IndexError:
            return
        answer = yield _form(server, "token_endpoint", code_verifier=VERIFIER, **_redeeming(server, code))
        claims = _claims(_json(answer), answer)
        _demand(claims["nonce"] == nonce and claims["aud"] in (server.client_id, [server.client_id]), answer)


def userinfo(server: Server) -> Scenario:
    """The claims of the person (OIDC Core §5.3)."""
    access_token = server.tokens(SCOPE)["access_token"]
    while True:
        answer = yield Request("GET", server.path("userinfo_endpoint"), {"Authorization": f"Bearer {access_token}"})
        _demand({"sub", "email", "name"} <= _json(answer).keys(), answer)


def refresh(server: Server) -> Scenario:
    """A rotation: the token goes, its successor and a new ID token come (RFC 6749 §6)."""
    token = server.tokens("openid offline_access")["refresh_token"]
    while True:
        answer = yield _form(server, "token_endpoint", grant_type="refresh_token", refresh_token=token)
        body = _json(answer)
        _claims(body, answer)
        _demand(body["refresh_token"] != token, answer)
        token = body["refresh_token"]


def introspection(server: Server) -> Scenario:
    """A resource server looks whether a token lives (RFC 7662)."""
    token = server.tokens(SCOPE)["access_token"]
    while True:
        answer = yield _form(server, "introspection_endpoint", token=token)
        _demand(_json(answer)["active"] is True, answer)


SCENARIOS: dict[str, Callable[[Server], Scenario]] = {
    "discovery": discovery,
    "jwks": jwks,
    "silent sign-in": silent_sign_in,
    "redemption": redemption,
    "userinfo": userinfo,
    "refresh": refresh,
    "introspection": introspection,
}
"""In this order: the redemption lives on the codes of the sign-ins before it."""


def _form(server: Server, endpoint: str, **form: str) -> Request:
    headers = {"Authorization": server.basic, "Content-Type": "application/x-www-form-urlencoded"}
    return Request("POST", server.path(endpoint), headers, urlencode(form).encode())


def _redeeming(server: Server, code: str) -> dict[str, str]:
    return {"grant_type": "authorization_code", "code": code, "redirect_uri": server.redirect_uri}


def _json(answer: Answer) -> dict[str, Any]:
    _demand(answer.status == 200, answer)
    return dict(json.loads(answer.body))


def _claims(body: dict[str, Any], answer: Answer) -> dict[str, Any]:
    """The claims of a token answer's ID token, signed as agreed; `Server.verify` has looked at one signature."""
    _demand({"access_token", "id_token"} <= body.keys() and body["token_type"] == "Bearer", answer)
    header, claims, _ = body["id_token"].split(".")
    _demand(_part(header)["alg"] == ALG, answer)
    return _part(claims)


def _part(encoded: str) -> dict[str, Any]:
    return dict(json.loads(base64.urlsafe_b64decode(encoded + "==")))


def _demand(holds: bool, answer: Answer) -> None:
    if not holds:
        raise NotTheAnswer(f"{answer.status} {answer.headers.get('Location', '')} {answer.body[:500]!r}")
