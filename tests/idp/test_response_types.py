"""What each response type brings to the browser, and that it fits together (OIDC Core §3)."""

import hashlib
import html
import re
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from oidc import Configure
from oidc import a_client
from oidc import an_account
from oidc import answer
from oidc import authorize
from oidc import basic
from oidc import redeem
from oidc import sign_in
from oidc import userinfo
from werkzeug.test import TestResponse

from idp import id_token
from idp.clock import epoch
from idp.models import Client
from idp.provider import provider
from idp.request_rules import RESPONSE_TYPES

TYPES = ["id_token", "id_token token", "code id_token", "code token", "code id_token token"]


def half(value: str) -> str:
    """at_hash and c_hash of ES256, computed by hand (OIDC Core §3.3.2.11)."""
    return urlsafe_b64encode(hashlib.sha256(value.encode()).digest()[:16]).rstrip(b"=").decode()


@pytest.fixture(autouse=True)
def with_implicit(app: Flask, configure: Configure) -> None:
    configure(implicit=True)


def a_client_of(*types: str, **values: Any) -> Client:
    grants = ["authorization_code", "implicit", "refresh_token"]
    return a_client(response_types=list(types), grant_types=grants, **values)


@pytest.mark.parametrize("kind", TYPES)
def test_everything_that_was_asked_comes_in_the_fragment(app: Flask, browser: FlaskClient, kind: str) -> None:
    client = a_client_of(*TYPES)
    sign_in(browser, an_account())

    response = authorize(browser, client, response_type=kind)
    given, kinds = answer(response), kind.split()

    assert "?" not in response.headers["Location"]
    expected = {"state", "iss"} | {each for each in kinds if each != "token"}
    expected |= {"access_token", "token_type", "expires_in", "scope"} if "token" in kinds else set()
    assert set(given) == expected
    if "code" in kinds:
        assert redeem(browser, given["code"]).status_code == 200
    if "token" in kinds:
        assert userinfo(browser, given["access_token"]).status_code == 200


@pytest.mark.parametrize("kind", [kind for kind in TYPES if "id_token" in kind])
def test_the_id_token_vouches_for_what_is_beside_it(app: Flask, browser: FlaskClient, kind: str) -> None:
    """OIDC Core §3.2.2.9, §3.3.2.11."""
    sign_in(browser, an_account())

    given = answer(authorize(browser, a_client_of(*TYPES), response_type=kind))
    stated = id_token.read(given["id_token"])

    assert stated is not None
    assert stated["nonce"] == "nonce-1"
    assert stated.get("c_hash") == (half(given["code"]) if "code" in given else None)
    assert stated.get("at_hash") == (half(given["access_token"]) if "access_token" in given else None)
    assert "s_hash" not in stated


def test_scopes_are_told_in_the_id_token_only_where_no_access_token_is_given(app: Flask, browser: FlaskClient) -> None:
    """OIDC Core §5.4."""
    client, account = a_client_of(*TYPES), an_account("anna@example.ch")
    sign_in(browser, account)

    told = {
        kind: id_token.read(answer(authorize(browser, client, response_type=kind, scope="openid email"))["id_token"])
        for kind in TYPES
        if "id_token" in kind
    }

    assert {kind for kind, stated in told.items() if stated and "email" in stated} == {"id_token"}


@pytest.mark.parametrize("kind", ["code id_token", "code id_token token"])
def test_both_id_tokens_of_one_sign_in_speak_of_the_same(app: Flask, browser: FlaskClient, kind: str) -> None:
    """OIDC Core §3.3.3.6: iss and sub must be identical."""
    sign_in(browser, an_account())
    given = answer(authorize(browser, a_client_of(*TYPES), response_type=kind))
    first = id_token.read(given["id_token"])
    second = id_token.read(redeem(browser, given["code"]).json["id_token"])

    assert first
    assert second
    assert all(first[name] == second[name] for name in ("iss", "sub", "aud", "auth_time", "acr", "nonce"))


@pytest.mark.parametrize(("kind", "scope"), [("id_token token", "openid"), ("code token", "openid offline_access")])
def test_offline_access_is_ignored_where_no_code_is_given(
    app: Flask, browser: FlaskClient, kind: str, scope: str
) -> None:
    """OIDC Core §11: unless the response_type would result in an authorization code being returned."""
    sign_in(browser, an_account())

    given = answer(authorize(browser, a_client_of(*TYPES), response_type=kind, scope="openid offline_access"))

    assert given["scope"] == scope


@pytest.mark.parametrize("kind", ["code token", "code id_token token"])
def test_a_code_that_comes_again_ends_the_token_beside_it(app: Flask, browser: FlaskClient, kind: str) -> None:
    """RFC 6749 §4.1.2: all tokens that were issued for the code, wherever they were."""
    sign_in(browser, an_account())
    given = answer(authorize(browser, a_client_of(*TYPES), response_type=kind))
    redeem(browser, given["code"])

    redeem(browser, given["code"])

    assert userinfo(browser, given["access_token"]).status_code == 401


