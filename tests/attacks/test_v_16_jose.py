"""Tokens that somebody made to be believed, wherever one is taken: rows V16 and V17, and sizes: row V18."""

import base64
import hashlib
import hmac
import json
import os
import zlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from joserfc.jwk import ECKey
from joserfc.jwk import RSAKey
from listener import Listener
from listener import listener
from proofs import ES256
from proofs import OTHER
from proofs import assertion
from proofs import sign
from target import ACCESS_TOKEN
from target import STAFF_KEY
from target import Target
from target import answer
from target import family
from target import spent

from idp.clock import epoch

UNSIGNED = ("none", "None", "nOnE", "NONE", "", "ES256", "HS256")
Forge = Callable[[dict[str, Any]], str]


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64_json(value: Any) -> str:
    return b64(json.dumps(value).encode())


def unsigned(alg: str, signature: bytes = b"") -> Forge:
    return lambda claims: f"{b64_json({'alg': alg, 'typ': 'JWT'})}.{b64_json(claims)}.{b64(signature)}"


def macced(secret: bytes, kid: str | None) -> Forge:
    """HS256 with something public as its secret."""

    def forge(claims: dict[str, Any]) -> str:
        header = {"alg": "HS256", "typ": "JWT"} | ({"kid": kid} if kid else {})
        body = f"{b64_json(header)}.{b64_json(claims)}"
        return f"{body}.{b64(hmac.digest(secret, body.encode(), 'sha256'))}"

    return forge


def signed(key: ECKey, **header: Any) -> Forge:
    return lambda claims: sign(header, json.dumps(claims).encode(), key, "ES256")


def confusions(public: dict[str, Any]) -> dict[str, Forge]:
    """The algorithms that would make a public key a secret, and those that sign nothing."""
    key = (ECKey if public["kty"] == "EC" else RSAKey).import_key(public)
    compact = json.dumps(public, separators=(",", ":"), sort_keys=True)
    secrets = {"PEM": key.as_pem(private=False), "DER": key.as_der(private=False), "JWK": compact.encode()}
    secrets["JWK as served"] = json.dumps(public).encode()
    secrets["nothing"] = b""
    kid = public.get("kid")
    return {
        **{f"HS256 with the {name}": macced(secret, kid) for name, secret in secrets.items()},
        **{f"HS256 with the {name}, no kid": macced(secret, None) for name, secret in secrets.items()},
        **{f"alg {alg!r}": unsigned(alg) for alg in UNSIGNED},
        "an empty signature of zeros": unsigned("ES256", b"\x00" * 64),
    }


def own_keys(public: dict[str, Any], canary: str) -> dict[str, Forge]:
    """The attacker's key, offered in every way a header can."""
    mine = OTHER.as_dict(private=False)
    kid = public.get("kid", "x")
    return {
        "jwk": signed(OTHER, jwk=mine),
        "jwk under our kid": signed(OTHER, jwk={**mine, "kid": kid}, kid=kid),
        "jku": signed(OTHER, jku=f"{canary}/jwks", kid="mine"),
        "x5u": signed(OTHER, x5u=f"{canary}/cert"),
        "x5c": signed(OTHER, x5c=["MIIB"]),
        "path": signed(OTHER, kid="../../dev/null"),
        "query": signed(OTHER, kid="' OR 1=1 --"),
        "unknown kid": signed(OTHER, kid="unknown"),
        "our kid": signed(OTHER, kid=kid),
        "no kid": signed(OTHER),
    }


@pytest.fixture
def canary() -> Iterator[Listener]:
    """A server of the attacker's, which nobody should ever call."""
    with listener(tls=False) as server:
        yield server


# --- where tokens are taken ------------------------------------------------------------------------------------------


class Assertion:
    """A client that proves who it is."""

    key = ES256

    def __init__(self, target: Target) -> None:
        self.target, self.public = target, ES256.as_dict(private=False)

    def claims(self) -> dict[str, Any]:
        moment = epoch()
        times = {"iat": moment, "exp": moment + 60, "jti": hashlib.sha256(os.urandom(8)).hexdigest()}
        return {"iss": "keyed", "sub": "keyed", "aud": self.target.issuer, **times}

    def is_believed(self, token: str) -> bool:
        form = {**assertion("keyed"), "client_assertion": token, "token": "x"}
        answered = requests.post(f"{self.target.issuer}/introspect", data=form, timeout=60)
        assert answered.status_code in {200, 401}, answered.text
        return answered.status_code == 200


