"""Client authentication: exactly one way, the registered one, and one answer to every failure."""

import base64
import hmac
import json
import statistics
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey
from joserfc.jwk import Key
from joserfc.jwk import OKPKey
from joserfc.jwk import RSAKey
from oidc import CALLBACK
from oidc import SECRET
from oidc import VERIFIER
from oidc import a_client
from oidc import an_account
from oidc import basic
from oidc import change
from oidc import code_for
from oidc import is_error
from oidc import redeem
from oidc import sign_in
from werkzeug.test import TestResponse

from idp import client_secrets
from idp.clock import epoch
from idp.clock import now
from idp.db import db
from idp.provider import provider

ISSUER = "http://localhost:8400"
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ENDPOINTS = ["/token", "/introspect", "/revoke"]


def ask(browser: FlaskClient, *, headers: dict[str, str] | None = None, **form: str) -> TestResponse:
    """A token request of which only the client authentication matters: a proven client hears invalid_grant."""
    sent = {"grant_type": "authorization_code", "code": "x" * 43, "redirect_uri": CALLBACK, **form}
    return browser.post("/token", data=sent, headers=headers or {})


def is_proven(response: TestResponse) -> bool:
    return is_error(response, "invalid_grant") if response.status_code == 400 else False


def encoded(text: str | bytes) -> dict[str, str]:
    raw = text if isinstance(text, bytes) else text.encode()
    return {"Authorization": "Basic " + base64.b64encode(raw).decode()}


# Secrets


def test_a_secret_in_the_header_proves_the_client(app: Flask, browser: FlaskClient) -> None:
    a_client()

    assert is_proven(ask(browser, headers=basic()))
    assert is_proven(ask(browser, headers=basic(), client_id="portal"))


def test_a_secret_in_the_form_proves_the_client(app: Flask, browser: FlaskClient) -> None:
    a_client(token_endpoint_auth_method="client_secret_post")

    assert is_proven(ask(browser, client_id="portal", client_secret=SECRET))


def test_id_and_secret_are_form_urlencoded_in_the_header(app: Flask, browser: FlaskClient) -> None:
    """RFC 6749 §2.3.1; Authlib gap 10: "+" is a space."""
    secret = "a b+c%&:=/?" * 3
    a_client("my.portal", secret_hashes=[client_secrets.fingerprint(secret)])

    assert is_proven(ask(browser, headers=encoded(f"{quote_plus('my.portal')}:{quote_plus(secret)}")))
    assert not is_proven(ask(browser, headers=encoded(f"my.portal:{secret}")))


def test_two_secrets_live_during_a_rotation(app: Flask, browser: FlaskClient) -> None:
    new = client_secrets.make()
    client = a_client(secret_hashes=[client_secrets.fingerprint(new), client_secrets.fingerprint(SECRET)])

    assert is_proven(ask(browser, headers=basic(secret=new)))
    assert is_proven(ask(browser, headers=basic(secret=SECRET)))

    change(client, secret_hashes=client.secret_hashes[:1])
    assert is_proven(ask(browser, headers=basic(secret=new)))
    assert not is_proven(ask(browser, headers=basic(secret=SECRET)))


def test_a_drawn_secret_has_256_bits_of_plain_characters() -> None:
    """RFC 6749 §10.10; nothing in it changes in a URL or header."""
    drawn = {client_secrets.make() for _ in range(50)}

    assert len(drawn) == 50
    assert all(len(secret) == 43 and secret.isascii() and secret.isalnum() for secret in drawn)


def test_no_secret_is_kept(app: Flask) -> None:
    """Authlib gap 23; security row 2.77."""
    client = a_client()

    assert SECRET not in json.dumps(client.secret_hashes)


