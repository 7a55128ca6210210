"""DPoP: proofs of a key at the token endpoint, at pushed requests and at userinfo (RFC 9449)."""

import base64
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from joserfc.jwk import OctKey
from joserfc.jwk import OKPKey
from joserfc.jwk import RSAKey
from oidc import CALLBACK
from oidc import VERIFIER
from oidc import Configure
from oidc import a_client
from oidc import an_account
from oidc import answer
from oidc import basic
from oidc import change
from oidc import code_for
from oidc import is_error
from oidc import redeem
from oidc import refresh
from oidc import request_of
from oidc import sign_in
from oidc import tokens_for
from oidc import userinfo
from proofs import ES256
from proofs import ISSUER
from proofs import KEYS
from proofs import OTHER
from proofs import assertion
from proofs import dpop
from proofs import jwks
from proofs import presented
from proofs import proof
from proofs import sign
from werkzeug.test import TestResponse

from idp import tokens
from idp.clock import epoch
from idp.clock import now
from idp.db import db
from idp.models import Client
from idp.provider import provider

SCOPE = "openid email offline_access"


@pytest.fixture
def client(app: Flask, browser: FlaskClient) -> Client:
    provider.store.born()  # before any clock is moved
    sign_in(browser, an_account())
    return a_client()


@pytest.fixture
def nonces(app: Flask, configure: Configure) -> None:
    """The policy that demands nonces."""
    configure(dpop_nonce=True)


def ask(browser: FlaskClient, proof: str | None = None, *more: tuple[str, str]) -> TestResponse:
    """A token request with a proof: one that is believed hears that the code is wrong."""
    headers = [*basic().items(), *([("DPoP", proof)] if proof is not None else []), *more]
    form = {"grant_type": "authorization_code", "code": "x" * 43, "redirect_uri": CALLBACK}
    return browser.post("/token", data=form, headers=headers)


def is_believed(response: TestResponse) -> bool:
    if response.json["error"] == "invalid_grant":
        return is_error(response, "invalid_grant")
    assert is_error(response, "invalid_dpop_proof")
    return False


# A proof


@pytest.mark.parametrize("alg", KEYS)
def test_every_safe_algorithm_is_accepted(browser: FlaskClient, client: Client, alg: str) -> None:
    """RFC 9449 §4.3: an asymmetric algorithm."""
    assert is_believed(ask(browser, proof(key=KEYS[alg], alg=alg)))


@pytest.mark.parametrize(
    "changes",
    [
        {"htu": "HTTP://LOCALHOST:8400/token"},
        {"htu": f"{ISSUER}/token?a=b"},
        {"htu": f"{ISSUER}/token#part"},
        {"htu": f"{ISSUER}/%74oken"},
        {"iat": 0.5},
        {"nbf": 1, "exp": 2},
        {"nonce": "not asked for"},
        {"other": {"claim": [1]}},
        {"ath": "anything"},
        {"header": {"kid": "5", "x5c": ["x"]}},
        {"jti": "x" * 512},
    ],
)
def test_a_proof_may_say_more_or_in_another_spelling(
    browser: FlaskClient, client: Client, changes: dict[str, Any]
) -> None:
    """RFC 9449 §4.2, §4.3; RFC 3986 §6.2.2, §6.2.3."""
    if "iat" in changes:
        changes = {"iat": epoch() + changes["iat"]}

    assert is_believed(ask(browser, proof(**changes)))


