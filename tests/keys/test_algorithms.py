"""The algorithms: keys that fit them, signatures that verify, hashes as OIDC Core has them."""

import json
import warnings

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey
from joserfc.jwk import OctKey
from joserfc.jwk import OKPKey
from joserfc.jwk import RSAKey

from keys import InvalidToken
from keys import UnusableKey
from keys import algorithms

EC = algorithms.generate("ES256")


@pytest.fixture(scope="module", params=algorithms.SIGNING)
def key(request: pytest.FixtureRequest) -> algorithms.AsymmetricKey:
    return algorithms.generate(request.param)


def test_every_algorithm_we_sign_with_verifies_without_a_warning(key: algorithms.AsymmetricKey) -> None:
    alg = str(key.alg)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        token = algorithms.sign({"sub": "é"}, key, {"alg": alg})
        claims = algorithms.verify(token, key, alg)

    assert claims == {"sub": "é"}


def test_a_new_key_says_what_it_is_for(key: algorithms.AsymmetricKey) -> None:
    assert key.get("use") == "sig"
    assert key.kid == key.thumbprint()
    assert key.is_private


def test_a_key_survives_jwk_and_pem(key: algorithms.AsymmetricKey) -> None:
    from_jwk = algorithms.from_jwk(algorithms.to_jwk(key))
    from_pem = algorithms.from_pem(algorithms.to_pem(key), str(key.alg))

    assert from_jwk.as_dict(private=True) == key.as_dict(private=True)
    assert from_pem.as_dict(private=True) == key.as_dict(private=True)


def test_rsa_keys_have_2048_bits() -> None:
    """FAPI 2.0 Security Profile §5.4.1: RSA keys MUST have a minimum length of 2048 bits."""
    for alg in ("RS256", "PS256"):
        key = algorithms.generate(alg)

        assert isinstance(key, RSAKey)
        assert key.public_key.key_size == 2048


@pytest.mark.parametrize(
    ("alg", "make"),
    [
        ("RS384", lambda: RSAKey.generate_key(2048)),
        ("RS512", lambda: RSAKey.generate_key(2048)),
        ("PS384", lambda: RSAKey.generate_key(2048)),
        ("PS512", lambda: RSAKey.generate_key(2048)),
        ("ES384", lambda: ECKey.generate_key("P-384")),
        ("ES512", lambda: ECKey.generate_key("P-521")),
        ("Ed25519", lambda: OKPKey.generate_key("Ed25519")),
    ],
)
def test_clients_may_use_every_safe_algorithm(alg: str, make: object) -> None:
    key = make()  # type: ignore[operator]
    token = jws.serialize_compact({"alg": alg}, b'{"iss":"client"}', key, algorithms=[alg])

    assert algorithms.verify(token, key, alg) == {"iss": "client"}


def test_no_symmetric_or_absent_algorithm_is_accepted() -> None:
    assert not [alg for alg in algorithms.ACCEPTED if alg.startswith("HS") or alg.lower() == "none"]
    assert "ES256K" not in algorithms.ACCEPTED


@pytest.mark.parametrize("alg", ["none", "HS256", "ES256K", "RS384", ""])
def test_no_key_is_made_for_other_algorithms(alg: str) -> None:
    with pytest.raises(UnusableKey):
        algorithms.generate(alg)


@pytest.mark.parametrize("alg", ["HS256", "none", "None", "ES256K"])
def test_the_caller_cannot_ask_for_an_unsafe_algorithm(alg: str) -> None:
    token = jws.serialize_compact({"alg": "HS256"}, b"{}", OctKey.import_key("s" * 32), algorithms=["HS256"])

    with pytest.raises(InvalidToken):
        algorithms.verify(token, EC, alg)


def test_a_key_of_another_algorithm_does_not_verify() -> None:
    """RFC 8725 §3.1: each key MUST be used with exactly one algorithm."""
    rsa_key = algorithms.generate("PS256")
    unlabelled = RSAKey.import_key(rsa_key.raw_value)
    token = jws.serialize_compact({"alg": "RS256"}, b"{}", unlabelled, algorithms=["RS256"])

    with pytest.raises(InvalidToken):
        algorithms.verify(token, rsa_key, "RS256")
    with pytest.raises(InvalidToken):
        algorithms.verify(token, unlabelled, "PS256")
    with pytest.raises(InvalidToken):
        algorithms.verify(token, EC, "RS256")