class RequestObject:
    """An authorization request that its client signed."""

    key = ES256

    def __init__(self, target: Target) -> None:
        self.target, self.public = target, ES256.as_dict(private=False)
        self.browser = target.signed_in()

    def claims(self) -> dict[str, Any]:
        asked = self.target.request_of("keyed")
        return {**asked, "iss": "keyed", "aud": self.target.issuer, "exp": epoch() + 60, "state": "inside"}

    def is_believed(self, token: str) -> bool:
        answered = answer(self.target.authorize(self.browser, "keyed", request=token))
        assert "code" in answered or answered["error"] == "invalid_request_object", answered
        return "code" in answered and answered["state"] == "inside"


class Vouched:
    """Another issuer, whom the operator trusts, that vouches for a person (RFC 7523 §2.1)."""

    key = STAFF_KEY

    def __init__(self, target: Target) -> None:
        self.target, self.public = target, STAFF_KEY.as_dict(private=False)

    def claims(self) -> dict[str, Any]:
        return self.target.vouched()

    def is_believed(self, token: str) -> bool:
        answered = self.target.bring(token)
        assert answered.status_code == 200 or answered.json()["error"] == "invalid_grant", answered.text
        return answered.status_code == 200


class Ours:
    """A token that this provider has signed, and that comes back."""

    def __init__(self, target: Target, genuine: str) -> None:
        self.target, self.genuine = target, genuine
        kid = json.loads(_decoded(genuine.split(".", maxsplit=1)[0]))["kid"]
        published = requests.get(f"{target.issuer}/jwks", timeout=60).json()["keys"]
        self.public = next(key for key in published if key["kid"] == kid)

    def claims(self) -> dict[str, Any]:
        return dict(json.loads(_decoded(self.genuine.split(".")[1])))


class Hint(Ours):
    """An ID token, at the authorization endpoint and at the end of a session."""

    def __init__(self, target: Target) -> None:
        self.browser = target.signed_in()
        super().__init__(target, target.tokens(self.browser)["id_token"])

    def is_believed(self, token: str) -> bool:
        answered = answer(self.target.authorize(self.browser, id_token_hint=token))
        assert "code" in answered or answered["error"] == "invalid_request", answered
        out = self.target.signed_in()
        asks = out.look("/logout", id_token_hint=token)
        if asks.status_code == 200:  # the page that asks: nobody has been signed out
            assert "code" in answer(self.target.authorize(out, prompt="none"))
        return "code" in answered or asks.status_code != 200


class Signed(Ours):
    """An access token in the form of a JWT (RFC 9068), at userinfo and where it is traded (RFC 8693)."""

    def __init__(self, target: Target) -> None:
        super().__init__(target, target.tokens(target.signed_in(), "signed")["access_token"])

    def is_believed(self, token: str) -> bool:
        subject = {"subject_token": token, "subject_token_type": ACCESS_TOKEN}
        good = {"subject_token": self.genuine, "subject_token_type": ACCESS_TOKEN}
        answers = [
            self.target.userinfo(token),
            self.target.exchange("signed", **subject),
            self.target.exchange("signed", **good, actor_token=token, actor_token_type=ACCESS_TOKEN),
        ]
        assert {each.status_code for each in answers} <= {200, 400, 401}, [each.text for each in answers]
        believed = {each.status_code == 200 for each in answers}
        assert len(believed) == 1, [each.text for each in answers]
        return believed.pop()


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


OF_OTHERS = [Assertion, RequestObject, Vouched]
PLACES = [*OF_OTHERS, Hint, Signed]


@pytest.mark.parametrize("place", OF_OTHERS)
def test_v16_the_control_a_rightly_signed_token_is_believed(target: Target, place: Any) -> None:
    here = place(target)

    assert here.is_believed(signed(here.key)(here.claims()))


def test_v16_the_control_one_that_we_signed_is_believed(target: Target) -> None:
    here, hint = Signed(target), Hint(target)

    assert here.is_believed(here.genuine)
    assert "code" in answer(target.authorize(hint.browser, id_token_hint=hint.genuine))


@pytest.mark.parametrize("place", PLACES)
def test_v16_no_algorithm_turns_a_public_key_into_a_secret(target: Target, place: Any) -> None:
    """CVE-2024-37568, CVE-2026-11800."""
    here = place(target)

    believed = [name for name, forge in confusions(here.public).items() if here.is_believed(forge(here.claims()))]

    assert believed == []