def test_a_refresh_token_given_back_takes_the_token_beside_its_code_with_it(app: Flask, browser: FlaskClient) -> None:
    """RFC 7009 §2.1: all access tokens of the same authorization grant."""
    sign_in(browser, an_account())
    client = a_client_of(*TYPES)
    given = answer(authorize(browser, client, response_type="code token", scope="openid offline_access"))
    refresh_token = redeem(browser, given["code"]).json["refresh_token"]

    browser.post("/revoke", data={"token": refresh_token}, headers=basic())

    assert userinfo(browser, given["access_token"]).status_code == 401


def test_a_refusal_goes_where_the_answer_would(app: Flask, browser: FlaskClient) -> None:
    response = authorize(browser, a_client_of(*TYPES), response_type="id_token", prompt="none")

    assert answer(response)["error"] == "login_required"
    assert "#" in response.headers["Location"]


def test_a_signed_answer_says_everything_inside(app: Flask, browser: FlaskClient) -> None:
    """JARM §2.1: iss, aud and exp beside the answer's own parameters, and nothing outside."""
    client = a_client()
    sign_in(browser, an_account())

    given = answer(authorize(browser, client, response_mode="jwt"))
    stated = provider.keys.verify(given["response"], typ=["JWT"])

    assert set(given) == {"response"}
    assert (stated["iss"], stated["aud"], stated["state"]) == (provider.settings.issuer, client.client_id, "state-1")
    assert 0 < stated["exp"] - epoch() <= 600
    assert redeem(browser, stated["code"]).status_code == 200


def test_a_signed_refusal_is_signed_too(app: Flask, browser: FlaskClient) -> None:
    given = answer(authorize(browser, a_client(), response_mode="jwt", prompt="none"))
    stated = provider.keys.verify(given["response"], typ=["JWT"])

    assert (stated["error"], stated["state"]) == ("login_required", "state-1")


MISTAKES: dict[str, tuple[dict[str, str | None], str]] = {
    "scope without openid": ({"scope": "email"}, "invalid_scope"),
    "scope missing": ({"scope": None}, "invalid_request"),
    "nobody is signed in": ({"prompt": "none"}, "login_required"),
    "prompt unknown": ({"prompt": "sometimes"}, "invalid_request"),
    "prompts that exclude each other": ({"prompt": "none login"}, "invalid_request"),
    "max_age is no number": ({"max_age": "soon"}, "invalid_request"),
    "claims are no JSON": ({"claims": "{"}, "invalid_request"),
    "the hint is no token": ({"id_token_hint": "a.b.c"}, "invalid_request"),
    "plain challenge": ({"code_challenge_method": "plain"}, "invalid_request"),
    "resource unknown": ({"resource": "https://elsewhere.example"}, "invalid_target"),
    "registration": ({"registration": "{}"}, "registration_not_supported"),
    "request is no object": ({"request": "a.b.c"}, "invalid_request_object"),
    "request_uri not registered": ({"request_uri": "https://rp.example/object"}, "invalid_request_uri"),
    "a value without end": ({"login_hint": "x" * 5000}, "invalid_request"),
}
MODES = ("query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt", "carrier_pigeon")


def told(response: TestResponse) -> tuple[str, dict[str, str]]:
    """The mode in which an answer came, and what it says."""
    if response.status_code == 200:
        found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', response.text)
        way, given = "form_post", {name: html.unescape(value) for name, value in found}
    else:
        way, given = ("fragment" if "#" in response.headers["Location"] else "query"), answer(response)
    if set(given) != {"response"}:
        return way, given
    return f"{way}.jwt", provider.keys.verify(given["response"], typ=["JWT"])


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", ["code", *TYPES])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_refusal_comes_in_the_mode_asked_for(app: Flask, browser: FlaskClient, kind: str, mistake: str) -> None:
    """Multiple Response Types §2.1, §5; JARM §2.3; RFC 9207 §2; a mode that cannot be, and the usual one instead."""
    client = a_client_of("code", *TYPES)
    changes, error = MISTAKES[mistake]
    usual = "query" if kind == "code" else "fragment"

    for mode in MODES:
        asked = f"{usual}.jwt" if mode == "jwt" else mode
        expected = asked if asked in RESPONSE_TYPES[kind] else usual
        way, given = told(authorize(browser, client, response_type=kind, response_mode=mode, **changes))

        assert way == expected, mode
        assert given["state"] == "state-1"
        assert given["iss"] == provider.settings.issuer
        assert given["error"] == error or (expected != asked and given["error"] == "invalid_request"), mode
        assert set(given) <= {"state", "iss", "error", "error_description", "aud", "exp"}
