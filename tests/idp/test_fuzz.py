"""Whatever is sent to any endpoint, the answer is one of the specifications: never a 500, never another's address.

In one process, which is a hundred times faster than over HTTP; what the server in front of it makes of broken requests
is in `tests/attacks/`. `make fuzz` tries more.
"""

import json
import os
import re
from urllib.parse import urlencode
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import reject
from hypothesis import settings
from hypothesis import strategies as st
from joserfc.errors import JoseError
from oidc import CALLBACK
from oidc import CHALLENGE
from oidc import Configure
from oidc import a_client
from oidc import an_account
from oidc import basic
from oidc import sign_in
from werkzeug.test import TestResponse

from idp import throttle
from idp.client_fields import ClientFields
from idp.grants import GRANTS
from keys import algorithms

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
TRIED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
KNOWN_ERRORS = {
    *("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"),
    *("invalid_scope", "invalid_target", "invalid_dpop_proof", "use_dpop_nonce", "invalid_token", "insufficient_scope"),
    *("unsupported_response_type", "unsupported_token_type", "access_denied", "login_required", "consent_required"),
    *("interaction_required", "account_selection_required", "unmet_authentication_requirements"),
    *("invalid_request_object", "invalid_request_uri", "request_not_supported", "request_uri_not_supported"),
    *("registration_not_supported", "invalid_authorization_details", "unknown_user_id", "invalid_binding_message"),
    *("authorization_pending", "slow_down", "expired_token", "missing_user_code", "invalid_user_code"),
    *("invalid_redirect_uri", "invalid_client_metadata", "invalid_software_statement"),
    *("unapproved_software_statement", "insufficient_user_authentication", "expired_login_hint_token"),
}
SAFE = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]*")
"""RFC 6749 §5.2."""