WRONG: dict[str, dict[str, Any]] = {
    "no jti": {"jti": None},
    "an empty jti": {"jti": ""},
    "a number as jti": {"jti": 5},
    "an endless jti": {"jti": "x" * 600},
    "no method": {"htm": None},
    "another method": {"htm": "GET"},
    "a lower-case method": {"htm": "post"},
    "no address": {"htu": None},
    "a list as address": {"htu": [f"{ISSUER}/token"]},
    "another address": {"htu": f"{ISSUER}/userinfo"},
    "another host": {"htu": "http://other.example/token"},
    "another port": {"htu": "http://localhost:8401/token"},
    "a default port": {"htu": "http://localhost/token"},
    "another scheme": {"htu": "https://localhost:8400/token"},
    "a longer path": {"htu": f"{ISSUER}/token/"},
    "a path in another case": {"htu": f"{ISSUER}/Token"},
    "a user in the address": {"htu": "http://localhost:8400@evil.example/token"},
    "a user before the address": {"htu": "http://evil@localhost:8400/token"},
    "a broken port": {"htu": "http://localhost:eighty/token"},
    "a broken address": {"htu": "http://[::1/token"},
    "no address at all": {"htu": "token"},
    "a lone surrogate in the address": {"htu": "http://localhost:8400/\ud800"},
    "no time": {"iat": None},
    "a text as time": {"iat": "now"},
    "a boolean as time": {"iat": True},
    "an endless time": {"iat": 1e300},
    "an old time": {"iat": -3600},
    "a time to come": {"iat": 3600},
    "an hour of minutes": {"iat": 61 * 2},
    "no type": {"header": {"typ": None}},
    "another type": {"header": {"typ": "JWT"}},
    "no key": {"header": {"jwk": None}},
    "a text as key": {"header": {"jwk": "x"}},
    "an empty key": {"header": {"jwk": {}}},
    "a private key": {"header": {"jwk": ES256.as_dict(private=True)}},
    "an empty private part": {"header": {"jwk": {**ES256.as_dict(private=False), "p": "x"}}},
    "the key of somebody else": {"header": {"jwk": OTHER.as_dict(private=False)}},
    "a key of another kind": {"header": {"jwk": KEYS["RS256"].as_dict(private=False)}},
    "a key for agreement": {"header": {"jwk": OKPKey.generate_key("X25519").as_dict(private=False)}},
    "a key with a number inside": {"header": {"jwk": {**ES256.as_dict(private=False), "x": 5}}},
    "a point that is not on the curve": {"header": {"jwk": {**ES256.as_dict(private=False), "x": "AAAA"}}},
    "an unknown extension": {"header": {"crit": ["x"], "x": 1}},
    "a secret as key": {
        "key": OctKey.import_key("s" * 43),
        "alg": "HS256",
        "header": {"jwk": {"kty": "oct", "k": "c" * 43}},
    },
    "a small key": {"key": RSAKey.generate_key(1024), "alg": "RS256"},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_proof_proves_nothing(browser: FlaskClient, client: Client, name: str) -> None:
    """RFC 9449 §4.3; the answer never says what was wrong."""
    changes = dict(WRONG[name])
    if isinstance(changes.get("iat"), int) and not isinstance(changes["iat"], bool):
        changes["iat"] += epoch()

    response = ask(browser, proof(**changes))

    assert is_error(response, "invalid_dpop_proof")
    assert response.json["error_description"] == "A DPoP proof is required, valid for this request."


def mangled() -> dict[str, str]:
    right = proof()
    header, claims, signature = right.split(".")
    bare = sign({"typ": "dpop+jwt", "jwk": ES256.as_dict(private=False)}, b"[]", ES256, "ES256")
    return {
        "nothing": "",
        "a word": "proof",
        "no signature": f"{header}.{claims}.",
        "a cut signature": right[:-4],
        "another payload": f"{header}.{proof().split('.')[1]}.{signature}",
        "a list as payload": bare,
        "not JSON": sign({"typ": "dpop+jwt", "jwk": ES256.as_dict(private=False)}, b"{", ES256, "ES256"),
        "alg none": "eyJhbGciOiJub25lIiwidHlwIjoiZHBvcCtqd3QifQ." + claims + ".",
        "too long": right + "x" * 20_000,
        "two": f"{right}, {proof()}",
        "spaces": f"{right} {right}",
    }


@pytest.mark.parametrize("name", mangled())
def test_what_is_no_proof_is_refused(browser: FlaskClient, client: Client, name: str) -> None:
    """RFC 9449 §4.3: well-formed, and not more than one."""
    assert is_error(ask(browser, mangled()[name]), "invalid_dpop_proof")


def test_two_headers_are_refused(browser: FlaskClient, client: Client) -> None:
    """RFC 9449 §4.3: there is not more than one DPoP header."""
    assert is_error(ask(browser, proof(), ("DPoP", proof())), "invalid_dpop_proof")


@pytest.mark.parametrize(
    ("shift", "is_right"), [(-50, True), (-10, True), (10, True), (50, True), (-70, False), (70, False)]
)
def test_a_proof_is_from_about_now(browser: FlaskClient, client: Client, shift: int, is_right: bool) -> None:
    """RFC 9449 §11.1"""
    with time_machine.travel(now() + timedelta(hours=1), tick=False):
        assert is_believed(ask(browser, proof(iat=epoch() + shift))) == is_right


def test_a_proof_counts_once(browser: FlaskClient, client: Client) -> None:
    """RFC 9449 §11.1"""
    once = proof()

    assert is_believed(ask(browser, once))
    assert not is_believed(ask(browser, once))
    assert not is_believed(ask(browser, proof(jti=json_of(once)["jti"])))


def json_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_a_proof_counts_once_until_nobody_would_believe_it(browser: FlaskClient, client: Client) -> None:
    """RFC 9449 §11.1: also where the client's clock is ahead."""
    with time_machine.travel(now() + timedelta(hours=1), tick=False) as clock:
        once = proof(iat=epoch() + 59)
        assert is_believed(ask(browser, once))
        for _ in range(5):
            assert not is_believed(ask(browser, once))
            clock.shift(29)


def test_the_same_jti_of_two_keys_is_two(browser: FlaskClient, client: Client) -> None:
    assert is_believed(ask(browser, proof(jti="same")))
    assert is_believed(ask(browser, proof(jti="same", key=OTHER)))


def test_twenty_at_once_count_once(app: Flask, browser: FlaskClient, client: Client) -> None:
    """Not GET, then SET."""
    once = proof()
    db.session.remove()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ask(app.test_client(), once).json["error"], range(20)))

    assert Counter(answers) == {"invalid_dpop_proof": 19, "invalid_grant": 1}


