"""The one writer of authorization responses (idp/authorization_response.py), and how they travel."""

import html
import re
from urllib.parse import parse_qsl
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from oidc import a_client
from oidc import an_account
from oidc import answer
from oidc import authorize
from oidc import sign_in

from idp import response as responses

ISSUER = "http://localhost:8400"
STATES = [
    "plain",
    "a b+c%20d&e=f#g?h",
    "quotes\"and'back\\slashes",
    "<script>alert(1)</script>",
    "ünïcödé 漢字 🙂",
    "%0d%0aSet-Cookie: x=y",
    "line\r\nbreak",
    "\x00nul",
    "x" * 4096,
]


def fields(page: str) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
    assert len(dict(found)) == len(found)
    return {name: html.unescape(value) for name, value in found}


@pytest.mark.parametrize("state", STATES)
def test_the_state_comes_back_byte_by_byte(app: Flask, browser: FlaskClient, state: str) -> None:
    """RFC 6749 §4.1.2: the exact value received from the client; security row 2.7."""
    client = a_client()
    sign_in(browser, an_account())

    success = authorize(browser, client, state=state)
    refusal = authorize(browser, client, state=state, scope="email")

    assert answer(success)["state"] == answer(refusal)["state"] == state
    assert "code" in answer(success)
    assert answer(refusal)["error"] == "invalid_scope"


@pytest.mark.parametrize("state", [state for state in STATES if "\n" not in state])
def test_a_posted_answer_carries_the_same_values(app: Flask, browser: FlaskClient, state: str) -> None:
    """OAuth 2.0 Form Post Response Mode §2: values are HTML-escaped, not percent-encoded (Authlib gap 2)."""
    client = a_client()
    sign_in(browser, an_account())

    response = authorize(browser, client, state=state, response_mode="form_post")

    sent = fields(response.text)
    assert response.status_code == 200
    assert sent["state"] == state
    assert sent["iss"] == ISSUER
    assert set(sent) == {"code", "state", "iss"}
    assert f'action="{client.redirect_uris[0]}"' in response.text


def test_an_error_can_be_posted_too(app: Flask, browser: FlaskClient) -> None:
    """OAuth 2.0 Form Post Response Mode §2, OIDC Core §3.1.2.6."""
    response = authorize(browser, a_client(), response_mode="form_post", prompt="none")

    assert fields(response.text)["error"] == "login_required"
    assert fields(response.text)["iss"] == ISSUER
    assert fields(response.text)["state"] == "state-1"


def test_a_posted_answer_may_go_to_the_client_and_runs_no_inline_script(app: Flask, browser: FlaskClient) -> None:
    """Decision 14."""
    response = authorize(browser, a_client(), response_mode="form_post", prompt="none")

    policy = response.headers["Content-Security-Policy"]
    assert "form-action 'self' https://rp.example;" in policy
    assert "unsafe-inline" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)", response.text)
    assert "onload" not in response.text
    assert '<button class="btn primary" type="submit">' in response.text


@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_every_answer_names_the_issuer(app: Flask, browser: FlaskClient, mode: str) -> None:
    """RFC 9207 §2, in success and error, in every mode; security row 2.6."""
    client = a_client()
    discovered = browser.get("/.well-known/openid-configuration").json["issuer"]
    sign_in(browser, an_account())

    for changes in ({}, {"scope": "email"}, {"prompt": "none", "max_age": "0"}, {"response_type": "token"}):
        response = authorize(browser, client, response_mode=mode, **changes)
        sent = answer(response) if mode == "query" else fields(response.text)
        assert sent["iss"] == discovered


@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_no_cache_and_no_referrer_keeps_an_answer(app: Flask, browser: FlaskClient, mode: str) -> None:
    """RFC 9700 §4.2; security row 2.14."""
    sign_in(browser, an_account())

    response = authorize(browser, a_client(), response_mode=mode)

    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Referrer-Policy"] == "no-referrer"


def test_a_redirect_is_a_303_with_an_empty_body(app: Flask, browser: FlaskClient) -> None:
    """RFC 9700 §4.12: never 307, which would post credentials on; security row 2.13."""
    sign_in(browser, an_account())

    response = authorize(browser, a_client())

    assert response.status_code == 303
    assert response.data == b""


def test_the_query_of_a_registered_address_is_kept(app: Flask, browser: FlaskClient) -> None:
    """RFC 6749 §3.1.2: the query component MUST be retained."""
    uri = "https://rp.example/cb?tenant=1&b=%2F%20'"
    client = a_client(redirect_uris=[uri])
    sign_in(browser, an_account())

    location = authorize(browser, client).headers["Location"]

    assert location.startswith(f"{uri}&code=")
    assert dict(parse_qsl(urlsplit(location).query))["tenant"] == "1"


@pytest.mark.parametrize(
    ("uri", "wanted"),
    [
        ("https://a.example/cb", "https://a.example/cb?x=1"),
        ("https://a.example/cb?", "https://a.example/cb?x=1"),
        ("https://a.example/cb?y=2", "https://a.example/cb?y=2&x=1"),
        ("ch.fund.app:/cb", "ch.fund.app:/cb?x=1"),
    ],
)
def test_parameters_are_added_behind_those_that_are_there(uri: str, wanted: str) -> None:
    assert responses.with_params(uri, {"x": "1"}) == wanted
    assert responses.with_params(uri, {}) == uri


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://a.example/cb?x=1", "https://a.example"),
        ("http://localhost:8401/cb", "http://localhost:8401"),
        ("ch.fund.app:/cb", "ch.fund.app:"),
    ],
)
def test_the_origin_of_an_address_is_what_a_policy_names(uri: str, origin: str) -> None:
    assert responses.origin_of(uri) == origin