def test_an_encryption_key_does_not_verify() -> None:
    raw = ECKey.generate_key("P-256")
    token = jws.serialize_compact({"alg": "ES256"}, b"{}", raw)

    with pytest.raises(InvalidToken):
        algorithms.verify(token, ECKey.import_key(raw.raw_value, {"use": "enc"}), "ES256")


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_small_rsa_key_neither_imports_nor_verifies() -> None:
    """RFC 7518 §3.3: a key of size 2048 bits or larger MUST be used."""
    small = rsa.generate_private_key(65537, 1024)
    pem = small.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key = RSAKey.import_key(small)
    token = jws.serialize_compact({"alg": "RS256"}, b"{}", key)

    with pytest.raises(UnusableKey, match="2048"):
        algorithms.from_pem(pem, "RS256")
    with pytest.raises(UnusableKey, match="2048"):
        algorithms.from_jwk(json.dumps(key.as_dict(private=True)))
    with pytest.raises(InvalidToken):
        algorithms.verify(token, key, "RS256")


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "{}", '{"kty":"EC"}', '{"kty":"EC","crv":"P-256","x":"!","y":"!"}'),
        *('{"kty":"EC","crv":"P-1","x":"AA","y":"AA"}', '{"kty":5}', '{"kty":["RSA"]}', "[" * 5000),
        *('{"kty":"RSA","n":"AQ","e":"AQ"}', '{"kty":"RSA","n":5,"e":{}}', '{"kty":"OKP","crv":[],"x":"AA"}'),
        *('{"kty":"oct","k":"c2VjcmV0"}', '{"kty":"OKP","crv":"Ed25519","x":"AA"}'),
        pytest.param(json.dumps(OKPKey.generate_key("X25519").as_dict()), id="X25519"),
    ],
)
def test_a_jwk_that_cannot_sign_is_refused_in_one_way(text: str) -> None:
    with pytest.raises(UnusableKey):
        algorithms.from_jwk(text)


@pytest.mark.parametrize("pem", [b"", b"-----BEGIN PRIVATE KEY-----\n", EC.as_pem(private=False), b"\xff\x00"])
def test_a_pem_without_a_fitting_private_key_is_refused(pem: bytes) -> None:
    with pytest.raises(UnusableKey):
        algorithms.from_pem(pem, "ES256")


def test_a_pem_of_another_kind_is_refused() -> None:
    for alg in ("RS256", "EdDSA", "ES384", "HS256", "none"):
        with pytest.raises(UnusableKey):
            algorithms.from_pem(EC.as_pem(private=True), alg)


def test_a_pem_on_a_curve_that_jwk_does_not_know_is_refused() -> None:
    pem = ec.generate_private_key(ec.BrainpoolP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

    with pytest.raises(UnusableKey):
        algorithms.from_pem(pem, "ES256")


def test_at_hash_and_c_hash_are_those_of_the_specification() -> None:
    """OIDC Core §A.3 and §A.4: the example token and code, and the hashes in the ID tokens beside them."""
    access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
    code = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk"

    assert algorithms.left_half_hash(access_token, "RS256") == "77QmUPtjPfzWtF2AnpK9RQ"
    assert algorithms.left_half_hash(code, "RS256") == "LDktKdoQak3Pk0cnXxCltA"


@pytest.mark.parametrize(
    ("alg", "length"), [("ES256", 22), ("PS384", 32), ("RS512", 43), ("EdDSA", 43), ("Ed25519", 43)]
)
def test_the_half_hash_follows_the_algorithm(alg: str, length: int) -> None:
    assert len(algorithms.left_half_hash("state", alg)) == length


def test_there_is_no_half_hash_for_a_foreign_algorithm() -> None:
    with pytest.raises(ValueError, match="HS256"):
        algorithms.left_half_hash("x", "HS256")


def test_claims_that_are_not_json_are_not_signed() -> None:
    with pytest.raises(ValueError, match="JSON"):
        algorithms.sign({"exp": float("nan")}, EC, {"alg": "ES256"})


def test_a_claim_with_a_lone_surrogate_can_be_signed() -> None:
    """A nonce may hold one; echoing it must not fail."""
    token = algorithms.sign({"nonce": "\ud800"}, EC, {"alg": "ES256"})

    assert algorithms.verify(token, EC, "ES256") == {"nonce": "\ud800"}


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b'"x"', b"{", b"\xff", b"[" * 20_000])
def test_a_signed_payload_that_is_no_object_is_refused(payload: bytes) -> None:
    token = jws.serialize_compact({"alg": "ES256"}, payload, EC)

    with pytest.raises(InvalidToken):
        algorithms.verify(token, EC, "ES256")


def test_the_warning_we_silence_is_still_there() -> None:
    """Where joserfc no longer gives it, our exception from its rules can go."""
    with pytest.warns(SecurityWarning, match="RFC 9864"):
        jws.serialize_compact({"alg": "EdDSA"}, b"{}", OKPKey.generate_key("Ed25519"), algorithms=["EdDSA"])
