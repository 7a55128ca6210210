"""What this provider says of itself: computed from the lists it is made of, so that it is true (RFC 8414 §2)."""

from collections.abc import Mapping
from typing import Any
from typing import get_args

from keys import encryption
from keys.algorithms import ACCEPTED

from . import assurance
from . import claims
from . import client_auth
from . import dpop
from . import resources
from . import session_management
from .claims import PROTOCOL_CLAIMS
from .claims import SCOPES
from .client_fields import DeliveryMode
from .grants import GRANTS
from .grants.jwt_bearer import JwtBearerGrant
from .languages import LANGUAGES
from .provider import provider
from .request_rules import PROMPTS
from .request_rules import offered_response_types
from .response_modes import MODES
from .response_modes.jwt import SIGNED
from .texts import TAGS

FOR_CERTIFICATES = (
    *("token_endpoint", "userinfo_endpoint", "pushed_authorization_request_endpoint", "revocation_endpoint"),
    *("introspection_endpoint", "device_authorization_endpoint", "backchannel_authentication_endpoint"),
)
"""The endpoints that clients call themselves."""


def metadata(endpoints: Mapping[str, str]) -> dict[str, Any]:
    """The document of OIDC Discovery §3 and RFC 8414; `endpoints` are the members that name an address."""
    issuer = provider.settings.issuer
    ways, signing = client_auth.offered(), list(client_auth.SIGNING_ALGORITHMS)
    return {
        "issuer": issuer,
        **{name: f"{issuer}{path}" for name, path in endpoints.items()},
        "response_types_supported": list(offered_response_types()),
        "response_modes_supported": [*MODES, "jwt", *(f"{mode}{SIGNED}" for mode in MODES)],
        "grant_types_supported": _grant_types(),
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": list(provider.keys.algorithms),
        "authorization_signing_alg_values_supported": list(provider.keys.algorithms),
        "userinfo_signing_alg_values_supported": list(provider.keys.algorithms),
        "introspection_signing_alg_values_supported": list(provider.keys.algorithms),
        **_encryption(),
        "token_endpoint_auth_methods_supported": ways,
        "token_endpoint_auth_signing_alg_values_supported": signing,
        "introspection_endpoint_auth_methods_supported": [way for way in ways if way != "none"],
        "introspection_endpoint_auth_signing_alg_values_supported": signing,
        "revocation_endpoint_auth_methods_supported": ways,
        "revocation_endpoint_auth_signing_alg_values_supported": signing,
        **_certificates(endpoints),
        "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": [*SCOPES, *resources.scopes()],
        **_details(),
        **_decoupled(),
        "claim_types_supported": ["normal"],
        "claims_supported": _claims(),
        "claims_parameter_supported": True,
        "request_parameter_supported": True,
        "request_uri_parameter_supported": True,
        "require_request_uri_registration": True,
        "request_object_signing_alg_values_supported": list(ACCEPTED),
        "authorization_response_iss_parameter_supported": True,
        "prompt_values_supported": list(PROMPTS),
        "acr_values_supported": _acr_values(),
        "ui_locales_supported": [TAGS[language] for language in LANGUAGES],
        **_logouts(),
        "op_policy_uri": f"{issuer}/privacy",
        "op_tos_uri": f"{issuer}/terms",
    }


def _logouts() -> dict[str, Any]:
    """How applications hear of a sign-out, beside `end_session_endpoint`; each is the operator's choice."""
    settings = provider.settings
    watched = {"check_session_iframe": f"{settings.issuer}{session_management.PATH}"}
    return {
        "backchannel_logout_supported": settings.backchannel_logout,
        "backchannel_logout_session_supported": settings.backchannel_logout,
        "frontchannel_logout_supported": settings.frontchannel_logout,
        "frontchannel_logout_session_supported": settings.frontchannel_logout,
        **(watched if settings.session_management else {}),
    }


def _encryption() -> dict[str, list[str]]:
    """How ID tokens and userinfo can be encrypted to a client, and request objects to us (OIDC Discovery §3)."""
    outward = dict.fromkeys(("id_token", "userinfo"), encryption.ALGORITHMS)
    algs = {**outward, "request_object": provider.keys.opened}
    return {
        **{f"{what}_encryption_alg_values_supported": list(values) for what, values in algs.items()},
        **{f"{what}_encryption_enc_values_supported": list(encryption.ENCODINGS) for what in algs},
    }


def _certificates(endpoints: Mapping[str, str]) -> dict[str, Any]:
    """What clients may do with a certificate, and where to show it (RFC 8705 §3.3, §5)."""
    settings = provider.settings
    aliases = {name: f"{settings.mtls_base}{endpoints[name]}" for name in FOR_CERTIFICATES if name in endpoints}
    return {
        "tls_client_certificate_bound_access_tokens": settings.client_certificate_header is not None,
        **({"mtls_endpoint_aliases": aliases} if settings.mtls_base else {}),
    }


def _details() -> dict[str, list[str]]:
    """The types of rich authorization requests, where there are any (RFC 9396 §10)."""
    types = [each.type for each in provider.settings.authorization_details_types]
    return {"authorization_details_types_supported": types} if types else {}


def _decoupled() -> dict[str, Any]:
    """How programs hear that a person has confirmed, and what they may sign their request with (CIBA Core §4)."""
    return {
        "backchannel_token_delivery_modes_supported": list(get_args(DeliveryMode)),
        "backchannel_authentication_request_signing_alg_values_supported": list(ACCEPTED),
        "backchannel_user_code_parameter_supported": False,
    }


def _claims() -> list[str]:
    """What can be known of a person here, and what an ID token says by itself."""
    return list(dict.fromkeys([*claims.supported(), *PROTOCOL_CLAIMS]))


def _grant_types() -> list[str]:
    """Those of the token endpoint, and `implicit`, which has no endpoint of its own (OIDC Discovery §3).

    Assertions about people are believed only where the operator trusts somebody to make them.
    """
    implicit = ["implicit"] if provider.settings.offers_implicit else []
    believed = bool(provider.settings.assertion_issuers)
    return [grant.GRANT_TYPE for grant in GRANTS if believed or grant is not JwtBearerGrant] + implicit


def _acr_values() -> list[str]:
    """The classes a sign-in here can reach."""
    strong = [assurance.PHISHING_RESISTANT] if "passkey" in provider.settings.factors else []
    return [assurance.PASSWORD, assurance.TWO_FACTOR, *strong]
