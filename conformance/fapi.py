"""The plans of FAPI: clients that an operator registers, with keys and certificates made for this run."""

import base64
from dataclasses import replace
from typing import Any

import pages
from certificates import self_signed
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization import PublicFormat
from joserfc.jwk import ECKey
from joserfc.jwk import RSAKey
from plan import Plan

DISCOVERY = f"{pages.OP}/.well-known/openid-configuration"
RESOURCE = f"{pages.CERTIFICATES}/userinfo"
"""Behind the address that asks for certificates, which a client without one may use as well."""
SCOPE = "openid profile email offline_access"
WAYS = ("private_key_jwt", "mtls")
BINDINGS = ("dpop", "mtls")
REQUESTS = ("by_value", "pushed")
ANSWERS = ("plain_response", "jarm")


def plans(suite: str) -> tuple[Plan, ...]:
    """FAPI 2.0 Security Profile and Message Signing, FAPI 1.0 Advanced; each way of authentication with each way on."""
    pairs = [(way, binding) for way in WAYS for binding in BINDINGS]
    return (
        *(_fapi2(suite, "fapi2-sp", "fapi2", way, binding) for way, binding in pairs),
        *(_fapi2(suite, "fapi2-ms", "fapi2_message_signing", way, binding) for way, binding in pairs),
        *(_fapi1(suite, way, request, answer) for way in WAYS for request in REQUESTS for answer in ANSWERS),
    )


def _fapi2(suite: str, short: str, profile: str, way: str, binding: str) -> Plan:
    variant = {
        "client_auth_type": way,
        "sender_constrain": binding,
        "openid": "openid_connect",
        "fapi_profile": "plain_fapi",
    }
    kind = "security-profile"
    if profile == "fapi2_message_signing":
        kind = "message-signing"
        variant |= {"fapi_request_method": "signed_non_repudiation", "fapi_response_mode": "jarm"}
    plan = Plan(f"{short}-{way.replace('_', '-')}-{binding}", f"fapi2-{kind}-final-test-plan", variant)
    grants = ["authorization_code", "refresh_token"]
    return _with_clients(suite, plan, profile, binding, grant_types=grants)


def _fapi1(suite: str, way: str, request: str, answer: str) -> Plan:
    """Tokens are always bound to the certificate; the code travels beside an ID token, or in a signed answer."""
    variant = {
        "client_auth_type": way,
        "fapi_profile": "plain_fapi",
        "fapi_auth_request_method": request,
        "fapi_response_mode": answer,
    }
    name = "-".join(("fapi1-adv", way, request, answer)).replace("_", "-")
    signed = answer == "jarm"
    more = {
        "response_types": ["code"] if signed else ["code", "code id_token"],
        "grant_types": ["authorization_code", "refresh_token", *([] if signed else ["implicit"])],
        "require_pkce": request == "pushed",
    }
    plan = Plan(name, "fapi1-advanced-final-test-plan", variant)
    return _with_clients(suite, plan, "fapi1_advanced", "mtls", **more)


def _with_clients(suite: str, plan: Plan, profile: str, binding: str, **more: Any) -> Plan:
    """The plan with two clients; the second one's address has a query."""
    callback = f"{suite.rstrip('/')}/test/a/{plan.name}/callback"
    addresses = {"1": callback, "2": f"{callback}?dummy1=lorem&dummy2=ipsum"}
    one, two = (
        client(
            f"{plan.name}-{number}",
            profile,
            plan.variant["client_auth_type"],
            binding,
            redirect_uris=[address],
            authorization_signed_response_alg="ES256",
            **more,
        )
        for number, address in addresses.items()
    )
    registered = (one["registered"], two["registered"])
    return replace(plan, config=configuration(plan.name, one, two), clients=registered)


def configuration(name: str, one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    """What the suite is told."""
    return {
        "alias": name,
        "description": "vpk-idp",
        "server": {"discoveryUrl": DISCOVERY},
        "client": one["suite"],
        "client2": two["suite"],
        "mtls": one["certificate"],
        "mtls2": two["certificate"],
        "resource": {"resourceUrl": RESOURCE},
        "options": {"browsercontrol_css_enable": False},
        "browser": pages.BROWSER,
        "override": pages.OVERRIDE,
    }


def client(client_id: str, profile: str, way: str, binding: str, **more: Any) -> dict[str, Any]:
    """A client as the suite holds it, as it is registered, and its certificate."""
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
    certificate, clear = self_signed(client_id)
    registered = {
        "client_id": client_id,
        "client_name": client_id,
        "profile": profile,
        "token_endpoint_auth_method": "private_key_jwt" if way == "private_key_jwt" else "self_signed_tls_client_auth",
        "scope": f"{SCOPE} address phone pension",
        "id_token_signed_response_alg": "ES256",
        "dpop_bound_access_tokens": binding == "dpop",
        "tls_client_certificate_bound_access_tokens": binding == "mtls",
        "jwks": {"keys": [dict(key.as_dict(private=False)), _of_certificate(certificate)]},
        **more,
    }
    held = {"client_id": client_id, "scope": SCOPE, "jwks": {"keys": [dict(key.as_dict(private=True))]}}
    return {
        "suite": held,
        "registered": registered,
        "certificate": {"cert": certificate, "key": clear, "ca": certificate},
    }


def _of_certificate(pem: str) -> dict[str, Any]:
    """The certificate's key as a JWK that carries the certificate (RFC 8705 §2.2.2)."""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    public = RSAKey.import_key(certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    der = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
    return {**public.as_dict(private=False), "x5c": [der]}
