"""Certificates of clients, from the proxy's header: as authentication, and as what tokens are bound to (RFC 8705)."""

import base64
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from flask import Flask
from flask.testing import FlaskClient
from joserfc.jwk import ECKey
from oidc import CALLBACK
from oidc import Configure
from oidc import a_client
from oidc import an_account
from oidc import basic
from oidc import change
from oidc import code_for
from oidc import is_error
from oidc import redeem
from oidc import refresh
from oidc import sign_in
from oidc import userinfo
from proofs import dpop
from proofs import presented
from werkzeug.test import TestResponse

from idp import client_certificate
from idp import tokens
from idp.clock import now
from idp.db import db
from idp.settings import BadSetting
from idp.settings import load

SUBJECT = "CN=portal,O=Caisse Valora\\, Bâle,C=CH"
SCOPE = "openid offline_access"
PKI = {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": SUBJECT, "secret_hashes": []}

PERSON = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "CH"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Caisse Valora, Bâle"),
        x509.NameAttribute(NameOID.COMMON_NAME, "portal"),
    ]
)


def certificate(
    subject: x509.Name = PERSON, *names: x509.GeneralName, key: ec.EllipticCurvePrivateKey | None = None
) -> x509.Certificate:
    """A certificate signed by its own key: who signed it is the proxy's to judge."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=1))
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return made.sign(key, hashes.SHA256())


OURS = certificate()
FOREIGN = certificate()


def shown(each: x509.Certificate = OURS, verified: str = "SUCCESS") -> dict[str, str]:
    """The headers that nginx sets."""
    return {"X-Client-Cert": quote(each.public_bytes(Encoding.PEM)), "X-Client-Verify": verified}


@pytest.fixture
def proxy(configure: Configure) -> None:
    """A proxy in front that passes certificates on."""
    configure(client_certificate_header="X-Client-Cert", client_certificate_verified_header="X-Client-Verify")


def ask(browser: FlaskClient, headers: dict[str, str], **form: str) -> TestResponse:
    """A token request of which only the client authentication matters."""
    sent = {"grant_type": "authorization_code", "code": "x" * 43, "redirect_uri": CALLBACK, **form}
    return browser.post("/token", data={"client_id": "portal", **sent}, headers=headers)


def is_proven(response: TestResponse) -> bool:
    if response.status_code == 400:
        return is_error(response, "invalid_grant")
    assert is_error(response, "invalid_client", 401)
    return False


# Reading


def der(each: x509.Certificate) -> str:
    return base64.b64encode(each.public_bytes(Encoding.DER)).decode()


@pytest.mark.parametrize(
    "value",
    [
        quote(OURS.public_bytes(Encoding.PEM)),
        quote(OURS.public_bytes(Encoding.PEM), safe=""),
        OURS.public_bytes(Encoding.PEM).decode().replace("\n", " "),
        f":{der(OURS)}:",
        der(OURS),
    ],
    ids=["quoted", "quoted wholly", "spaces", "RFC 9440", "bare"],
)
def test_every_proxys_form_is_read(browser: FlaskClient, proxy: None, value: str) -> None:
    """RFC 9440 §2.1; nginx; HAProxy."""
    a_client(**PKI)

    assert is_proven(ask(browser, {"X-Client-Cert": value, "X-Client-Verify": "SUCCESS"}))


@pytest.mark.parametrize(
    "value",
    ["", " ", "x", "::", ":x:", "%00", "(null)", "%ff%fe", der(OURS)[:-8], f"{der(OURS)},{der(OURS)}", "A" * 20_000],
)
def test_what_is_no_certificate_counts_as_none(browser: FlaskClient, proxy: None, value: str) -> None:
    a_client(**PKI)

    assert not is_proven(ask(browser, {"X-Client-Cert": value, "X-Client-Verify": "SUCCESS"}))


VERSION_3, DNS_NAME = b"\xa0\x03\x02\x01\x02", b"\x82\x09a.example"


@pytest.mark.parametrize(
    ("part", "other"),
    [(VERSION_3, b"\xa0\x03\x02\x01\x09"), (DNS_NAME, b"\xa3\x09a.example"), (DNS_NAME, b"\xa5\x09a.example")],
)
def test_a_certificate_of_a_kind_nobody_knows_proves_nothing(
    browser: FlaskClient, proxy: None, part: bytes, other: bytes
) -> None:
    """A version to come, a name by X.400 or EDI: the client's mistake, never ours."""
    a_client(**{**PKI, "tls_client_auth_subject_dn": None, "tls_client_auth_san_dns": "a.example"})
    right = certificate(PERSON, x509.DNSName("a.example")).public_bytes(Encoding.DER)
    assert part in right

    value = base64.b64encode(right.replace(part, other)).decode()

    assert not is_proven(ask(browser, {"X-Client-Cert": value, "X-Client-Verify": "SUCCESS"}))


