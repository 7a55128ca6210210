"""Client assertions beyond private_key_jwt's own tests: MACs with the secret, and what profiles demand."""

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
from oidc import CALLBACK
from oidc import SECRET
from oidc import VERIFIER
from oidc import Configure
from oidc import a_client
from oidc import an_account
from oidc import basic
from oidc import change
from oidc import code_for
from oidc import is_error
from oidc import sign_in
from proofs import ES256
from proofs import ISSUER
from proofs import KEYS
from proofs import assertion
from proofs import dpop
from proofs import jwks
from werkzeug.test import TestResponse

from idp import client_secrets
from idp import fetcher
from idp.clock import epoch
from idp.clock import now
from idp.db import db
from idp.models import Client
from idp.provider import provider

MAC = OctKey.import_key(SECRET)
OLD = OctKey.import_key("o" * 43)
MACS = ("HS256", "HS384", "HS512")


@pytest.fixture(autouse=True)
def _remembering(app: Flask) -> None:
    """The store began to remember before any assertion is made."""
    provider.store.born()


@pytest.fixture
def client(app: Flask) -> Client:
    """A client of client_secret_jwt."""
    client = a_client(token_endpoint_auth_method="client_secret_jwt")
    db.session.add(client)
    client_secrets.add(client, SECRET)
    db.session.commit()
    return client


def fapi(**more: Any) -> Client:
    """A client of FAPI 2.0."""
    return a_client(
        token_endpoint_auth_method="private_key_jwt",
        profile="fapi2",
        jwks=jwks(ES256, *(KEYS[alg] for alg in ("EdDSA", "PS256", "ES384"))),
        **more,
    )


def ask(browser: FlaskClient, form: dict[str, str], headers: dict[str, str] | None = None) -> TestResponse:
    """A token request of which only the client authentication matters."""
    sent = {"grant_type": "authorization_code", "code": "x" * 43, "redirect_uri": CALLBACK, **form}
    return browser.post("/token", data=sent, headers=headers or {})


def is_proven(response: TestResponse) -> bool:
    if response.status_code == 400:
        return is_error(response, "invalid_grant")
    assert is_error(response, "invalid_client", 401)
    return False


@pytest.mark.parametrize("alg", MACS)
def test_a_mac_with_the_secret_proves_the_client(browser: FlaskClient, client: Client, alg: str) -> None:
    """OIDC Core §9: client_secret_jwt."""
    assert is_proven(ask(browser, assertion(key=MAC, alg=alg)))
    assert is_proven(ask(browser, assertion(key=MAC, alg=alg, aud=f"{ISSUER}/token")))
    assert is_proven(ask(browser, assertion(key=MAC, alg=alg, aud=[ISSUER])))


@pytest.mark.parametrize(
    "changes",
    [
        {"key": OctKey.import_key("t" * 43)},
        {"key": OctKey.import_key(SECRET.upper())},
        {"aud": "https://other.example"},
        {"aud": None},
        {"aud": 5},
        {"iss": "other"},
        {"sub": "other"},
        {"sub": "nobody", "iss": "nobody"},
        {"jti": None},
        {"exp": None},
        {"exp": 1},
        {"header": {"crit": ["x"], "x": 1}},
        {"header": {"alg": "none"}},
        {"header": {"alg": "HS1"}},
        {"header": {"alg": ["HS256"]}},
    ],
)
def test_a_wrong_mac_proves_nothing(browser: FlaskClient, client: Client, changes: dict[str, Any]) -> None:
    header = changes.get("header", {})
    if header.get("alg"):
        form = assertion(key=MAC, alg="HS256")
        form["client_assertion"] = renamed(form["client_assertion"], header["alg"])
    else:
        form = assertion(**{"key": MAC, "alg": "HS256", **changes})

    assert not is_proven(ask(browser, form))


def renamed(token: str, alg: Any) -> str:
    head = base64.urlsafe_b64encode(json.dumps({"alg": alg}).encode()).rstrip(b"=").decode()
    return ".".join([head, *token.split(".")[1:]])


def test_an_assertion_with_a_mac_counts_once(app: Flask, browser: FlaskClient, client: Client) -> None:
    """CVE-2020-15222"""
    form = assertion(key=MAC, alg="HS256")
    db.session.remove()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ask(app.test_client(), form).json["error"], range(20)))

    assert Counter(answers) == {"invalid_client": 19, "invalid_grant": 1}