WRONG = {
    "unknown client": basic("nobody"),
    "wrong secret": basic(secret="t" * 43),
    "empty secret": basic(secret=""),
    "empty id": basic(client_id=""),
    "secret of another case": basic(secret=SECRET.upper()),
    "longer secret": basic(secret=SECRET + "s"),
    "shorter secret": basic(secret=SECRET[:-1]),
    "NUL": basic(secret="\x00"),
    "NUL in the id": basic(client_id="\x00portal"),
    "non-ASCII": basic(secret="\u00e9"),
    "emoji": basic(secret="\U0001f642"),
    "full-width letters": basic(secret="\uff53" * 43),
    "long secret": basic(secret="s" * 60_000),
    "no colon": encoded("portal"),
    "not UTF-8": encoded(b"portal:\xff\xfe"),
    "percent that is not UTF-8": encoded(b"portal:%ff"),
    "loose base64": {"Authorization": "Basic cG9ydGFs OnNz"},
    "url-safe base64": {"Authorization": "Basic cG9_-A"},
    "no padding": {"Authorization": basic()["Authorization"].rstrip("=") + "A"},
    "garbage": {"Authorization": "Basic \u00ff\u00fe"},
    "nothing": {"Authorization": "Basic"},
    "two": {"Authorization": basic()["Authorization"] + ", " + basic()["Authorization"]},
    "tab": {"Authorization": basic()["Authorization"].replace(" ", "\t")},
    "Bearer": {"Authorization": "Bearer " + "x" * 43},
    "none at all": {},
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_failure_reads_the_same(app: Flask, browser: FlaskClient, name: str, endpoint: str) -> None:
    """RFC 6749 §5.2: 401, WWW-Authenticate, invalid_client; Authlib gap 10; security rows 2.21 and 2.24."""
    a_client()
    form = {"grant_type": "authorization_code", "code": "x" * 43, "token": "x" * 43}

    response = browser.post(endpoint, data=form, headers=WRONG[name])

    assert response.status_code == 401
    assert response.json == {"error": "invalid_client", "error_description": "Client authentication failed."}
    assert response.headers["WWW-Authenticate"].startswith("Basic realm=")
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("registered", "headers", "form"),
    [
        ("client_secret_basic", {}, {"client_id": "portal", "client_secret": SECRET}),
        ("client_secret_post", basic(), {}),
        ("private_key_jwt", basic(), {}),
        ("none", basic(), {}),
        ("none", {}, {"client_id": "portal", "client_secret": "x"}),
        ("client_secret_basic", {}, {"client_id": "portal"}),
        ("client_secret_post", {}, {"client_id": "portal"}),
        ("private_key_jwt", {}, {"client_id": "portal"}),
    ],
)
def test_only_the_registered_way_counts(
    app: Flask, browser: FlaskClient, registered: str, headers: dict[str, str], form: dict[str, str]
) -> None:
    """RFC 7591 §2; security row 2.21: a confidential client never passes as a public one."""
    a_client(token_endpoint_auth_method=registered, secret_hashes=[client_secrets.fingerprint(SECRET)])

    assert is_error(ask(browser, headers=headers, **form), "invalid_client", 401)


@pytest.mark.parametrize(
    "form",
    [
        {"client_secret": SECRET},
        {"client_id": "portal", "client_secret": SECRET},
        {"client_assertion_type": TYPE, "client_assertion": "x"},
        {"client_assertion_type": TYPE},
        {"client_id": "other"},
    ],
)
def test_two_ways_at_once_are_refused(app: Flask, browser: FlaskClient, form: dict[str, str]) -> None:
    """RFC 6749 §2.3: MUST NOT use more than one authentication method; Authlib gap 10."""
    a_client()

    assert is_error(ask(browser, headers=basic(), **form), "invalid_client", 401)


def test_a_disabled_client_cannot_prove_anything(app: Flask, browser: FlaskClient) -> None:
    """Security row 2.70."""
    a_client(disabled_at=now())

    assert is_error(ask(browser, headers=basic()), "invalid_client", 401)