def test_without_the_setting_nobody_reads_the_header(app: Flask, browser: FlaskClient) -> None:
    """A header that clients can send proves nothing."""
    a_client(**PKI)

    assert not is_proven(ask(browser, shown()))


# tls_client_auth


@pytest.mark.parametrize(
    "written",
    [
        SUBJECT,
        "CN=portal, O=Caisse Valora\\, Bâle, C=CH",
        "cn=portal,o=Caisse Valora\\, B\\c3\\a2le,c=CH",
        "2.5.4.3=portal,O=Caisse Valora\\2c Bâle,C=CH",
    ],
)
def test_the_subject_is_compared_by_its_parts(browser: FlaskClient, proxy: None, written: str) -> None:
    """RFC 8705 §2.1.2, RFC 4514 §2, §3"""
    a_client(**{**PKI, "tls_client_auth_subject_dn": written})

    assert is_proven(ask(browser, shown()))
    assert is_proven(ask(browser, shown(FOREIGN))), "another certificate of the same name"


@pytest.mark.parametrize(
    "written",
    [
        "CN=portal",
        "C=CH,O=Caisse Valora\\, Bâle,CN=portal",
        "CN=Portal,O=Caisse Valora\\, Bâle,C=CH",
        "CN=portal,O=Caisse Valora,C=CH",
        "CN=portal\\,O=Caisse Valora\\, Bâle,C=CH",
        "CN=portal+O=Caisse Valora\\, Bâle,C=CH",
        "portal",
        "X=1",
        "=",
        ",",
    ],
)
def test_another_subject_is_another_client(browser: FlaskClient, proxy: None, written: str) -> None:
    a_client(**{**PKI, "tls_client_auth_subject_dn": written})

    assert not is_proven(ask(browser, shown()))


def test_a_part_of_several_values_is_read() -> None:
    """RFC 4514 §2.2"""
    read = client_certificate.read_subject("CN=a + OU=b, emailAddress=x@example.ch, O=c")

    assert [len(list(part)) for part in read.rdns] == [1, 1, 2]
    assert read.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)[0].value == "x@example.ch"


NAMES = {
    "tls_client_auth_san_dns": ("Portal.Example.ch", x509.DNSName("portal.example.ch")),
    "tls_client_auth_san_uri": ("spiffe://fund/portal", x509.UniformResourceIdentifier("spiffe://fund/portal")),
    "tls_client_auth_san_ip": ("2001:db8:0::1", x509.IPAddress(ip_address("2001:db8::1"))),
    "tls_client_auth_san_email": ("it@example.ch", x509.RFC822Name("it@example.ch")),
}


@pytest.mark.parametrize("member", NAMES)
def test_an_alternative_name_proves_the_client(browser: FlaskClient, proxy: None, member: str) -> None:
    """RFC 8705 §2.1.2"""
    written, name = NAMES[member]
    a_client(**{**PKI, "tls_client_auth_subject_dn": None, member: written})
    others = [other for _, other in NAMES.values() if other != name]

    assert is_proven(ask(browser, shown(certificate(PERSON, x509.DNSName("a.example"), name))))
    assert not is_proven(ask(browser, shown(certificate(PERSON, *others))))
    assert not is_proven(ask(browser, shown()))


def test_everything_registered_must_be_there(browser: FlaskClient, proxy: None) -> None:
    a_client(**{**PKI, "tls_client_auth_san_dns": "portal.example.ch"})

    assert not is_proven(ask(browser, shown()))
    assert is_proven(ask(browser, shown(certificate(PERSON, x509.DNSName("portal.example.ch")))))


def test_where_nothing_is_registered_nobody_is_proven(browser: FlaskClient, proxy: None) -> None:
    a_client(**{**PKI, "tls_client_auth_subject_dn": None})

    assert not is_proven(ask(browser, shown()))


