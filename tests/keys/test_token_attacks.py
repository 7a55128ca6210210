"""Tokens that somebody made to be believed: other algorithms, other keys, other shapes (RFC 8725 §2, §3)."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

from keys import InvalidToken
from keys import KeyRing
from keys import SigningKey
from keys import Vault
from keys import algorithms

CLAIMS = {"iss": "https://id.example", "sub": "someone"}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64_json(value: Any) -> str:
    return b64(json.dumps(value).encode())


def unsigned(header: Any, signature: bytes = b"") -> str:
    return f"{b64_json(header)}.{b64_json(CLAIMS)}.{b64(signature)}"


def with_hmac(header: Any, secret: bytes, digest: str) -> str:
    start = f"{b64_json(header)}.{b64_json(CLAIMS)}"
    return f"{start}.{b64(hmac.new(secret, start.encode(), digest).digest())}"


@pytest.fixture
def kid(ring: KeyRing) -> str:
    return str(ring.jwks()["keys"][0]["kid"])


@pytest.fixture
def ours(ring: KeyRing, vault: Vault) -> algorithms.AsymmetricKey:
    """Our own private key, to sign what the ring never would."""
    return SigningKey(ring.stored()[0], vault).private


def refused(ring: KeyRing, token: str) -> bool:
    with pytest.raises(InvalidToken):
        ring.verify(token)
    return True


def test_our_own_token_is_believed(ring: KeyRing) -> None:
    assert ring.verify(ring.sign(CLAIMS, alg="ES256")) == CLAIMS


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("ours", ["ES256", "RS256"])
def test_our_public_key_is_no_hmac_secret(node: Callable[..., KeyRing], alg: str, ours: str) -> None:
    """RFC 8725 §2.1: an attacker signs with HMAC and the public key, in every form it is written."""
    ring = node(algorithms=(ours,))
    ring.ensure()
    jwk = ring.jwks()["keys"][0]
    public = (RSAKey if ours == "RS256" else ECKey).import_key(jwk)
    pem = public.as_pem()
    secrets = [pem, pem.strip(), public.as_der(), json.dumps(jwk).encode(), b"", str(jwk["kid"]).encode()]
    secrets.append(json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode())

    for secret in secrets:
        header = {"alg": alg, "kid": jwk["kid"], "typ": "JWT"}
        assert refused(ring, with_hmac(header, secret, f"sha{alg[2:]}"))
        assert refused(ring, with_hmac(header | {"alg": ours}, secret, "sha256"))


@pytest.mark.parametrize("alg", ["none", "None", "nOnE", "NONE", "", " none", "es256", None, 0, [], {}, ["ES256"]])
@pytest.mark.parametrize("signature", [b"", b"\x00" * 64])
def test_no_algorithm_is_not_an_algorithm(ring: KeyRing, kid: str, alg: object, signature: bytes) -> None:
    assert refused(ring, unsigned({"alg": alg, "kid": kid}, signature))
    assert refused(ring, unsigned({"alg": alg}, signature))


def test_a_genuine_token_without_its_signature_is_refused(ring: KeyRing) -> None:
    head, body, signature = ring.sign(CLAIMS, alg="ES256").split(".")

    for token in (f"{head}.{body}.", f"{head}.{body}", f"{head}..{signature}", f"{head}.{body}.{signature}A"):
        assert refused(ring, token)


def test_a_genuine_signature_under_other_claims_is_refused(ring: KeyRing) -> None:
    head, _, signature = ring.sign(CLAIMS, alg="ES256").split(".")

    assert refused(ring, f"{head}.{b64_json(CLAIMS | {'sub': 'someone else'})}.{signature}")


@pytest.mark.parametrize(
    "signature", [b"\x00" * 64, b"\x00" * 63 + b"\x01", b"\xff" * 64, b"\x30\x06\x02\x01\x00\x02\x01\x00"]
)
def test_a_trivial_ecdsa_signature_is_refused(ring: KeyRing, kid: str, signature: bytes) -> None:
    """CVE-2022-21449: r = s = 0 was once believed."""
    assert refused(ring, unsigned({"alg": "ES256", "kid": kid}, signature))


@pytest.mark.parametrize(
    "extra",
    [
        {"jku": "https://attacker.example/jwks"},
        {"x5u": "https://attacker.example/cert"},
        {"x5c": ["MIIB"]},
        {"x5t": "AA"},
        {"x5t#S256": "AA"},
        {"jwk": "own"},
    ],
)
def test_a_token_that_brings_its_key_is_refused(
    ring: KeyRing, kid: str, ours: algorithms.AsymmetricKey, extra: dict[str, Any]
) -> None:
    """RFC 8725 §3.10; refused for the header alone, so even where our own key signed it."""
    own = algorithms.generate("ES256")
    if "jwk" in extra:
        extra = {"jwk": own.as_dict()}

    for key in (own, ours):
        for name in (kid, own.kid):
            assert refused(ring, algorithms.sign(CLAIMS, key, {"alg": "ES256", "kid": name} | extra))


@pytest.mark.parametrize(
    "kid_sent", [None, "", "unknown", "../../dev/null", "' OR 1=1 --", 5, [], {}, True, "k" * 4000]
)
def test_a_kid_that_is_not_ours_is_refused(ring: KeyRing, kid_sent: object) -> None:
    own = algorithms.generate("ES256")
    header = b64_json({"alg": "ES256", "kid": kid_sent})
    genuine = algorithms.sign(CLAIMS, own, {"alg": "ES256", "kid": "x"}).split(".")

    assert refused(ring, f"{header}.{genuine[1]}.{genuine[2]}")


def test_a_token_without_a_kid_is_refused(ring: KeyRing, ours: algorithms.AsymmetricKey) -> None:
    assert refused(ring, algorithms.sign(CLAIMS, ours, {"alg": "ES256"}))


def test_a_stranger_who_knows_our_kid_is_refused(ring: KeyRing, kid: str) -> None:
    assert refused(ring, algorithms.sign(CLAIMS, algorithms.generate("ES256"), {"alg": "ES256", "kid": kid}))


@pytest.mark.parametrize(
    "extra",
    [
        {"crit": ["unknown"], "unknown": 1},
        {"crit": ["b64"], "b64": False},
        {"crit": ["b64"], "b64": True},
        {"b64": False},
        {"crit": []},
        {"crit": ["exp"], "exp": 1},
        {"crit": 5},
        {"crit": [[]]},
        {"crit": None},
        {"typ": 5},
        {"typ": ["JWT"]},
        {"cty": {}},
    ],
)
def test_an_extension_nobody_understands_is_refused(
    ring: KeyRing, kid: str, ours: algorithms.AsymmetricKey, extra: dict[str, Any]
) -> None:
    """RFC 7515 §4.1.11: unknown critical members MUST be refused; the signature here is our own key's."""
    start = f"{b64_json({'alg': 'ES256', 'kid': kid} | extra)}.{b64_json(CLAIMS)}"
    signature = JWSRegistry.algorithms["ES256"].sign(start.encode(), ours)

    assert refused(ring, f"{start}.{b64(signature)}")
    with pytest.raises(InvalidToken):
        ring.verify(f"{start}.{b64(signature)}", typ=["JWT"])


