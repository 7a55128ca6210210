"""What the provider publishes, asks, believes of clocks and lets clients have: rows 2.29, 2.31, 2.33 and 2.34."""

import json
import math
import time
from typing import Any

import pytest
import requests
from joserfc import jwt
from joserfc.errors import InvalidTokenError
from joserfc.jwk import KeySet
from proofs import ES256
from proofs import assertion
from proofs import sign
from target import CALLBACK
from target import WAIT
from target import Browser
from target import Target
from target import answer
from walk import Page

from idp.store.contract import BIRTH
from idp.store.contract import pack

PUBLIC_MEMBERS = {"kty", "use", "kid", "alg", "n", "e", "crv", "x", "y"}
PUBLISHED = (
    *("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"),
    *("/.well-known/oauth-protected-resource/userinfo", "/jwks"),
)
LIES = (
    *({"Host": host} for host in ("evil.test", "evil.test:443", "localhost.evil.test", "[::1]")),
    *({"X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": proto} for proto in ("https", "gopher")),
    *({name: "evil.test"} for name in ("X-Host", "X-Forwarded-Server", "X-Original-Host", "X-HTTP-Host-Override")),
    {"X-Forwarded-Port": "1", "X-Forwarded-Prefix": "/evil", "X-Forwarded-For": "192.0.2.1"},
    {"Forwarded": "host=evil.test;proto=https"},
    {"X-Original-URL": "/evil", "X-Rewrite-URL": "/evil"},
)


# --- 2.29: what is published -----------------------------------------------------------------------------------------


def test_2_29_what_is_published_is_the_same_for_everybody(target: Target) -> None:
    """V26 has the same for messages and pages; OIDC Discovery §4.3."""
    for path in PUBLISHED:
        right = requests.get(f"{target.issuer}{path}", timeout=WAIT)
        assert right.status_code == 200, path

        told = {requests.get(f"{target.issuer}{path}", headers=lie, timeout=WAIT).content for lie in LIES}

        assert told == {right.content}, path
        for address in _addresses(right.json()):
            assert address == target.issuer or address.startswith(f"{target.issuer}/"), (path, address)