@pytest.mark.parametrize("verified", ["FAILED:self-signed certificate", "NONE", "", "success", "SUCCESS,FAILED", None])
def test_only_a_verified_chain_counts(browser: FlaskClient, proxy: None, verified: str | None) -> None:
    """RFC 8705 §2.1: the proxy says so, in one word."""
    a_client(**PKI)
    headers = shown(verified=verified or "")
    if verified is None:
        del headers["X-Client-Verify"]

    assert not is_proven(ask(browser, headers))


def test_a_proxy_that_says_nothing_verifies_nothing(browser: FlaskClient, configure: Configure) -> None:
    configure(client_certificate_header="X-Client-Cert")
    a_client(**PKI)

    assert not is_proven(ask(browser, shown()))


# self_signed_tls_client_auth


def jwk(each: x509.Certificate, *, chain: bool = True) -> dict[str, Any]:
    members = ECKey.import_key(each.public_key()).as_dict(private=False)  # type: ignore[arg-type]
    return {**members, "x5c": [der(each)]} if chain else members


def self_signed(*keys: dict[str, Any], **more: Any) -> Any:
    return a_client(
        token_endpoint_auth_method="self_signed_tls_client_auth", secret_hashes=[], jwks={"keys": list(keys)}, **more
    )


@pytest.mark.parametrize("chain", [True, False])
def test_a_registered_certificate_proves_the_client(browser: FlaskClient, proxy: None, chain: bool) -> None:
    """RFC 8705 §2.2.2: whoever signed it, and whatever the proxy thinks of that."""
    self_signed({"kty": "oct", "k": "AAAA"}, jwk(FOREIGN, chain=chain), jwk(OURS, chain=chain))

    assert is_proven(ask(browser, shown(verified="FAILED:self-signed certificate")))
    assert not is_proven(ask(browser, shown(certificate())))


def test_another_certificate_for_the_key_is_another(browser: FlaskClient, proxy: None) -> None:
    """RFC 8705 §2.2: where a certificate is registered, the key alone is not enough."""
    key = ec.generate_private_key(ec.SECP256R1())
    first, second = certificate(key=key), certificate(key=key)
    self_signed(jwk(first))

    assert is_proven(ask(browser, shown(first)))
    assert not is_proven(ask(browser, shown(second)))


@pytest.mark.parametrize("x5c", ["x", [], [5], [""], {}, [None]])
def test_an_odd_chain_fits_nobody(browser: FlaskClient, proxy: None, x5c: Any) -> None:
    self_signed({**jwk(OURS), "x5c": x5c})

    assert not is_proven(ask(browser, shown()))


# Exactly one way


def test_the_registered_way_is_the_only_one(browser: FlaskClient, proxy: None) -> None:
    """RFC 8705 §2: a certificate proves only clients registered for it, and nothing else proves those."""
    client = a_client(**PKI, jwks={"keys": [jwk(OURS)]})

    assert is_proven(ask(browser, shown()))
    assert not is_proven(ask(browser, {}))
    assert not is_proven(ask(browser, {**shown(), **basic()}))
    assert not is_proven(ask(browser, shown(), client_secret="x"))
    assert not is_proven(ask(browser, shown(), client_id="nobody"))
    for method in ("client_secret_basic", "client_secret_post", "private_key_jwt", "client_secret_jwt"):
        change(client, token_endpoint_auth_method=method)
        assert not is_proven(ask(browser, shown())), method
    change(client, token_endpoint_auth_method="self_signed_tls_client_auth")
    assert is_proven(ask(browser, shown()))
    change(client, jwks={"keys": [jwk(FOREIGN)]})
    assert not is_proven(ask(browser, shown()))
    change(client, token_endpoint_auth_method="none")
    assert is_proven(ask(browser, shown()))
    change(client, disabled_at=now())
    assert not is_proven(ask(browser, shown()))


# Bound tokens


BOUND = {"tls_client_certificate_bound_access_tokens": True}