def test_an_rs256_key_does_not_verify_ps256(node: Callable[..., KeyRing], vault: Vault) -> None:
    """RFC 8725 §3.1: one key, one algorithm, even where the mathematics would fit."""
    ring = node(algorithms=("RS256",))
    ring.ensure()
    unlabelled = RSAKey.import_key(SigningKey(ring.stored()[0], vault).private.raw_value)
    token = algorithms.sign(CLAIMS, unlabelled, {"alg": "PS256", "kid": ring.stored()[0].kid})

    assert algorithms.verify(token, unlabelled, "PS256") == CLAIMS
    assert refused(ring, token)


@pytest.mark.parametrize(
    "header",
    [
        "[]",
        '["alg","kid"]',
        '["alg","b64"]',
        '"alg"',
        "5",
        "null",
        "{",
        "",
        "[" * 700,
        '{"a":' * 150,
        "\x00",
        "NaN",
    ],
)
def test_a_header_that_is_no_object_is_refused(ring: KeyRing, header: str) -> None:
    assert refused(ring, f"{b64(header.encode())}.{b64_json(CLAIMS)}.{b64(b'x' * 64)}")


@pytest.mark.parametrize(
    "token", ["", ".", "..", "...", "a.b.c", "é.é.é", "\ud800..", "a.b.c.d.e", " ", "\x00.\x00.\x00"]
)
def test_what_is_no_token_is_refused(ring: KeyRing, token: str) -> None:
    assert refused(ring, token)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c"]), inner, max_size=5
            )
        ),
        max_leaves=8,
    )
)
def test_no_header_ends_in_anything_but_a_refusal(ring: KeyRing, header: object) -> None:
    assert refused(ring, unsigned(header, b"x" * 64))


def test_a_header_of_a_megabyte_is_refused_fast(ring: KeyRing, kid: str) -> None:
    huge = unsigned({"alg": "ES256", "kid": kid, "pad": "x" * 1_000_000}, b"x" * 64)
    deep = f"{b64(b'[' * 1_000_000)}.e30.{b64(b'x' * 64)}"
    dots = "." * 1_000_000

    began = time.perf_counter()
    for token in (huge, deep, dots):
        with pytest.raises(InvalidToken, match="too long"):
            ring.verify(token)

    assert time.perf_counter() - began < 0.5


def test_a_refusal_repeats_nothing_of_the_token(ring: KeyRing) -> None:
    secret = hashlib.sha256(b"secret").hexdigest()

    for token in (
        secret,
        unsigned({"alg": secret, "kid": secret}),
        unsigned({"alg": "ES256", "kid": secret}),
    ):
        with pytest.raises(InvalidToken) as refusal:
            ring.verify(token)
        assert secret not in str(refusal.value)
        assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


@pytest.mark.parametrize("name", ["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5u", "x5c", "x5t"])
def test_a_caller_cannot_set_what_the_ring_decides(ring: KeyRing, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        ring.sign(CLAIMS, alg="ES256", headers={name: "x"})


def test_the_type_is_compared_as_a_media_type(ring: KeyRing) -> None:
    """RFC 8725 §3.11, RFC 7515 §4.1.9: an access token is no ID token."""
    token = ring.sign(CLAIMS, alg="ES256", typ="at+jwt")

    assert ring.verify(token) == CLAIMS
    assert ring.verify(token, typ=["application/at+JWT"]) == CLAIMS
    for typ in (["JWT"], [None, "JWT"], []):
        with pytest.raises(InvalidToken):
            ring.verify(token, typ=typ)