def test_an_unknown_client_costs_the_same_time_as_a_wrong_secret(app: Flask, browser: FlaskClient) -> None:
    """Security row 2.22 in small: the comparison is the same work; the full run is `make attacks`."""
    client = a_client()
    times: dict[str, list[float]] = {"unknown": [], "wrong": []}
    for _ in range(300):
        for name, who in (("unknown", None), ("wrong", client)):
            begun = time.perf_counter()
            client_secrets.is_right(who, "t" * 43)
            times[name].append(time.perf_counter() - begun)

    unknown, wrong = statistics.median(times["unknown"]), statistics.median(times["wrong"])
    assert abs(unknown - wrong) < 0.0005


# Public clients


def test_a_public_client_says_who_it_is_and_needs_its_verifier(app: Flask, browser: FlaskClient) -> None:
    """RFC 6749 §3.2.1, RFC 7636"""
    client = a_client(token_endpoint_auth_method="none", application_type="browser")
    sign_in(browser, an_account())

    without = redeem(browser, code_for(browser, client), headers={}, client_id="portal", code_verifier=None)
    right = redeem(browser, code_for(browser, client), headers={}, client_id="portal")

    assert is_error(without, "invalid_grant")
    assert right.status_code == 200


# private_key_jwt

KEYS: dict[str, Key] = {
    "RS256": RSAKey.generate_key(2048, auto_kid=True),
    "ES256": ECKey.generate_key("P-256", auto_kid=True),
    "ES384": ECKey.generate_key("P-384", auto_kid=True),
    "ES512": ECKey.generate_key("P-521", auto_kid=True),
    "EdDSA": OKPKey.generate_key("Ed25519", auto_kid=True),
}
for _alg in ("RS384", "RS512", "PS256", "PS384", "PS512"):
    KEYS[_alg] = KEYS["RS256"]
KEYS["Ed25519"] = KEYS["EdDSA"]


def public(key: Key, **members: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), **members}


def with_key(alg: str = "ES256", **values: Any) -> None:
    a_client(token_endpoint_auth_method="private_key_jwt", **{"jwks": {"keys": [public(KEYS[alg])]}, **values})


def claims(**changes: Any) -> dict[str, Any]:
    moment = epoch()
    stated = {
        "iss": "portal",
        "sub": "portal",
        "aud": f"{ISSUER}/token",
        "iat": moment,
        "exp": moment + 300,
        "jti": f"jti-{time.perf_counter_ns()}",
        **changes,
    }
    return {name: value for name, value in stated.items() if value is not None}


def signed(alg: str = "ES256", key: Key | None = None, header: dict[str, Any] | None = None, **changes: Any) -> str:
    whole = {"alg": alg, **({"kid": (key or KEYS[alg]).kid} if header is None else header)}
    registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
    warnings.simplefilter("ignore", SecurityWarning)
    return jws.serialize_compact(whole, json.dumps(claims(**changes)), key or KEYS[alg], registry=registry)


def assertion(token: str, **form: str) -> dict[str, str]:
    return {"client_assertion_type": TYPE, "client_assertion": token, **form}


@pytest.mark.parametrize("alg", sorted(KEYS))
def test_every_safe_algorithm_proves_the_client(app: Flask, browser: FlaskClient, alg: str) -> None:
    """OIDC Core §9; Authlib gap 11: PS256, RS512, ES384, EdDSA were refused."""
    with_key(alg)

    assert is_proven(ask(browser, **assertion(signed(alg))))
    assert is_proven(ask(browser, **assertion(signed(alg), client_id="portal")))


@pytest.mark.parametrize("audience", [ISSUER, f"{ISSUER}/token", [ISSUER], [f"{ISSUER}/token", ISSUER]])
def test_the_audience_is_the_issuer_or_the_token_endpoint(app: Flask, browser: FlaskClient, audience: Any) -> None:
    """RFC 7523 §3"""
    with_key()

    assert is_proven(ask(browser, **assertion(signed(aud=audience))))