def test_a_certificate_binds_the_access_token(browser: FlaskClient, proxy: None) -> None:
    """RFC 8705 §3: x5t#S256, checked at the resource."""
    sign_in(browser, an_account())
    client = a_client(**BOUND)

    body = redeem(browser, code_for(browser, client), headers={**basic(), **shown()}).json

    assert body["token_type"] == "Bearer"
    found = tokens.find(body["access_token"])
    assert found is not None
    assert found.authorization.confirmation == {"x5t#S256": client_certificate.thumbprint(OURS)}
    bearer = {"Authorization": f"Bearer {body['access_token']}"}
    assert browser.get("/userinfo", headers={**bearer, **shown()}).status_code == 200
    in_other_letters = {"Authorization": f"bEaReR {body['access_token']}"}  # RFC 9110 §11.1
    assert browser.get("/userinfo", headers={**in_other_letters, **shown()}).status_code == 200
    assert browser.get("/userinfo", headers=in_other_letters).status_code == 401
    assert browser.post("/userinfo", data={"access_token": body["access_token"]}, headers=shown()).status_code == 200
    assert browser.get("/userinfo", headers={**bearer, **shown(FOREIGN)}).status_code == 401
    refused = userinfo(browser, body["access_token"])
    assert refused.status_code == 401
    assert refused.json["error"] == "invalid_token"


def test_who_must_show_a_certificate_cannot_do_without(browser: FlaskClient, proxy: None) -> None:
    sign_in(browser, an_account())
    client = a_client(**BOUND)
    code = code_for(browser, client)

    assert is_error(redeem(browser, code), "invalid_request")
    assert is_error(redeem(browser, code, headers={**basic(), **dpop()}), "invalid_request")
    assert redeem(browser, code, headers={**basic(), **shown()}).status_code == 200


def test_a_certificate_that_nobody_asked_for_binds_nothing(browser: FlaskClient, proxy: None) -> None:
    sign_in(browser, an_account())
    client = a_client()

    body = redeem(browser, code_for(browser, client), headers={**basic(), **shown()}).json

    assert userinfo(browser, body["access_token"]).status_code == 200


def test_both_bind_together(browser: FlaskClient, proxy: None) -> None:
    sign_in(browser, an_account())
    client = a_client(**BOUND, dpop_bound_access_tokens=True)

    body = redeem(browser, code_for(browser, client), headers={**basic(), **dpop(), **shown()}).json

    assert body["token_type"] == "DPoP"
    token = body["access_token"]
    assert browser.get("/userinfo", headers={**presented(token), **shown()}).status_code == 200
    assert browser.get("/userinfo", headers=presented(token)).status_code == 401


@pytest.mark.parametrize("profile", ["fapi2", "fapi1_advanced"])
def test_a_profile_takes_a_certificate_or_a_proof(browser: FlaskClient, proxy: None, profile: str) -> None:
    """FAPI 2.0 Security Profile §5.3.2.1; FAPI 1.0 Advanced §5.2.2."""
    sign_in(browser, an_account())
    client = a_client(**PKI)
    codes = [code_for(browser, client) for _ in range(2)]
    change(client, profile=profile)

    def redeemed(headers: dict[str, str]) -> Any:
        return redeem(browser, codes.pop(), headers=headers, client_id="portal").json

    by_certificate, by_proof = redeemed(shown()), redeemed({**shown(), **dpop()})

    assert by_certificate["token_type"] == "Bearer"
    assert userinfo(browser, by_certificate["access_token"]).status_code == 401
    bearer = {"Authorization": f"Bearer {by_certificate['access_token']}"}
    assert browser.get("/userinfo", headers={**bearer, **shown()}).status_code == 200
    assert browser.get("/userinfo", headers=presented(by_proof["access_token"])).status_code == 200


@pytest.mark.parametrize("given", ["c4f1e8a2-5b77-4d19-9f3e-0a6d2b8c7e51", "not-a-uuid\r\n", ""])
def test_a_call_has_a_name_that_both_sides_find_in_their_logs(browser: FlaskClient, proxy: None, given: str) -> None:
    """FAPI 1.0 Baseline §6.2.1-11: the client's UUID, else one of ours; other clients see none."""
    sign_in(browser, an_account())
    client = a_client(**PKI, tls_client_certificate_bound_access_tokens=True)
    token = redeem(browser, code_for(browser, client), headers=shown(), client_id="portal").json["access_token"]
    headers = {"Authorization": f"Bearer {token}", **shown(), "x-fapi-interaction-id": given.strip()}

    assert "x-fapi-interaction-id" not in browser.get("/userinfo", headers=headers).headers
    change(client, profile="fapi1_advanced")
    named = browser.get("/userinfo", headers=headers).headers["x-fapi-interaction-id"]

    assert str(uuid.UUID(named)) == named
    assert (named == given) == (len(given) == 36)