@pytest.mark.parametrize("life", [60, 660])
def test_an_assertion_counts_once_until_nobody_would_believe_it(
    browser: FlaskClient, client: Client, life: int
) -> None:
    """RFC 7523 §3: `jti` is remembered as long as `exp` and a minute's leeway last, one made with it shows how long."""
    with time_machine.travel(now() + timedelta(hours=1), tick=False) as clock:
        end = epoch() + life
        once, unseen = (assertion(key=MAC, alg="HS256", exp=end) for _ in range(2))
        assert is_proven(ask(browser, once))

        clock.shift(life + 59)

        assert not is_proven(ask(browser, once))
        assert is_proven(ask(browser, unseen))
        clock.shift(1)
        assert not is_proven(ask(browser, assertion(key=MAC, alg="HS256", exp=end)))


def test_two_secrets_live_during_a_rotation(browser: FlaskClient, client: Client) -> None:
    db.session.rollback()
    client_secrets.add(client, "o" * 43, keep_old=True)
    db.session.commit()

    assert is_proven(ask(browser, assertion(key=OLD, alg="HS256")))
    assert is_proven(ask(browser, assertion(key=MAC, alg="HS256")))

    db.session.rollback()
    client_secrets.end_old(client)
    db.session.commit()
    assert not is_proven(ask(browser, assertion(key=MAC, alg="HS256")))


def test_the_registered_algorithm_is_the_only_one(browser: FlaskClient, client: Client) -> None:
    """OIDC Registration §2"""
    change(client, token_endpoint_auth_signing_alg="HS384")

    assert not is_proven(ask(browser, assertion(key=MAC, alg="HS256")))
    assert is_proven(ask(browser, assertion(key=MAC, alg="HS384")))


def test_the_ways_are_not_mixed(browser: FlaskClient, client: Client) -> None:
    """RFC 6749 §2.3; security row V16: each client has its one way."""
    change(client, jwks=jwks(ES256))

    assert not is_proven(ask(browser, assertion()))
    assert not is_proven(ask(browser, assertion(key=MAC, alg="HS256"), basic()))
    assert not is_proven(ask(browser, {**assertion(key=MAC, alg="HS256"), "client_secret": SECRET}))
    assert not is_proven(ask(browser, {}, basic()))
    for method in ("private_key_jwt", "client_secret_basic", "none"):
        change(client, token_endpoint_auth_method=method)
        assert not is_proven(ask(browser, assertion(key=MAC, alg="HS256"))), method


# Audience and profile


@pytest.mark.parametrize("aud", [ISSUER, [ISSUER], f"{ISSUER}/token", [ISSUER, f"{ISSUER}/token"]])
def test_a_client_without_a_profile_may_name_the_endpoint(browser: FlaskClient, app: Flask, aud: Any) -> None:
    """RFC 7523 §3; protocol.md A.3.4.2"""
    a_client(token_endpoint_auth_method="private_key_jwt", jwks=jwks())

    assert is_proven(ask(browser, assertion(aud=aud)))


def test_the_endpoint_that_is_called_may_be_named(browser: FlaskClient, app: Flask) -> None:
    """RFC 9126 §2: issuer, token endpoint or the pushed authorization request endpoint."""
    client = a_client(token_endpoint_auth_method="private_key_jwt", jwks=jwks())
    parameters = {
        "response_type": "code",
        "redirect_uri": client.redirect_uris[0],
        "scope": "openid",
        "code_challenge": "x" * 43,
        "code_challenge_method": "S256",
    }

    def push(aud: Any) -> int:
        return browser.post("/par", data={**parameters, **assertion(aud=aud)}).status_code

    assert [push(f"{ISSUER}{path}") for path in ("/par", "/token", "", "/userinfo", "/introspect")] == [
        *(201, 201, 201, 401, 401)
    ]
    assert not is_proven(ask(browser, assertion(aud=f"{ISSUER}/par")))


@pytest.mark.parametrize("aud", [[ISSUER], f"{ISSUER}/token", f"{ISSUER}/par", f"{ISSUER}/", None, [ISSUER, ISSUER]])
def test_a_profile_takes_the_issuer_alone(browser: FlaskClient, app: Flask, aud: Any) -> None:
    """FAPI 2.0 Security Profile §5.3.2.1: the issuer, as a single text."""
    fapi()

    assert not is_proven(ask(browser, assertion(aud=aud), dpop()))
    assert is_proven(ask(browser, assertion(), dpop()))