@pytest.mark.parametrize("place", PLACES)
def test_v17_a_token_never_brings_its_own_key(target: Target, place: Any, canary: Listener) -> None:
    """CVE-2026-27962: and nobody is called to ask for it."""
    here = place(target)

    believed = [
        name for name, forge in own_keys(here.public, canary.url).items() if here.is_believed(forge(here.claims()))
    ]

    assert believed == []
    assert canary.connections == 0


@pytest.mark.parametrize("place", OF_OTHERS)
def test_v17_an_extension_nobody_understands_is_not_ignored(target: Target, place: Any) -> None:
    """CVE-2025-59420: rightly signed by the client, but with a word in `crit` that we do not know."""
    here = place(target)

    for header in ({"crit": ["x"], "x": 1}, {"crit": ["b64"], "b64": False}, {"crit": []}, {"crit": "exp"}):
        assert not here.is_believed(signed(here.key, **header)(here.claims())), header


# --- sizes -----------------------------------------------------------------------------------------------------------

LARGEST_GROWTH = 20 * 1024 * 1024
MOST_SECONDS = 0.2


def bomb() -> str:
    """An encrypted token whose content would be fifty megabytes."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    content = deflate.compress(b"\x00" * 50_000_000) + deflate.flush()
    return (
        f"{b64_json({'alg': 'dir', 'enc': 'A128GCM', 'zip': 'DEF'})}..{b64(b'0' * 12)}.{b64(content)}.{b64(b'0' * 16)}"
    )


def large_requests(target: Target) -> dict[str, Callable[[], requests.Response]]:
    header = b64(json.dumps({"alg": "ES256", "x": "A" * 1_000_000}).encode())
    smaller = b64(json.dumps({"alg": "ES256", "x": "A" * 90_000}).encode())
    sized = {"1 MB": f"{header}.e30.AA", "90 kB": f"{smaller}.e30.AA", "deep": b64(b'{"a":' * 20_000) + ".e30.AA"}
    browser = target.browser()

    def asserted(token: str) -> Callable[[], requests.Response]:
        form = {**assertion("keyed"), "client_assertion": token, "token": "x"}
        return lambda: requests.post(f"{target.issuer}/introspect", data=form, timeout=60)

    def asked(**changes: str) -> Callable[[], requests.Response]:
        return lambda: browser.post(
            f"{target.issuer}/authorize", data=target.request_of(**changes), allow_redirects=False, timeout=60
        )

    many = [(f"p{number}", "x") for number in range(10_000)]
    return {
        **{f"assertion {name}": asserted(token) for name, token in sized.items()},
        **{f"object {name}": asked(request=token) for name, token in sized.items()},
        **{f"hint {name}": asked(id_token_hint=token) for name, token in sized.items()},
        "assertion bomb": asserted(bomb()),
        "object bomb": asked(request=bomb()),
        "scope": asked(scope="openid " + "a " * 25_000),
        "prompt": asked(prompt="a " * 25_000),
        "claims": asked(claims='{"id_token":' * 20_000),
        "many parameters": lambda: requests.post(f"{target.issuer}/token", data=many, timeout=60),
        "many at authorize": lambda: browser.post(
            f"{target.issuer}/authorize", data=many, allow_redirects=False, timeout=60
        ),
        "body": lambda: requests.post(f"{target.issuer}/token", data={"a": "x" * 10_000_000}, timeout=60),
        "bearer": lambda: target.userinfo("x" * 60_000),
    }


def test_v18_2_27_size_costs_the_sender_and_not_us(each_target: Target) -> None:
    """CVE-2025-61920, CVE-2026-4634: refused, with little work and no memory kept."""
    wasteful = large_requests(each_target)
    for send in wasteful.values():  # whatever is made once has been made
        _refusal(send)
    pids = family(each_target)

    for name, send in wasteful.items():
        seconds, memory = spent(pids)
        status = [_refusal(send) for _ in range(3)]
        after, grown = spent(pids)
        assert all(each in {0, 303, 400, 401, 413, 414, 431} for each in status), (name, status)
        assert name != "body" or set(status) <= {0, 413}, status
        assert (after - seconds) / 3 < MOST_SECONDS, (name, after - seconds)
        assert grown - memory < LARGEST_GROWTH, (name, grown - memory)


def _refusal(send: Callable[[], requests.Response]) -> int:
    """The status; 0 where the connection was closed on us, 303 only with an error for the client."""
    try:
        response = send()
    except requests.ConnectionError:
        return 0
    if response.status_code == 303:
        assert answer(response)["error"].startswith("invalid"), response.headers["Location"]
    return response.status_code
