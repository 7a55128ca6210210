"""The rules for what is said of a client, whoever says it: one function a kind of value, then what must fit together.

A rule returns the value as it is kept or raises `ValueError` with a sentence for whoever registers the client. What a
rule needs to know of this provider is in the `Policy`.
"""

import re
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from keys import UnusableKey
from keys import encryption
from keys.algorithms import ACCEPTED
from keys.algorithms import SIGNING
from keys.algorithms import from_jwk

from . import redirects
from . import resources
from .claims import SCOPES
from .client_fields import ClientFields
from .client_keys import MAX_KEYS
from .grants import GRANTS
from .languages import LANGUAGES
from .provider import provider
from .request_rules import RESPONSE_TYPES
from .request_rules import offered_response_types

PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
SECRET_ALGORITHMS = ("HS256", "HS384", "HS512")
CIBA = "urn:openid:params:grant-type:ciba"
AUTHENTICATED_GRANTS = frozenset(
    {
        *("client_credentials", CIBA),
        *("urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
    }
)
"""Grants for which a client must prove who it is (RFC 6749 §4.4, CIBA §7.1, RFC 8693 §5; decision of this house)."""
KEY_METHODS = ("private_key_jwt", "self_signed_tls_client_auth")
LONGEST_TEXT = 255

_FRAGMENT = re.compile(r"[A-Za-z0-9\-._~%!$&'()*+,;=:@/?]*")


@dataclass(frozen=True)
class Policy:
    """What this provider offers to clients; the default is that of one that signs with everything and has no more."""

    response_types: tuple[str, ...] = ("code",)
    signing_algorithms: tuple[str, ...] = SIGNING
    scopes: tuple[str, ...] = tuple(SCOPES)
    https_only: bool = False
    """Whether pages and endpoints of a client on the own machine are refused: registered by strangers they are
    nobody's."""

    @classmethod
    def current(cls, *, https_only: bool = False) -> "Policy":
        """That of the running provider."""
        known = (*SCOPES, *resources.scopes())
        return cls(offered_response_types(), provider.keys.algorithms, known, https_only)


def names(value: dict[str, str]) -> dict[str, str]:
    """The names people see, per language."""
    if not value or not set(value) <= set(LANGUAGES):
        raise ValueError(f"give one name, or one for each of {', '.join(LANGUAGES)}")
    if not all(0 < len(name) <= 80 and name.isprintable() and name.strip() for name in value.values()):
        raise ValueError("a name has 1 to 80 visible characters")
    return value


def plain_text(value: str) -> str:
    """A short text without control characters, which no database takes."""
    if not 0 < len(value) <= LONGEST_TEXT or not value.isprintable():
        raise ValueError(f"use 1 to {LONGEST_TEXT} visible characters")
    return value


def web_address(value: str, policy: Policy) -> str:
    """The address of a page or an endpoint of the client."""
    _check(value, redirects.check_web)
    if policy.https_only and not value.startswith("https://"):
        raise ValueError("use https")
    return value


def request_uri(value: str, policy: Policy) -> str:
    """Where a request object lies; the fragment may be its hash (OIDC Registration §2, request_uris)."""
    address, _, fragment = value.partition("#")
    if not _FRAGMENT.fullmatch(fragment) or len(value) > redirects.MAX_LENGTH:
        raise ValueError("it contains characters that no address may contain (RFC 3986)")
    web_address(address, policy)
    return value


def redirect_uri(value: str, *, native: bool) -> str:
    """An address for answers (decision 9)."""
    _check(value, lambda each: redirects.check(each, native=native))
    return value


def grant_type(value: str) -> str:
    """A grant of this provider; `implicit` has no endpoint of its own."""
    return one_of(value, (*(grant.GRANT_TYPE for grant in GRANTS), "implicit"))


def response_type(value: str) -> str:
    """A response type in its usual word order (OAuth 2.0 Multiple Response Types §3)."""
    kinds = value.split()
    for usual in RESPONSE_TYPES:
        if sorted(usual.split()) == sorted(kinds):
            return usual
    raise ValueError(f"choose among {', '.join(RESPONSE_TYPES)}")


def scopes(value: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """Scopes of this provider and its resources, in their usual order."""
    if unknown := sorted(set(value) - set(known)):
        raise ValueError(f"there is no {', '.join(map(ascii, unknown))}; choose among {', '.join(known)}")
    return tuple(name for name in known if name in value)


def one_of(value: str, choices: Iterable[str]) -> str:
    """One of these words."""
    if value not in (known := tuple(choices)):
        raise ValueError(f"choose among {', '.join(known)}")
    return value


def key_set(value: dict[str, Any]) -> dict[str, Any]:
    """Public keys, each of which can be used (RFC 7517 §5)."""
    keys = value.get("keys")
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise ValueError("give a JWKS with at least one key (RFC 7517 §5)")
    if len(keys) > MAX_KEYS:
        raise ValueError(f"at most {MAX_KEYS} keys")
    for key in keys:
        if not PRIVATE_MEMBERS.isdisjoint(key):
            raise ValueError("it contains a private key: give the public half only, and replace that key")
        try:
            _use(key)
        except UnusableKey as error:
            raise ValueError(str(error)) from None
    return {"keys": keys}


def contradictions(client: ClientFields, policy: Policy) -> Iterator[str]:
    """What does not fit together, one constant sentence each."""
    yield from _of_authentication(client)
    yield from _of_keys(client)
    yield from _of_answers(client, policy)
    yield from _of_addresses(client)
    yield from _of_backchannel(client)


def _of_authentication(client: ClientFields) -> Iterator[str]:
    method, alg = client.token_endpoint_auth_method, client.token_endpoint_auth_signing_alg
    subjects = [name for name in type(client).model_fields if name.startswith("tls_client_auth_")]
    named = sum(getattr(client, name) is not None for name in subjects)
    if client.application_type == "browser" and method != "none":
        yield "a browser application keeps no secret: set none"
    if method == "tls_client_auth" and named != 1:
        yield "tls_client_auth needs exactly one of the tls_client_auth names (RFC 8705)"
    if method != "tls_client_auth" and named:
        yield "only tls_client_auth uses tls_client_auth names"
    if alg is not None and alg not in (SECRET_ALGORITHMS if method == "client_secret_jwt" else ACCEPTED):
        yield "token_endpoint_auth_signing_alg does not fit the method: choose among the asymmetric algorithms"
    if method == "none" and AUTHENTICATED_GRANTS & set(client.grant_types):
        yield "a grant type of this client needs client authentication"


def _of_keys(client: ClientFields) -> Iterator[str]:
    has_keys = client.jwks is not None or client.jwks_uri is not None
    if client.jwks is not None and client.jwks_uri is not None:
        yield "give jwks or jwks_uri, not both (RFC 7591 §2)"
    if client.token_endpoint_auth_method in KEY_METHODS and not has_keys:
        yield f"{client.token_endpoint_auth_method} needs jwks or jwks_uri"
    if client.request_object_signing_alg is not None and not has_keys:
        yield "request_object_signing_alg needs jwks or jwks_uri"
    for kind in ("id_token_encrypted_response", "userinfo_encrypted_response", "request_object_encryption"):
        alg, enc = (getattr(client, f"{kind}_{part}") for part in ("alg", "enc"))
        if alg is not None and not has_keys:  # a request object is signed before it is encrypted
            yield f"{kind}_alg needs jwks or jwks_uri"
        if enc is not None and alg is None:
            yield f"{kind}_enc needs {kind}_alg (OIDC Registration §2)"


def _of_backchannel(client: ClientFields) -> Iterator[str]:
    if client.backchannel_user_code_parameter:
        yield "backchannel_user_code_parameter is not supported: nobody here has such a code (CIBA Core §7.1)"


def _of_answers(client: ClientFields, policy: Policy) -> Iterator[str]:
    kinds = {kind for each in client.response_types for kind in each.split()}
    if "code" in kinds and "authorization_code" not in client.grant_types:
        yield "these response types need the grant type authorization_code (RFC 7591 §2.1)"
    if kinds - {"code"} and "implicit" not in client.grant_types:
        yield "these response types need the grant type implicit (OIDC Registration §2)"
    if not kinds and {"authorization_code", "implicit"} & set(client.grant_types):
        yield "response_types are needed for these grant types (RFC 7591 §2.1)"
    if not set(client.response_types) <= set(policy.response_types):
        yield "implicit and hybrid response types are not offered here (IDP_IMPLICIT)"
    if kinds and not client.redirect_uris:
        yield "redirect_uris are needed for these response types"
    if kinds and "openid" not in client.scope:
        yield "scope openid is needed for these response types"
    if CIBA in client.grant_types and client.backchannel_token_delivery_mode is None:
        yield "this grant type needs backchannel_token_delivery_mode (CIBA §4)"
    if client.backchannel_token_delivery_mode == "ping" and client.backchannel_client_notification_endpoint is None:
        yield "ping needs backchannel_client_notification_endpoint (CIBA §4)"


def _of_addresses(client: ClientFields) -> Iterator[str]:
    hosts = {urlsplit(uri).hostname for uri in client.redirect_uris}
    if client.subject_type == "pairwise" and client.sector_identifier_uri is None and len(hosts) > 1:
        yield "pairwise with several hosts needs sector_identifier_uri (OIDC Core §8.1)"
    origins = {urlsplit(uri)[:2] for uri in client.redirect_uris}
    if client.frontchannel_logout_uri and urlsplit(client.frontchannel_logout_uri)[:2] not in origins:
        yield "frontchannel_logout_uri needs the origin of one of redirect_uris (OIDC Front-Channel Logout §2)"
    implicit = any(each != "code" for each in client.response_types)
    if implicit and client.application_type != "native" and any(each[0] == "http" for each in origins):
        yield "redirect_uris with http are not for tokens in the address (OIDC Registration §2)"


def _use(key: dict[str, Any]) -> None:
    """Try a key out: those of RFC 7748 only agree on secrets, all others can sign (RFC 8037 §3.2)."""
    if key.get("crv") in ("X25519", "X448"):
        encryption.encrypt("", key, alg="ECDH-ES", enc="A128GCM")
    else:
        from_jwk(key)


def _check(uri: str, rule: Callable[[str], None]) -> None:
    try:
        rule(uri)
    except redirects.BadAddress as error:
        raise ValueError(f"{uri!r}: {error}") from None