@pytest.mark.parametrize("alg", KEYS)
def test_a_profile_limits_the_algorithms(browser: FlaskClient, app: Flask, alg: str) -> None:
    """FAPI 2.0 Security Profile §5.4.1: of assertions and proofs alike."""
    a_client(token_endpoint_auth_method="private_key_jwt", profile="fapi2", jwks=jwks(KEYS[alg], ES256))
    is_strong = alg in {"PS256", "ES256", "EdDSA", "Ed25519"}

    assert is_proven(ask(browser, assertion(key=KEYS[alg], alg=alg), dpop())) == is_strong
    answer = ask(browser, assertion(), dpop(key=KEYS[alg], alg=alg))
    assert answer.json["error"] == ("invalid_grant" if is_strong else "invalid_dpop_proof")


@pytest.mark.parametrize(
    ("changes", "is_right"),
    [
        ({"iat": 8, "nbf": 8}, True),
        ({"nbf": 90}, False),
        ({"iat": 90}, False),
        ({"exp": -300}, False),
    ],
)
def test_a_profile_allows_for_clocks(browser: FlaskClient, app: Flask, changes: dict[str, int], is_right: bool) -> None:
    """FAPI 2.0 Security Profile §5.3.2.1; protocol.md A.3.7.7"""
    fapi()
    at = {name: epoch() + shift for name, shift in changes.items()}

    assert is_proven(ask(browser, assertion(**at), dpop())) == is_right


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "client_secret_jwt", "none"])
def test_a_profile_limits_the_ways(browser: FlaskClient, client: Client, method: str) -> None:
    """FAPI 2.0 Security Profile §5.3.2.1: private_key_jwt or a certificate, whatever was registered."""
    change(client, token_endpoint_auth_method=method, secret_hashes=[client_secrets.fingerprint(SECRET)])
    shows: dict[str, tuple[dict[str, str], dict[str, str]]] = {
        "client_secret_basic": ({}, basic()),
        "client_secret_post": ({"client_id": "portal", "client_secret": SECRET}, {}),
        "client_secret_jwt": (assertion(key=MAC, alg="HS256"), {}),
        "none": ({"client_id": "portal"}, {}),
    }
    form, headers = shows[method]
    assert is_proven(ask(browser, form, headers))

    change(client, profile="fapi2")
    if method == "client_secret_jwt":
        form = assertion(key=MAC, alg="HS256")

    assert not is_proven(ask(browser, form, {**headers, **dpop()}))


def test_discovery_names_the_ways(browser: FlaskClient) -> None:
    document = browser.get("/.well-known/openid-configuration").json

    assert {"client_secret_jwt", "private_key_jwt"} <= set(document["token_endpoint_auth_methods_supported"])
    assert {*MACS, "ES256", "PS256"} <= set(document["token_endpoint_auth_signing_alg_values_supported"])
    assert "none" not in document["token_endpoint_auth_signing_alg_values_supported"]
    assert "none" not in document["introspection_endpoint_auth_methods_supported"]


@pytest.mark.parametrize("changes", [{"token_endpoint_auth_method": "client_secret_basic"}, {"disabled_at": now()}])
def test_nothing_is_fetched_for_a_client_that_cannot_prove_itself_so(
    app: Flask, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    """RFC 6749 §5.2: neither an address of the client's nor the time it takes tells that it exists."""
    asked: list[str] = []
    monkeypatch.setattr(fetcher, "get_keys", asked.append)
    a_client(**{"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://rp.example/jwks", **changes})

    assert not is_proven(ask(browser, assertion()))
    assert asked == []


@pytest.mark.parametrize(("seconds", "is_right"), [(59, True), (62, False)])
def test_a_code_of_fapi_2_never_lives_longer_than_a_minute(
    app: Flask, browser: FlaskClient, configure: Configure, seconds: int, is_right: bool
) -> None:
    """FAPI 2.0 Security Profile §5.3.2.1, whatever the operator set for others."""
    configure(code_seconds=600)
    client = a_client()
    sign_in(browser, an_account())
    code = code_for(browser, client)
    change(client, profile="fapi2", token_endpoint_auth_method="private_key_jwt", jwks=jwks())

    with time_machine.travel(now() + timedelta(seconds=seconds)):
        response = ask(browser, {**assertion(), "code": code, "code_verifier": VERIFIER}, dpop())

    assert (response.status_code == 200) is is_right
    assert is_right or is_error(response, "invalid_grant")