def _addresses(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [address for each in value for address in _addresses(each)]
    return [value] if isinstance(value, str) and "://" in value else []


def test_2_29_keys_are_published_without_their_private_half(target: Target) -> None:
    keys = requests.get(f"{target.issuer}/jwks", timeout=WAIT).json()["keys"]

    assert {key["kty"] for key in keys} == {"RSA", "EC"}
    for key in keys:
        assert set(key) <= PUBLIC_MEMBERS, key["kid"]
        assert key["use"] in {"sig", "enc"}, key["kid"]


# --- 2.31: clocks ----------------------------------------------------------------------------------------------------


@pytest.fixture
def old_store(target: Target) -> None:
    """One that remembers for longer than a minute: what was made before it was there is refused (decision 3)."""
    born = pack({"at": "2026-01-01T00:00:00+00:00"})
    target.change("UPDATE store_entry SET value = :born WHERE kind = :kind", born=born, kind=BIRTH[0])


@pytest.mark.usefixtures("old_store")
@pytest.mark.parametrize(("seconds", "is_believed"), [(0, True), (60, True), (-60, True), (300, False), (-300, False)])
def test_2_31_a_client_whose_clock_is_a_minute_off_is_believed(target: Target, seconds: int, is_believed: bool) -> None:
    """Assertions and request objects, made by a clock that is ahead or behind."""
    moment = int(time.time()) + seconds
    times = {"iat": moment, "nbf": moment, "exp": moment + 60}
    proof = assertion("keyed", aud=target.issuer, **times)
    asked = {**target.request_of("keyed"), "iss": "keyed", "aud": target.issuer, **times}

    answered = target.post("/introspect", **proof, token="x")
    authorized = answer(target.authorize(target.signed_in(), "keyed", request=_object(asked)))

    assert (answered.status_code == 200) is is_believed
    assert ("code" in authorized) is is_believed
    if not is_believed:
        assert answered.json()["error"] == "invalid_client"
        assert authorized["error"] == "invalid_request_object"


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_2_31_nothing_is_from_the_future(target: Target, name: str) -> None:
    """One of the times alone, with an end that would do."""
    moment = int(time.time())
    asked = {**target.request_of("keyed"), "iss": "keyed", "aud": target.issuer, "exp": moment + 400}

    for ahead, is_believed in ((60, True), (300, False)):
        proof = assertion("keyed", aud=target.issuer, **{"iat": moment, "exp": moment + 400, name: moment + ahead})
        stated = {**asked, name: moment + ahead}
        assert (target.post("/introspect", **proof, token="x").status_code == 200) is is_believed
        assert ("code" in answer(target.authorize(target.signed_in(), "keyed", request=_object(stated)))) is is_believed


def _object(stated: dict[str, Any]) -> str:
    return sign({}, json.dumps(stated).encode(), ES256, "ES256")


@pytest.mark.parametrize("seconds", [-90, -60, 60])
def test_2_31_our_tokens_are_accepted_by_clients_that_allow_a_minute(target: Target, seconds: int) -> None:
    """A server clock 60 s ahead or 90 s behind is a client's clock that much off the other way."""
    token = target.tokens(target.signed_in())["id_token"]
    keys = KeySet.import_key_set(requests.get(f"{target.issuer}/jwks", timeout=WAIT).json())
    rules = jwt.JWTClaimsRegistry(now=lambda: math.floor(time.time()) - seconds, leeway=60)

    claims = jwt.decode(token, keys, algorithms=["ES256"]).claims

    rules.validate(claims)
    assert "nbf" not in claims


def test_2_31_ninety_seconds_ahead_a_client_may_see_the_future(target: Target) -> None:
    """What `idp doctor` is for: who judges `iat` with a minute's leeway refuses, as it should (row 2.31 says else)."""
    token = target.tokens(target.signed_in())["id_token"]
    keys = KeySet.import_key_set(requests.get(f"{target.issuer}/jwks", timeout=WAIT).json())
    claims = jwt.decode(token, keys, algorithms=["ES256"]).claims
    behind = {"now": lambda: math.floor(time.time()) - 90, "leeway": 60}

    with pytest.raises(InvalidTokenError):
        jwt.JWTClaimsRegistry(**behind).validate(claims)
    jwt.JWTClaimsRegistry(**behind).validate({"exp": claims["exp"]})


# --- 2.33: scopes and claims -----------------------------------------------------------------------------------------


def test_2_33_a_client_gets_no_scope_that_it_is_not_allowed(target: Target) -> None:
    """A11: what is not open to it is left out, at every door, and the answer says what is left."""
    browser, everything = target.signed_in(), "openid profile email address phone pension unknown"
    asked = json.dumps({"userinfo": {"email": None, "phone_number": {"essential": True}, "person_number": None}})

    tokens = target.tokens(browser, "narrow", scope=everything, claims=asked)
    pushed = target.post("/par", "narrow", **target.request_of("narrow", scope=everything)).json()["request_uri"]
    code = answer(browser.look("/authorize", client_id="narrow", request_uri=pushed))["code"]

    assert tokens["scope"] == "openid"
    assert target.redeem(code, "narrow").json()["scope"] == "openid"
    assert set(target.userinfo(tokens["access_token"]).json()) == {"sub"}
    assert target.post("/token", "service", grant_type="client_credentials", scope="pension").json() == {
        **target.post("/token", "service", grant_type="client_credentials", scope="profile").json()
    }
    refused = target.post("/token", "service", grant_type="client_credentials", scope="pension")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")


SHAPES = [
    *("[]", "1", '"x"', "null", "true", "{", "", " ", "x" * 1000, '{"userinfo": []}', '{"id_token": "x"}'),
    *('{"userinfo": {"email": 1}}', '{"userinfo": {"email": []}}', '{"userinfo": {"email": {"essential": "yes"}}}'),
    *('{"userinfo": {"email": {"values": "x"}}}', '{"id_token": {"acr": {"values": [1, null, {}, []]}}}'),
    *('{"userinfo": {"\\u0000": null}}', '{"userinfo": {"__proto__": {}}}', '{"sub": {"value": 1}}'),
    *('{"id_token": {"sub": {"value": {"a": 1}}}}', '{"userinfo": {"email": {"value": NaN}}}', "\ud83d\ude00"),
    *('{"id_token": {"auth_time": {"value": 1e999}}}', '{"userinfo": ' * 5000, "[" * 50_000),
    '{"userinfo": {' + ",".join(f'"c{number}": null' for number in range(6000)) + "}}",
    '{"userinfo": {"' + "x" * 100_000 + '": null}}',
]


def test_2_33_claims_of_any_shape_are_refused_or_left_out(target: Target) -> None:
    """Never a 500, and never a claim that is not open."""
    for shape in SHAPES:
        sent = target.request_of("narrow", claims=shape.encode("utf-16", "surrogatepass").decode("utf-16"))
        browser = target.signed_in()
        answered = browser.post(f"{target.issuer}/authorize", data=sent, allow_redirects=False, timeout=WAIT)
        if "posted_request=" in answered.headers.get("Location", ""):
            answered = browser.look(answered.headers["Location"])
        assert answered.status_code in {303, 400, 413}, (shape[:50], answered.status_code)
        told, asks = answer(answered), "/i/" in answered.headers.get("Location", "")  # for another person, say
        assert answered.status_code != 303 or asks or "code" in told or told["error"] == "invalid_request", shape[:50]
        if "code" in told:
            tokens = target.redeem(told["code"], "narrow").json()
            assert set(target.userinfo(tokens["access_token"]).json()) == {"sub"}, shape[:50]
        pushed = target.post("/par", "narrow", **sent)
        assert pushed.status_code in {201, 400, 413}, (shape[:50], pushed.status_code)


# --- 2.34: consent ---------------------------------------------------------------------------------------------------


def agree(browser: Browser, page: Page) -> dict[str, str]:
    """Say yes on the page of consent."""
    assert "/consent/" in page.url, page.text[:1000]
    return answer(browser.press(page))


def asked_for(target: Target, browser: Browser, scope: str, **more: str) -> Page:
    return Page(
        browser.get(f"{target.issuer}/authorize", params=target.request_of("third", scope=scope, **more), timeout=WAIT)
    )


def test_2_34_consent_is_asked_once_for_each_scope_and_can_be_withdrawn(target: Target) -> None:
    """Decision 7, V10.7: an operator takes it back, and everything that stood on it has ended."""
    person, browser = target.enrolled()
    scope, wider = "openid email offline_access", "openid email phone offline_access"
    silent = {"prompt": "none"}
    assert answer(target.authorize(browser, "third", scope=scope, **silent))["error"] == "consent_required"

    first = target.redeem(agree(browser, asked_for(target, browser, scope))["code"], "third").json()
    assert "code" in answer(target.authorize(browser, "third", scope=scope, **silent)), "once"
    assert "code" in answer(target.authorize(browser, "third", scope="openid", **silent)), "nor for less"
    claims = json.dumps({"userinfo": {"phone_number": None}})
    assert answer(target.authorize(browser, "third", scope=wider, **silent))["error"] == "consent_required"
    assert (
        answer(target.authorize(browser, "third", scope=scope, claims=claims, **silent))["error"] == "consent_required"
    )
    second = target.redeem(agree(browser, asked_for(target, browser, wider))["code"], "third").json()
    pending = target.code(browser, "third", scope=wider)
    device = target.tokens(browser)

    consents = ("clients", "consents")
    assert "third" in target.live.idp(*consents, "list", person.person_number, "--operator", "E").stdout
    withdrawal = ("withdraw", person.person_number, "third", "--operator", "E", "--reason", "asked")
    target.live.idp(*consents, *withdrawal)

    for given in (first, second):
        assert target.userinfo(given["access_token"]).status_code == 401
        assert not target.is_active(given["access_token"], "third")
        assert not target.is_active(given["refresh_token"], "third")
        assert target.refresh(given["refresh_token"], "third").json()["error"] == "invalid_grant"
    assert target.redeem(pending, "third").json()["error"] == "invalid_grant"
    assert answer(target.authorize(browser, "third", scope="openid", **silent))["error"] == "consent_required"
    assert target.userinfo(device["access_token"]).status_code == 200, "other applications go on"
    assert target.live.idp(*consents, *withdrawal, check=False).returncode != 0, "nothing is left to withdraw"


def test_2_34_only_an_operator_makes_a_client_the_funds_own(target: Target) -> None:
    """Whoever registers itself asks, whatever it says of itself; the fund's own never asks."""
    browser = target.signed_in()
    said = {"redirect_uris": [CALLBACK], "client_name": "Own", "first_party": True, "skip_consent": True}
    client = target.register(said).json()["client_id"]

    own = target.authorize(browser, redirect_uri=CALLBACK)
    strange = browser.look("/authorize", **target.request_of(client, redirect_uri=CALLBACK, prompt="none"))
    refused = asked_for(target, browser, "openid")

    assert "code" in answer(own)
    assert answer(strange)["error"] == "consent_required"
    assert "/consent/" in refused.url
    action, fields = refused.form()
    for wrong in ({}, {**fields, "csrf_token": "x"}):  # nobody else says yes in the person's name
        assert "code" not in answer(browser.post(action, data=wrong, allow_redirects=False, timeout=WAIT))
    assert answer(target.authorize(browser, "third", prompt="none"))["error"] == "consent_required"