def test_a_key_without_kid_is_found(app: Flask, browser: FlaskClient) -> None:
    """RFC 7515 §4.1.4; protocol.md A.3.4: client keys come without kid."""
    bare = {name: value for name, value in public(KEYS["ES256"]).items() if name != "kid"}
    with_key(jwks={"keys": [public(KEYS["RS256"]), bare]})

    assert is_proven(ask(browser, **assertion(signed(header={"typ": "JWT"}))))
    assert is_proven(ask(browser, **assertion(signed())))


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": None},
        {"aud": "https://other.example"},
        {"aud": [ISSUER, "https://other.example"]},
        {"aud": []},
        {"aud": f"{ISSUER}/"},
        {"aud": {"a": 1}},
        {"iss": "other"},
        {"iss": None},
        {"sub": "other"},
        {"sub": None},
        {"sub": 5},
        {"sub": "\ud800"},
        {"jti": None},
        {"jti": ""},
        {"jti": 5},
        {"jti": "x" * 5000},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 1e300},
    ],
)
def test_an_assertion_with_wrong_claims_proves_nothing(
    app: Flask, browser: FlaskClient, changes: dict[str, Any]
) -> None:
    """RFC 7523 §3; Authlib gap 11."""
    with_key()

    assert is_error(ask(browser, **assertion(signed(**changes))), "invalid_client", 401)


@pytest.mark.parametrize(
    ("changes", "is_accepted"),
    [
        ({"exp": 600}, True),
        ({"exp": 3600 * 2}, False),
        ({"exp": 10 * 365 * 86400}, False),
        ({"exp": -300}, False),
        ({"exp": -61}, False),
        ({"iat": 50}, True),
        ({"iat": 300}, False),
        ({"nbf": 50}, True),
        ({"nbf": 300}, False),
    ],
)
def test_an_assertion_is_short_lived_and_from_now(
    app: Flask, browser: FlaskClient, changes: dict[str, int], is_accepted: bool
) -> None:
    """Security rows 2.31 and V14: 60 s of skew; at most ten minutes ahead."""
    with_key()
    at = {name: epoch() + shift for name, shift in changes.items()}

    assert is_proven(ask(browser, **assertion(signed(**at)))) == is_accepted


def test_an_assertion_counts_once(app: Flask, browser: FlaskClient) -> None:
    """CVE-2020-15222; security row V14."""
    with_key()
    token = signed()

    assert is_proven(ask(browser, **assertion(token)))
    assert is_error(ask(browser, **assertion(token)), "invalid_client", 401)


def test_twenty_at_once_count_once(app: Flask, browser: FlaskClient) -> None:
    """Security row V14: not GET, then SET."""
    with_key()
    token = signed()
    db.session.remove()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ask(app.test_client(), **assertion(token)).json["error"], range(20)))

    assert sorted(answers) == ["invalid_client"] * 19 + ["invalid_grant"]


def test_the_same_jti_of_two_clients_is_two(app: Flask, browser: FlaskClient) -> None:
    with_key()
    a_client("other", token_endpoint_auth_method="private_key_jwt", jwks={"keys": [public(KEYS["ES256"])]})

    assert is_proven(ask(browser, **assertion(signed(jti="same"))))
    assert is_proven(ask(browser, **assertion(signed(jti="same", iss="other", sub="other"))))