JWTS = ("a.b.c", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "eyJhbGciOlsxXX0.W10.AA", "..", "{}")
WORDS = (
    *("", " ", "x", "\x00", "\ud800", "é", "\u202e", "%00", "%zz", "<script>", '"', "\\", "\r\nX: y", "a" * 5000),
    *("openid", "openid offline_access", "code", "code id_token", "id_token", "none", "query", "jwt", "form_post.jwt"),
    *("S256", "plain", CHALLENGE, "login", "none login", "create", "1", "-1", "9" * 30, "0", "1e9", "NaN", "true"),
    *("[]", "{}", "[[[[", '{"id_token": 5}', '{"userinfo": {"sub": {"value": []}}}', '[{"type": []}]', "null"),
    *(CALLBACK, f"{CALLBACK}#x", "https://evil.test/", "javascript:alert(1)", "http://[", "https://op@evil.test", "//"),
    *("portal", "other", "urn:ietf:params:oauth:request_uri:x", "anna@example.ch", "756.1234.5678.97", "ABCD-EFGH"),
    *("urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "urn:ietf:params:oauth:token-type:access_token"),
    *JWTS,
)
VALUES = st.one_of(st.sampled_from(WORDS), st.text(max_size=30))
GRANT_TYPES = (*(grant.GRANT_TYPE for grant in GRANTS), "password", "implicit", "")
OF_A_REQUEST = (
    *("client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age"),
    *("acr_values", "claims", "claims_locales", "ui_locales", "display", "id_token_hint", "login_hint", "request"),
    *("request_uri", "registration", "code_challenge", "code_challenge_method", "dpop_jkt", "resource"),
    *("authorization_details", "scope[]", "state[x]", "", "\x00", "lang"),
)
OF_AN_OBJECT = (*OF_A_REQUEST, "iss", "aud", "exp", "nbf", "iat", "sub", "jti")
OF_A_TOKEN_REQUEST = (
    *("grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "client_id", "client_secret"),
    *("client_assertion", "client_assertion_type", "device_code", "auth_req_id", "subject_token", "actor_token"),
    *("subject_token_type", "actor_token_type", "requested_token_type", "audience", "resource", "assertion"),
    *("authorization_details", "token", "token_type_hint", "grant_type[]"),
)
OF_A_BACKCHANNEL_REQUEST = (
    *("scope", "login_hint", "id_token_hint", "login_hint_token", "binding_message", "requested_expiry", "request"),
    *("client_notification_token", "acr_values", "user_code", "client_id"),
)
OF_A_SIGN_OUT = (
    "id_token_hint",
    "client_id",
    "post_logout_redirect_uri",
    "state",
    "ui_locales",
    "logout_hint",
    "target",
)
AUTHORIZATIONS = st.sampled_from(
    [
        *(None, None, None, "Basic", "Basic x", "Basic :", "Basic =", "Basic cG9ydGFsOg==", "Bearer", "Bearer x"),
        *(
            "Bearer  x",
            "DPoP x",
            "bearer \xe9",
            "Digest x",
            "Bearer " + "x" * 5000,
            *(f"Bearer {each}" for each in JWTS),
        ),
    ]
)
RIGHT = {
    "client_id": "portal",
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": "openid",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
KEY = algorithms.generate("ES256")
PROOFS = st.sampled_from((None, None, None, "", "x", *JWTS))
FORM = "application/x-www-form-urlencoded"
KINDS = st.sampled_from(
    [
        *(FORM for _ in range(6)),
        *("application/json", "text/plain", "multipart/form-data", "", f"{FORM}; charset=utf-7"),
    ]
)


def pairs(names: tuple[str, ...]) -> st.SearchStrategy[list[tuple[str, str]]]:
    return st.lists(st.tuples(st.sampled_from(names), VALUES), max_size=6)


@pytest.fixture
def browser(browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """A signed-in browser of a provider with one client that may do everything; PostgreSQL takes no NUL.

    Any number of times: behind a limit nothing would be looked at any more.
    """
    monkeypatch.setattr(throttle, "per_address", lambda *_: None)
    monkeypatch.setattr(throttle, "spend", lambda limit, _: limit.tries)
    sign_in(browser, an_account())
    keys = {"keys": [KEY.as_dict(private=False)]}
    a_client(grant_types=list(GRANT_TYPES[:-3]), backchannel_token_delivery_mode="poll", jwks=keys)
    return browser


def encoded(sent: list[tuple[str, str]]) -> str:
    return urlencode([tuple(each.encode("utf-8", "surrogatepass") for each in pair) for pair in sent])


def merged(right: dict[str, str], sent: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A right request in which some things are wrong."""
    named = {name for name, _ in sent}
    return [*((name, value) for name, value in right.items() if name not in named), *sent]


def judge(response: TestResponse, *, is_api: bool = True) -> None:
    """No server error; an error is a known one, in constant words of safe characters, kept by no cache."""
    assert response.status_code < 500, response.text
    location = response.headers.get("Location")
    if location is not None:
        parts = urlsplit(location)
        assert (parts.scheme, parts.netloc) in {("https", "rp.example"), ("http", "localhost:8400"), ("", "")}, location
        assert not location.startswith("//")
    assert "evil.test" not in response.headers.get("Location", "").split("?")[0]
    if is_api and response.status_code >= 400:
        assert response.is_json, response.text
        assert response.json["error"] in KNOWN_ERRORS, response.json
        assert SAFE.fullmatch(response.json.get("error_description", ""))
        assert "no-store" in response.headers.get("Cache-Control", "")


def post(
    browser: FlaskClient, path: str, sent: list[tuple[str, str]], kind: str, headers: dict[str, str | None]
) -> TestResponse:
    kept = {name: value for name, value in headers.items() if value is not None}
    return browser.post(path, data=encoded(sent), content_type=kind, headers=kept)


@TRIED
@given(sent=pairs(OF_A_REQUEST), is_post=st.booleans(), kind=KINDS)
def test_authorization_requests(browser: FlaskClient, sent: list[tuple[str, str]], is_post: bool, kind: str) -> None:
    text = encoded(merged(RIGHT, sent))

    response = (
        browser.post("/authorize", data=text, content_type=kind) if is_post else browser.get(f"/authorize?{text}")
    )

    judge(response, is_api=False)
    assert response.status_code in {200, 303, 400, 403, 405, 413, 414, 415}


@TRIED
@given(sent=pairs(OF_A_REQUEST), kind=KINDS, is_authenticated=st.booleans(), authorization=AUTHORIZATIONS, proof=PROOFS)
def test_pushed_requests(
    browser: FlaskClient,
    sent: list[tuple[str, str]],
    kind: str,
    is_authenticated: bool,
    authorization: str | None,
    proof: str | None,
) -> None:
    right = {name: value for name, value in RIGHT.items() if name != "client_id"}
    header = basic()["Authorization"] if is_authenticated else authorization

    judge(post(browser, "/par", merged(right, sent), kind, {"Authorization": header, "DPoP": proof}))


@TRIED
@given(
    sent=pairs(OF_A_TOKEN_REQUEST),
    grant=st.sampled_from(GRANT_TYPES),
    kind=KINDS,
    is_authenticated=st.booleans(),
    authorization=AUTHORIZATIONS,
    proof=PROOFS,
)
def test_token_requests(
    browser: FlaskClient,
    sent: list[tuple[str, str]],
    grant: str,
    kind: str,
    is_authenticated: bool,
    authorization: str | None,
    proof: str | None,
) -> None:
    header = basic()["Authorization"] if is_authenticated else authorization

    judge(post(browser, "/token", merged({"grant_type": grant}, sent), kind, {"Authorization": header, "DPoP": proof}))


@TRIED
@given(
    path=st.sampled_from(("/introspect", "/revoke", "/device_authorization", "/bc-authorize")),
    sent=st.one_of(pairs(OF_A_TOKEN_REQUEST), pairs(OF_A_BACKCHANNEL_REQUEST)),
    kind=KINDS,
    is_authenticated=st.booleans(),
    authorization=AUTHORIZATIONS,
)
def test_other_requests_of_clients(
    browser: FlaskClient,
    path: str,
    sent: list[tuple[str, str]],
    kind: str,
    is_authenticated: bool,
    authorization: str | None,
) -> None:
    right = {"scope": "openid", "login_hint": "anna@example.ch"} if path == "/bc-authorize" else {"token": "x"}
    header = basic()["Authorization"] if is_authenticated else authorization

    judge(post(browser, path, merged(right, sent), kind, {"Authorization": header}))


@TRIED
@given(sent=pairs(("access_token", "x")), is_post=st.booleans(), authorization=AUTHORIZATIONS, proof=PROOFS)
def test_requests_for_userinfo(
    browser: FlaskClient, sent: list[tuple[str, str]], is_post: bool, authorization: str | None, proof: str | None
) -> None:
    headers = {"Authorization": authorization, "DPoP": proof}
    if is_post:
        response = post(browser, "/userinfo", sent, FORM, headers)
    else:
        kept = {name: value for name, value in headers.items() if value is not None}
        response = browser.get(f"/userinfo?{encoded(sent)}", headers=kept)

    assert response.status_code in {400, 401, 403}
    judge(response)
    assert "WWW-Authenticate" in response.headers


@TRIED
@given(sent=pairs(OF_A_SIGN_OUT), is_post=st.booleans())
def test_requests_to_sign_out(browser: FlaskClient, sent: list[tuple[str, str]], is_post: bool) -> None:
    text = encoded(sent)

    response = browser.post("/logout", data=text, content_type=FORM) if is_post else browser.get(f"/logout?{text}")

    judge(response, is_api=False)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), VALUES),
    lambda each: st.one_of(st.lists(each, max_size=3), st.dictionaries(VALUES, each, max_size=3)),
    max_leaves=8,
)


@TRIED
@given(
    claims=st.dictionaries(
        st.sampled_from((*OF_A_REQUEST, "iss", "aud", "exp", "nbf", "iat", "sub", "jti")), JSON, max_size=5
    ),
    header=st.dictionaries(st.sampled_from(("typ", "cty", "crit", "kid", "x", "zip")), JSON, max_size=2),
    is_pushed=st.booleans(),
)
def test_signed_requests(
    browser: FlaskClient, claims: dict[str, object], header: dict[str, object], is_pushed: bool
) -> None:
    """Signed by the client, and holding anything (RFC 9101)."""
    try:
        text = algorithms.sign({**RIGHT, **claims}, KEY, {"alg": "ES256", "kid": KEY.kid, **header})
    except (ValueError, TypeError, JoseError):
        reject()  # what cannot be written cannot be sent

    if is_pushed:
        judge(browser.post("/par", data={"request": text}, headers=basic()))
    else:
        judge(browser.get("/authorize", query_string={"client_id": "portal", "request": text}), is_api=False)


METADATA = st.dictionaries(
    st.sampled_from(sorted(ClientFields.model_fields)),
    st.one_of(JSON, st.sampled_from(WORDS), st.just([CALLBACK])),
    max_size=5,
)


@TRIED
@given(
    body=st.one_of(
        METADATA.map(json.dumps),
        JSON.map(json.dumps),
        st.binary(max_size=60),
        st.sampled_from(("[" * 5000, '{"a":1,"a":2}', "")),
    ),
    method=st.sampled_from(("POST", "GET", "PUT", "PATCH", "DELETE")),
    path=st.sampled_from(("", "", "/{client_id}", "/{client_id}", "/portal", "/x%00", "/%ff")),
    authorization=st.one_of(st.just("own"), AUTHORIZATIONS),
    is_merged=st.booleans(),
)
def test_registrations(
    registered: dict[str, str],
    browser: FlaskClient,
    body: str | bytes,
    method: str,
    path: str,
    authorization: str | None,
    is_merged: bool,
) -> None:
    """By anybody, and by a client of its own registration, with anything in it (RFC 7591, RFC 7592)."""
    given = f"Bearer {registered['registration_access_token']}" if authorization == "own" else authorization
    headers = {"Authorization": given} if given else {}
    if is_merged and isinstance(body, str) and body.startswith("{"):
        body = json.dumps({"redirect_uris": [CALLBACK], "client_id": registered["client_id"], **json.loads(body)})
    url = f"/register{path.format(**registered)}"
    if method == "DELETE" and authorization == "own":
        return  # it would be gone for the examples that follow

    response = browser.open(url, method=method, data=body, content_type="application/json", headers=headers)

    assert response.status_code in {200, 201, 400, 401, 403, 404, 405}
    if response.status_code in {200, 201}:
        assert response.json["client_id"]
        if method == "PUT":
            registered["registration_access_token"] = response.json["registration_access_token"]
    elif response.is_json:
        judge(response)


@pytest.fixture
def registered(app: Flask, browser: FlaskClient, configure: Configure) -> dict[str, str]:
    """A client that has registered itself, at a provider where anybody may."""
    configure(registration="open")
    made = browser.post("/register", json={"redirect_uris": [CALLBACK]})
    assert made.status_code == 201, made.text
    return dict(made.json)