def test_a_proof_from_before_the_store_began_to_remember_is_refused(
    browser: FlaskClient, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decision 3"""
    monkeypatch.setattr(provider.store, "born", lambda: now() + timedelta(seconds=2))

    assert not is_believed(ask(browser, proof()))


def test_the_host_header_decides_nothing(browser: FlaskClient, client: Client) -> None:
    """Security row 2.29: a proof made for another host is no proof for us."""
    foreign = proof(htu="http://evil.example/token")
    form = {"grant_type": "authorization_code", "code": "x" * 43}

    answers = [
        browser.post("/token", data=form, headers={**basic(), "Host": "evil.example", "DPoP": foreign}),
        browser.post("/token", data=form, headers={**basic(), "Host": "evil.example", "DPoP": proof()}),
    ]

    assert [answer.json["error"] for answer in answers] == ["invalid_dpop_proof", "invalid_grant"]


# At the token endpoint


def test_a_proof_binds_the_access_token(browser: FlaskClient, client: Client) -> None:
    """RFC 9449 §5: token_type DPoP."""
    response = redeem(browser, code_for(browser, client), headers={**basic(), **dpop()})

    assert response.status_code == 200
    assert response.json["token_type"] == "DPoP"
    found = tokens.find(response.json["access_token"])
    assert found is not None
    assert found.authorization.confirmation == {"jkt": ES256.thumbprint()}


def test_without_a_proof_nothing_is_bound(browser: FlaskClient, client: Client) -> None:
    assert tokens_for(browser, client)["token_type"] == "Bearer"


@pytest.mark.parametrize("demand", ["dpop_bound_access_tokens", "profile"])
def test_who_must_bind_cannot_do_without(browser: FlaskClient, client: Client, demand: str) -> None:
    """RFC 9449 §5.2; protocol.md A.3.7.11: 400, and the code is still good."""
    code = code_for(browser, client)
    if demand == "profile":
        change(client, profile="fapi2", token_endpoint_auth_method="private_key_jwt", jwks=jwks())
    else:
        change(client, dpop_bound_access_tokens=True)

    def redeemed(headers: dict[str, str]) -> TestResponse:
        if demand == "profile":
            return redeem(browser, code, headers=headers, **assertion())
        return redeem(browser, code, headers={**basic(), **headers})

    assert is_error(redeemed({}), "invalid_dpop_proof")
    assert redeemed(dpop()).json["token_type"] == "DPoP"


def test_who_is_not_the_client_hears_so_first(browser: FlaskClient, client: Client) -> None:
    response = ask(browser, None)
    wrong = browser.post("/token", data={"grant_type": "refresh_token"}, headers={**basic(secret="x"), "DPoP": "x"})

    assert is_error(response, "invalid_grant")
    assert is_error(wrong, "invalid_client", 401)


def test_a_code_is_bound_to_the_key_that_was_named(browser: FlaskClient, client: Client) -> None:
    """RFC 9449 §10"""
    jkt = ES256.thumbprint()

    for headers in ({}, dpop(key=OTHER)):
        code = code_for(browser, client, dpop_jkt=jkt)
        assert is_error(redeem(browser, code, headers={**basic(), **headers}), "invalid_grant")
        assert is_error(redeem(browser, code, headers={**basic(), **dpop()}), "invalid_grant")
    code = code_for(browser, client, dpop_jkt=jkt)
    assert redeem(browser, code, headers={**basic(), **dpop()}).status_code == 200


def test_only_one_of_twenty_redeems_a_bound_code(app: Flask, browser: FlaskClient, client: Client) -> None:
    """RFC 6749 §4.1.2, each with a proof of its own."""
    code = code_for(browser, client, dpop_jkt=ES256.thumbprint())
    given = [proof() for _ in range(20)]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    db.session.remove()

    def one(each: str) -> int:
        return app.test_client().post("/token", data=form, headers={**basic(), "DPoP": each}).status_code

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(one, given))

    assert Counter(answers) == {200: 1, 400: 19}


# Refresh


def test_a_confidential_client_may_refresh_with_a_new_key(browser: FlaskClient, client: Client) -> None:
    """RFC 9449 §5; protocol.md A.3.7.5"""
    first = redeem(browser, code_for(browser, client, scope=SCOPE), headers={**basic(), **dpop()}).json

    second = refresh(browser, first["refresh_token"], headers={**basic(), **dpop(key=OTHER)}).json

    assert second["token_type"] == "DPoP"
    assert browser.get("/userinfo", headers=presented(second["access_token"], key=OTHER)).status_code == 200
    assert browser.get("/userinfo", headers=presented(second["access_token"])).status_code == 401


def test_a_public_client_must_refresh_with_its_key(app: Flask, browser: FlaskClient) -> None:
    """RFC 9449 §5: refresh tokens of public clients are bound."""
    sign_in(browser, an_account())
    client = a_client(token_endpoint_auth_method="none")
    code = code_for(browser, client, scope=SCOPE)
    first = redeem(browser, code, headers=dpop(), client_id="portal").json

    for headers in ({}, dpop(key=OTHER)):
        response = refresh(browser, first["refresh_token"], headers=headers, client_id="portal")
        assert is_error(response, "invalid_grant")
    second = refresh(browser, first["refresh_token"], headers=dpop(), client_id="portal")
    assert second.status_code == 200
    assert second.json["token_type"] == "DPoP"


def test_a_public_client_that_began_without_a_key_may_take_one(app: Flask, browser: FlaskClient) -> None:
    sign_in(browser, an_account())
    client = a_client(token_endpoint_auth_method="none")
    code = code_for(browser, client, scope=SCOPE)
    first = redeem(browser, code, headers={}, client_id="portal").json

    second = refresh(browser, first["refresh_token"], headers=dpop(), client_id="portal")

    assert second.json["token_type"] == "DPoP"


# Pushed requests


def push(
    browser: FlaskClient, client: Client, *, headers: dict[str, str] | None = None, **changes: Any
) -> TestResponse:
    return browser.post("/par", data=request_of(client, **changes), headers={**basic(), **(headers or {})})


def pushed_code(browser: FlaskClient, client: Client, **changes: Any) -> str:
    reference = push(browser, client, **changes).json["request_uri"]
    query = {"client_id": client.client_id, "request_uri": reference}
    return answer(browser.get("/authorize", query_string=query))["code"]


@pytest.mark.parametrize("way", ["proof", "name", "both"])
def test_a_pushed_request_binds_the_code(browser: FlaskClient, client: Client, way: str) -> None:
    """RFC 9449 §10.1"""
    headers = {} if way == "name" else dpop("/par")
    named = {} if way == "proof" else {"dpop_jkt": ES256.thumbprint()}

    code = pushed_code(browser, client, headers=headers, **named)
    other = pushed_code(browser, client, headers={} if way == "name" else dpop("/par"), **named)

    assert is_error(redeem(browser, other, headers={**basic(), **dpop(key=OTHER)}), "invalid_grant")
    assert redeem(browser, code, headers={**basic(), **dpop()}).status_code == 200


def test_a_pushed_request_with_two_keys_is_refused(browser: FlaskClient, client: Client) -> None:
    """RFC 9449 §10.1: MUST reject where they differ."""
    assert is_error(push(browser, client, headers=dpop("/par"), dpop_jkt=OTHER.thumbprint()), "invalid_dpop_proof")


def test_a_pushed_request_with_a_wrong_proof_is_refused(browser: FlaskClient, client: Client) -> None:
    assert is_error(push(browser, client, headers=dpop("/token")), "invalid_dpop_proof")


# At userinfo


@pytest.fixture
def token(browser: FlaskClient, client: Client) -> str:
    """A bound access token."""
    return str(redeem(browser, code_for(browser, client), headers={**basic(), **dpop()}).json["access_token"])


@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP"])
def test_who_holds_the_key_is_let_in(browser: FlaskClient, token: str, scheme: str) -> None:
    """RFC 9449 §7.1, RFC 9110 §11.1"""
    response = browser.get("/userinfo", headers=presented(token, scheme=scheme))

    assert response.status_code == 200
    assert set(response.json) == {"sub"}


def test_a_bound_token_is_no_bearer_token(browser: FlaskClient, token: str) -> None:
    """RFC 9449 §7.2: the downgrade is refused, and the scheme to use is told."""
    answers = [
        userinfo(browser, token),
        browser.get("/userinfo", headers=presented(token, scheme="Bearer")),
        browser.post("/userinfo", data={"access_token": token}),
        browser.post("/userinfo", data={"access_token": token}, headers=dpop("/userinfo", token=token)),
    ]

    for response in answers:
        assert response.status_code == 401
        assert response.json["error"] == "invalid_token"
        told = response.headers.getlist("WWW-Authenticate")
        assert any(each.startswith("DPoP ") and 'algs="' in each and "ES256" in each for each in told)
        assert any(each.startswith("Bearer ") and 'error="invalid_token"' in each for each in told)


def test_a_bearer_token_is_not_bound_by_presenting_it_so(browser: FlaskClient, client: Client) -> None:
    """RFC 9449 §7.1: the scheme DPoP is for bound tokens."""
    token = tokens_for(browser, client)["access_token"]

    assert browser.get("/userinfo", headers=presented(token)).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"ath": None},
        {"ath": "x"},
        {"ath": 5},
        {"key": OTHER},
        {"htm": "POST"},
        {"htu": f"{ISSUER}/token"},
        {"iat": 1},
        {"header": {"typ": "jwt"}},
    ],
)
def test_a_wrong_proof_opens_nothing(browser: FlaskClient, token: str, changes: dict[str, Any]) -> None:
    """RFC 9449 §7"""
    response = browser.get("/userinfo", headers=presented(token, **changes))

    assert response.status_code == 401
    assert response.json["error"] in {"invalid_dpop_proof", "invalid_token"}
    told = next(each for each in response.headers.getlist("WWW-Authenticate") if each.startswith("DPoP "))
    assert f'error="{response.json["error"]}"' in told


def test_the_proof_of_another_token_opens_nothing(browser: FlaskClient, client: Client, token: str) -> None:
    """RFC 9449 §4.3: ath."""
    other = redeem(browser, code_for(browser, client), headers={**basic(), **dpop()}).json["access_token"]
    headers = {"Authorization": f"DPoP {token}", **dpop("/userinfo", "GET", token=other)}

    assert browser.get("/userinfo", headers=headers).status_code == 401


def test_without_a_proof_nothing_opens(browser: FlaskClient, token: str) -> None:
    response = browser.get("/userinfo", headers={"Authorization": f"DPoP {token}"})

    assert response.status_code == 401


def test_a_proof_opens_once(browser: FlaskClient, token: str) -> None:
    headers = presented(token)

    assert [browser.get("/userinfo", headers=headers).status_code for _ in range(2)] == [200, 401]


def test_a_bound_token_in_the_address_is_refused(browser: FlaskClient, token: str) -> None:
    """RFC 9700 §4.3.2"""
    answers = [
        browser.get("/userinfo", query_string={"access_token": token}, headers=dpop("/userinfo", "GET", token=token)),
        browser.get("/userinfo", query_string={"access_token": token}, headers=presented(token)),
    ]

    assert [answer.status_code for answer in answers] == [400, 400]


# Nonces


def test_a_nonce_is_asked_for_where_the_operator_wants_it(browser: FlaskClient, client: Client, nonces: None) -> None:
    """RFC 9449 §8: asked for by the error, used in the next proof; the first proof may be sent again."""
    first = ask(browser, proof())
    nonce = first.headers["DPoP-Nonce"]

    assert is_error(first, "use_dpop_nonce")
    again = ask(browser, proof(nonce=nonce))
    assert is_believed(again)
    assert again.headers["DPoP-Nonce"] == nonce


@pytest.mark.parametrize("nonce", [5, "", "x", "A" * 43, "\ud800"])
def test_a_wrong_nonce_is_asked_for_anew(browser: FlaskClient, client: Client, nonces: None, nonce: Any) -> None:
    assert is_error(ask(browser, proof(nonce=nonce)), "use_dpop_nonce")


def test_a_nonce_ends(browser: FlaskClient, client: Client, nonces: None) -> None:
    """RFC 9449 §8.2: a new one now and then; the one before still counts for a while."""
    with time_machine.travel(now() + timedelta(hours=1), tick=False) as clock:
        nonce = ask(browser, proof()).headers["DPoP-Nonce"]
        clock.shift(150)
        newer = ask(browser, proof(nonce=nonce))
        assert is_believed(newer)
        assert newer.headers["DPoP-Nonce"] != nonce
        clock.shift(150)
        assert is_error(ask(browser, proof(nonce=nonce)), "use_dpop_nonce")


def test_a_whole_sign_in_with_nonces(browser: FlaskClient, client: Client, nonces: None) -> None:
    """RFC 9449 §8, §9: token endpoint, pushed request and userinfo."""
    asked = push(browser, client, headers=dpop("/par"))
    nonce = asked.headers["DPoP-Nonce"]
    assert is_error(asked, "use_dpop_nonce")
    code = pushed_code(browser, client, headers=dpop("/par", nonce=nonce))
    token = redeem(browser, code, headers={**basic(), **dpop(nonce=nonce)}).json["access_token"]

    refused = browser.get("/userinfo", headers=presented(token))

    assert refused.status_code == 401
    assert 'error="use_dpop_nonce"' in "".join(refused.headers.getlist("WWW-Authenticate"))
    opened = browser.get("/userinfo", headers=presented(token, nonce=refused.headers["DPoP-Nonce"]))
    assert opened.status_code == 200
    assert opened.headers["DPoP-Nonce"] == nonce


def test_no_nonce_is_offered_otherwise(browser: FlaskClient, client: Client) -> None:
    assert "DPoP-Nonce" not in ask(browser, proof()).headers


def test_discovery_names_the_algorithms(browser: FlaskClient) -> None:
    """RFC 9449 §5.1"""
    told = browser.get("/.well-known/openid-configuration").json["dpop_signing_alg_values_supported"]

    assert {"ES256", "PS256", "EdDSA"} <= set(told)
    assert not any(alg.startswith("HS") or alg == "none" for alg in told)