def test_an_assertion_from_before_the_store_began_to_remember_is_refused(
    app: Flask, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decision 3: whether it was used is forgotten, so it counts as used."""
    with_key()
    monkeypatch.setattr(provider.store, "born", lambda: now() + timedelta(seconds=2))

    assert is_error(ask(browser, **assertion(signed())), "invalid_client", 401)
    assert is_error(ask(browser, **assertion(signed(iat=None))), "invalid_client", 401)
    assert is_proven(ask(browser, **assertion(signed(iat=epoch() + 5))))


def test_the_registered_algorithm_is_the_only_one(app: Flask, browser: FlaskClient) -> None:
    """OIDC Registration §2; Authlib gap 11."""
    with_key("RS256", token_endpoint_auth_signing_alg="PS256")

    assert is_error(ask(browser, **assertion(signed("RS256"))), "invalid_client", 401)
    assert is_proven(ask(browser, **assertion(signed("PS256"))))


def part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def unsigned(alg: str) -> str:
    return f"{part(json.dumps({'alg': alg}).encode())}.{part(json.dumps(claims()).encode())}."


def with_secret(secret: bytes) -> str:
    """HS256 with something public as its secret."""
    header = b'{"alg": "HS256"}'
    body = f"{part(header)}.{part(json.dumps(claims()).encode())}"
    return f"{body}.{part(hmac.digest(secret, body.encode(), 'sha256'))}"


def with_header(header: dict[str, Any]) -> str:
    """Rightly signed under a header that no library would write."""
    body = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims()).encode())}"
    return f"{body}.{part(jws.JWSRegistry.algorithms['RS256'].sign(body.encode(), KEYS['RS256']))}"


def test_nothing_but_the_clients_own_key_counts(app: Flask, browser: FlaskClient) -> None:
    """CVE-2024-37568, CVE-2026-27962, CVE-2025-59420; security rows V16 and V17."""
    with_key("RS256", jwks={"keys": [public(KEYS["RS256"])]})
    stranger = RSAKey.generate_key(2048, auto_kid=True)
    pem, der = KEYS["RS256"].as_pem(private=False), KEYS["RS256"].as_der(private=False)
    attacks = [
        signed("RS256", stranger),
        signed("RS256", stranger, {"kid": KEYS["RS256"].kid}),
        signed("RS256", stranger, {"jwk": public(stranger)}),
        signed("RS256", stranger, {"jku": "https://evil.test/jwks"}),
        signed("RS256", stranger, {"x5u": "https://evil.test/x5u"}),
        signed("RS256", stranger, {"kid": "../../dev/null"}),
        signed("RS256", None, {"kid": "unknown"}),
        with_header({"alg": "RS256", "kid": KEYS["RS256"].kid, "crit": ["x"], "x": 1}),
        *(with_secret(secret) for secret in (pem, der, json.dumps(public(KEYS["RS256"])).encode())),
        *(unsigned(alg) for alg in ("none", "None", "nOnE", "", "HS256", "RS256")),
        signed("RS256")[:-4],
        signed("RS256") + "A",
    ]
    for token in attacks:
        assert is_error(ask(browser, **assertion(token)), "invalid_client", 401)
    assert is_proven(ask(browser, **assertion(signed("RS256"))))
    assert is_proven(ask(browser, **assertion(with_header({"alg": "RS256", "kid": KEYS["RS256"].kid}))))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b",
        "a.b.c",
        "....",
        "\u00e9.\u00e9.\u00e9",
        "e30.e30.",
        "e30.W10.x",
        "e30.NQ.x",
        "e30." + base64.urlsafe_b64encode(b"[" * 3000).decode() + ".x",
        "x" * 100_000,
        f"e30.{base64.urlsafe_b64encode(b'{' + b'x' * 10_000).decode()}.x",
    ],
)
def test_garbage_is_no_assertion(app: Flask, browser: FlaskClient, token: str) -> None:
    """Security row V18: refused, and never a 500."""
    with_key()

    assert is_error(ask(browser, **assertion(token)), "invalid_client", 401)


def test_the_type_of_the_assertion_is_named(app: Flask, browser: FlaskClient) -> None:
    """RFC 7521 §4.2"""
    with_key()

    assert is_error(ask(browser, client_assertion=signed()), "invalid_client", 401)
    wrong = {"client_assertion": signed(), "client_assertion_type": "urn:x"}
    assert is_error(ask(browser, **wrong), "invalid_client", 401)


def test_an_assertion_for_another_client_id_is_refused(app: Flask, browser: FlaskClient) -> None:
    """RFC 7521 §4.2: client_id MUST identify the same client as the assertion."""
    with_key()

    assert is_error(ask(browser, **assertion(signed(), client_id="other")), "invalid_client", 401)


def test_a_client_with_a_key_redeems_its_code(app: Flask, browser: FlaskClient) -> None:
    with_key()
    sign_in(browser, an_account())
    from idp.server import find_client

    client = find_client("portal")
    assert client is not None
    code = code_for(browser, client)

    response = redeem(browser, code, headers={}, code_verifier=VERIFIER, **assertion(signed()))

    assert response.status_code == 200