def test_a_public_client_refreshes_with_its_certificate(browser: FlaskClient, proxy: None) -> None:
    """RFC 8705 §4"""
    sign_in(browser, an_account())
    client = a_client(token_endpoint_auth_method="none", secret_hashes=[], **BOUND)
    code = code_for(browser, client, scope=SCOPE)
    first = redeem(browser, code, headers=shown(), client_id="portal").json["refresh_token"]

    stolen = refresh(browser, first, headers=shown(FOREIGN), client_id="portal")

    assert is_error(stolen, "invalid_grant")
    assert refresh(browser, first, headers=shown(), client_id="portal").status_code == 200


def test_only_one_of_twenty_redeems_a_bound_code(app: Flask, browser: FlaskClient, proxy: None) -> None:
    sign_in(browser, an_account())
    client = a_client(**PKI, **BOUND)
    code = code_for(browser, client)
    db.session.remove()

    def one(_: int) -> int:
        return redeem(app.test_client(), code, headers=shown(), client_id="portal").status_code

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(one, range(20)))

    assert Counter(answers) == {200: 1, 400: 19}


# Discovery and settings


def told(browser: FlaskClient) -> dict[str, Any]:
    return dict(browser.get("/.well-known/openid-configuration").json)


def test_discovery_is_silent_without_a_proxy(browser: FlaskClient) -> None:
    document = told(browser)

    assert document["tls_client_certificate_bound_access_tokens"] is False
    assert "mtls_endpoint_aliases" not in document
    assert not {"tls_client_auth", "self_signed_tls_client_auth"} & set(
        document["token_endpoint_auth_methods_supported"]
    )


def test_discovery_names_ways_and_addresses(browser: FlaskClient, proxy: None, configure: Configure) -> None:
    """RFC 8705 §3.3, §5"""
    configure(mtls_base="https://mtls.example.ch")

    document = told(browser)

    assert document["tls_client_certificate_bound_access_tokens"] is True
    assert document["mtls_endpoint_aliases"]["token_endpoint"] == "https://mtls.example.ch/token"
    assert "authorization_endpoint" not in document["mtls_endpoint_aliases"]
    assert {"tls_client_auth", "self_signed_tls_client_auth"} <= set(document["token_endpoint_auth_methods_supported"])


def test_without_verification_only_self_signed_is_offered(browser: FlaskClient, configure: Configure) -> None:
    configure(client_certificate_header="X-Client-Cert")

    assert "self_signed_tls_client_auth" in told(browser)["token_endpoint_auth_methods_supported"]
    assert "tls_client_auth" not in told(browser)["token_endpoint_auth_methods_supported"]


def test_a_proof_may_name_the_other_address(browser: FlaskClient, proxy: None, configure: Configure) -> None:
    """RFC 8705 §5: the endpoint has two addresses."""
    configure(mtls_base="https://mtls.example.ch")
    sign_in(browser, an_account())
    client = a_client(**PKI)

    headers = {**shown(), **dpop(htu="https://mtls.example.ch/token")}

    assert redeem(browser, code_for(browser, client), headers=headers, client_id="portal").status_code == 200


@pytest.mark.parametrize(
    ("values", "setting"),
    [
        ({"client_certificate_header": "X-Client-Cert"}, "IDP_CLIENT_CERTIFICATE_HEADER"),
        ({"client_certificate_verified_header": "X"}, "IDP_CLIENT_CERTIFICATE_VERIFIED_HEADER"),
        ({"mtls_base": "https://m.example", "trusted_proxies": 1}, "IDP_MTLS_BASE"),
        ({"mtls_base": "http://m.example"}, "IDP_MTLS_BASE"),
        ({"mtls_base": "https://m.example/"}, "IDP_MTLS_BASE"),
    ],
)
def test_a_certificate_is_believed_from_a_proxy_only(values: dict[str, Any], setting: str) -> None:
    with pytest.raises(BadSetting, match=setting):
        load(issuer="https://login.fund.ch", secret="0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH", **values)
