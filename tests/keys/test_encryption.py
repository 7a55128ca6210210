"""What others encrypt to us: keys that open and never sign, shown, changed, and opening for a while after."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import ECKey
from joserfc.jwk import JWKRegistry
from joserfc.jwk import OctKey

from keys import InvalidToken
from keys import KeyRing
from keys import SigningKey
from keys import UnknownKey
from keys import UnusableKey
from keys import Vault
from keys import algorithms
from keys import encryption

RSA = encryption.generate("RSA-OAEP")
EC = encryption.generate("ECDH-ES")
PAIRS = [(alg, enc) for alg in encryption.ALGORITHMS for enc in encryption.ENCODINGS]
ANYTHING = jwe.JWERegistry(
    algorithms=["RSA1_5", "dir", "A128KW", "DEF", *encryption.ALGORITHMS, *encryption.ENCODINGS],
    strict_check_header=False,
)


@pytest.fixture
def ring(node: Callable[..., KeyRing]) -> KeyRing:
    """A ring that is encrypted to; on a curve only, as RSA keys take their time."""
    ring = node(encryption=("ECDH-ES",))
    ring.ensure()
    return ring


def shown(ring: KeyRing) -> list[dict[str, Any]]:
    return [key for key in ring.jwks()["keys"] if key["use"] == "enc"]


def sealed(ring: KeyRing, text: str = "a.b.c") -> str:
    """What a client makes of the JWKS it fetched."""
    (key,) = shown(ring)
    return encryption.encrypt(text, key, alg="ECDH-ES", enc="A128GCM")


def made_of(header: dict[str, Any], key: Any, text: str = "a.b.c") -> str:
    public = JWKRegistry.import_key({**key.as_dict(private=isinstance(key, OctKey)), "use": "enc"})
    return jwe.encrypt_compact(header, text.encode(), public, registry=ANYTHING)


@pytest.mark.parametrize(("alg", "enc"), PAIRS)
def test_every_algorithm_is_opened_by_its_key(alg: str, enc: str) -> None:
    key = RSA if alg.startswith("RSA") else EC
    token = encryption.encrypt("a.b.c", key.as_dict(private=False), alg=alg, enc=enc, cty="JWT")

    assert encryption.decrypt(token, key) == "a.b.c"


def test_a_key_of_an_unknown_kind_is_not_made(node: Callable[..., KeyRing]) -> None:
    with pytest.raises(UnusableKey, match="RSA-OAEP"):
        encryption.generate("RSA1_5")
    with pytest.raises(ValueError, match="encrypted to"):
        node(encryption=("ES256",))


def test_keys_to_encrypt_to_say_so_and_stand_last(node: Callable[..., KeyRing]) -> None:
    """RFC 7517 §4.2, §4.5: `use` and a kid of its own; no `alg`, as each serves several algorithms."""
    ring = node(encryption=("RSA-OAEP", "ECDH-ES"))
    ring.ensure()

    keys = ring.jwks()["keys"]

    assert [key["use"] for key in keys] == ["sig", "enc", "enc"]
    assert len({key["kid"] for key in keys}) == 3
    assert [set(key) for key in keys[1:]] == [{"kty", "kid", "use", "n", "e"}, {"kty", "kid", "use", "crv", "x", "y"}]
    assert ring.opened == encryption.ALGORITHMS
    assert ring.algorithms == ("ES256",)
    json.dumps(keys)


def test_what_is_encrypted_to_the_ring_is_opened_with_or_without_a_kid(ring: KeyRing) -> None:
    (key,) = shown(ring)
    nameless = {name: value for name, value in key.items() if name != "kid"}

    assert ring.decrypt(sealed(ring)) == "a.b.c"
    assert ring.decrypt(encryption.encrypt("a.b.c", nameless, alg="ECDH-ES", enc="A128GCM")) == "a.b.c"


def test_unknown_members_of_a_header_are_ignored(ring: KeyRing) -> None:
    """RFC 7516 §4."""
    key = ECKey.import_key(shown(ring)[0])
    header = {"alg": "ECDH-ES", "enc": "A128GCM", "kid": key.kid, "iss": "portal", "x-odd": 1, "typ": "JWT"}

    assert ring.decrypt(made_of(header, key)) == "a.b.c"


def test_a_key_that_opens_neither_signs_nor_verifies(ring: KeyRing, vault: Vault) -> None:
    stored = next(key for key in ring.stored() if key.alg == "ECDH-ES")
    private = SigningKey(stored, vault).private
    numbers = {name: value for name, value in private.as_dict(private=True).items() if name not in {"alg", "use"}}
    forged = algorithms.sign({"sub": "x"}, ECKey.import_key(numbers), {"alg": "ES256", "kid": stored.kid})

    with pytest.raises(UnknownKey):
        ring.sign({"sub": "x"}, alg="ECDH-ES")
    with pytest.raises(InvalidToken):
        ring.verify(forged)


def test_a_key_that_signs_opens_nothing(ring: KeyRing) -> None:
    signing = next(key for key in ring.jwks()["keys"] if key["use"] == "sig")
    numbers = {name: value for name, value in signing.items() if name not in {"alg", "use"}}

    for jwk in (numbers, {name: value for name, value in numbers.items() if name != "kid"}):
        with pytest.raises(InvalidToken):
            ring.decrypt(encryption.encrypt("a.b.c", jwk, alg="ECDH-ES", enc="A128GCM"))


def test_a_token_of_the_key_before_is_opened_until_that_is_gone(ring: KeyRing, clock: Any) -> None:
    """OIDC Core §10.2.1: out of the JWKS when the next one begins, kept for those who fetched it before."""
    before, token = shown(ring), sealed(ring)
    first = next(key for key in ring.stored() if key.alg == "ECDH-ES")
    clock.now = first.signs_until - timedelta(days=1, hours=1)
    ring.ensure()
    assert shown(ring) == before, "nobody is told of the next one before it is used"

    clock.now = first.signs_until
    ring.ensure()
    assert [key["kid"] for key in shown(ring)] != [first.kid]
    assert ring.decrypt(token) == ring.decrypt(sealed(ring)) == "a.b.c"

    clock.now = next(key for key in ring.stored() if key.kid == first.kid).shown_until
    with pytest.raises(InvalidToken):
        ring.decrypt(token)


def test_an_emergency_opens_nothing_old(ring: KeyRing) -> None:
    token = sealed(ring)
    signing = [key for key in ring.jwks()["keys"] if key["use"] == "sig"]

    (made,) = ring.rotate("ECDH-ES", emergency=True)

    assert [key["kid"] for key in shown(ring)] == [made.kid]
    assert [key for key in ring.jwks()["keys"] if key["use"] == "sig"] == signing, "the others stay"
    with pytest.raises(InvalidToken):
        ring.decrypt(token)


def test_a_rotation_of_everything_makes_keys_of_every_kind(ring: KeyRing) -> None:
    assert {key.alg for key in ring.rotate(now=True)} == {"ES256", "ECDH-ES"}


def test_a_key_that_another_node_just_made_opens_here(node: Callable[..., KeyRing], ring: KeyRing, clock: Any) -> None:
    other = node(encryption=("ECDH-ES",))
    other.ensure()
    clock.advance(seconds=2)
    ring.rotate(now=True)

    assert other.decrypt(sealed(ring)) == "a.b.c"


def test_a_node_without_keys_to_encrypt_to_still_opens_what_lies_there(
    node: Callable[..., KeyRing], ring: KeyRing
) -> None:
    """The setting may be taken back while requests are under way."""
    other = node()

    assert [key["use"] for key in other.jwks()["keys"]] == ["sig"]
    assert other.decrypt(sealed(ring)) == "a.b.c"


@pytest.mark.filterwarnings("ignore:JWE algorithm:joserfc.errors.SecurityWarning")
@pytest.mark.parametrize(
    ("header", "key"),
    [
        ({"alg": "RSA1_5", "enc": "A128GCM"}, RSA),
        ({"alg": "RSA-OAEP", "enc": "A128GCM", "zip": "DEF"}, RSA),
        ({"alg": "ECDH-ES", "enc": "A128GCM", "zip": "DEF"}, EC),
        ({"alg": "dir", "enc": "A128GCM"}, OctKey.generate_key(128)),
        ({"alg": "A128KW", "enc": "A128GCM"}, OctKey.generate_key(128)),
    ],
)
def test_what_is_not_safe_is_refused_before_any_key_is_used(header: dict[str, Any], key: Any) -> None:
    """RFC 8725 §3.2, §3.6: no RSA1_5, nothing compressed, no shared secret."""
    token = made_of(header, key, "x" * 100_000 if "zip" in header else "a.b.c")

    with pytest.raises(InvalidToken):
        encryption.read_header(token)
    with pytest.raises(InvalidToken):
        encryption.decrypt(token, key)


def test_a_token_that_demands_more_or_is_too_long_is_refused() -> None:
    public = EC.as_dict(private=False)
    _, *rest = encryption.encrypt("a.b.c", public, alg="ECDH-ES", enc="A128GCM").split(".")
    long = encryption.encrypt("x" * 49_000, public, alg="ECDH-ES", enc="A128GCM")

    for header in ('{"alg":"ECDH-ES","enc":"A128GCM","crit":["x"]}', "[]", "5", "null", "{", "[" * 5000):
        part = base64.urlsafe_b64encode(header.encode()).decode().rstrip("=")
        with pytest.raises(InvalidToken):
            encryption.read_header(".".join([part, *rest]))
    with pytest.raises(InvalidToken):
        encryption.read_header(long)


def test_what_is_inside_is_a_token_or_nothing() -> None:
    """A signed token is ASCII; empty or other bytes are no reason to fail in another way."""
    public = EC.as_dict(private=False)
    umlaut = encryption.encrypt("ü", public, alg="ECDH-ES", enc="A128GCM")

    with pytest.raises(InvalidToken):
        encryption.decrypt(umlaut, EC)
    assert encryption.decrypt(encryption.encrypt("", public, alg="ECDH-ES", enc="A128GCM"), EC) == ""


@pytest.mark.parametrize("part", range(5))
@pytest.mark.parametrize("alg", ["ECDH-ES", "ECDH-ES+A128KW", "RSA-OAEP-256"])
def test_no_part_can_be_changed(alg: str, part: int) -> None:
    key = RSA if alg.startswith("RSA") else EC
    parts = encryption.encrypt("a.b.c", key.as_dict(private=False), alg=alg, enc="A128CBC-HS256").split(".")

    for value in ("", "A", "AAAA", parts[part][:-4], parts[part] + "AAAA", "A" * len(parts[part]), "+/=", "é"):
        changed = ".".join([*parts[:part], value, *parts[part + 1 :]])
        if changed.count(".") == 4 and value != parts[part]:
            with pytest.raises(InvalidToken):
                encryption.decrypt(changed, key)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
POINT = st.fixed_dictionaries(
    {},
    optional={
        "kty": st.sampled_from(["EC", "OKP", "RSA", "oct", 5]),
        "crv": st.sampled_from(["P-256", "P-384", "X25519", "", 5]),
        "x": st.sampled_from([EC.as_dict(private=False)["x"], "AA", "", 5]),
        "y": st.sampled_from([EC.as_dict(private=False)["y"], "AA", "", 5]),
    },
)


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries(
        {"alg": st.sampled_from(encryption.ALGORITHMS), "enc": st.sampled_from(encryption.ENCODINGS)},
        optional={"epk": POINT | JSON, "apu": JSON, "apv": JSON, "kid": JSON, "cty": JSON, "typ": JSON, "jwk": JSON},
    ),
    st.lists(st.sampled_from(["", "AAAA", "A" * 22, "A" * 43, "A" * 342, "é", "=", "\x00"]), min_size=4, max_size=4),
)
def test_no_header_ends_in_anything_but_a_refusal(header: dict[str, Any], parts: list[str]) -> None:
    """Also with a point that is on no curve (CVE-2017-16007)."""
    first = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    token = ".".join([first, *parts])

    for key in (RSA, EC):
        with pytest.raises(InvalidToken):
            encryption.decrypt(token, key)
