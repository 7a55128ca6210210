"""Client metadata: everything a client can say of itself, checked (RFC 7591 §2 and the specifications that add to it).

Operators' descriptions (`admin/client_description.py`) and clients that register themselves (`registration.py`) both
end here: what is said in this form needs no further check, but for what must be fetched (`client_addresses.py`).
"""

from typing import Any
from typing import Self

from pydantic import ValidationInfo
from pydantic import field_validator
from pydantic import model_validator
from pydantic_core import PydanticCustomError

from keys import encryption
from keys.algorithms import ACCEPTED

from . import client_rules as rules
from .assurance import ACR_VALUES
from .client_fields import ClientFields
from .client_rules import Policy
from .languages import LANGUAGES

CONTRADICTION = "contradiction"
"""The type of an error whose text is constant and of safe characters."""
ENCRYPTION_ALGORITHMS = (
    *("id_token_encrypted_response_alg", "userinfo_encrypted_response_alg"),
    "request_object_encryption_alg",
)
"""Beside each stands an `enc`, which has a default (OIDC Registration §2)."""


class ClientMetadata(ClientFields):
    """One client; validate it with a `Policy` as the context."""

    @model_validator(mode="before")
    @classmethod
    def _only_redirecting_grants_have_a_response_type(cls, values: Any) -> Any:
        """RFC 7591 §2.1: the defaults of the two lists fit together, too."""
        said = values.get("grant_types") if isinstance(values, dict) else None
        if isinstance(said, list | tuple) and "response_types" not in values and "authorization_code" not in said:
            return {**values, "response_types": ["id_token"] if "implicit" in said else []}
        return values

    @model_validator(mode="before")
    @classmethod
    def _encryption_has_a_default(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        algs = [name for name in ENCRYPTION_ALGORITHMS if values.get(name) is not None]
        encs = {name.removesuffix("alg") + "enc": encryption.DEFAULT_ENCODING for name in algs}
        return {**encs, **{name: value for name, value in values.items() if value is not None or name not in encs}}

    @field_validator("client_name", mode="before")
    @classmethod
    def _one_name_serves_all(cls, value: object) -> object:
        return dict.fromkeys(LANGUAGES, value) if isinstance(value, str) else value

    @field_validator("client_name")
    @classmethod
    def _names_are_shown(cls, value: dict[str, str]) -> dict[str, str]:
        return rules.names(value)

    @field_validator(
        *("client_uri", "logo_uri", "policy_uri", "tos_uri", "jwks_uri", "sector_identifier_uri", "initiate_login_uri"),
        *("backchannel_logout_uri", "frontchannel_logout_uri", "backchannel_client_notification_endpoint"),
    )
    @classmethod
    def _addresses_are_sound(cls, value: str | None, info: ValidationInfo) -> str | None:
        return None if value is None else rules.web_address(value, _policy(info))

    @field_validator("post_logout_redirect_uris")
    @classmethod
    def _ways_back_are_sound(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return tuple(rules.redirect_uri(each, native=info.data.get("application_type") == "native") for each in value)

    @field_validator("redirect_uris")
    @classmethod
    def _redirects_are_sound(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return tuple(rules.redirect_uri(each, native=info.data.get("application_type") == "native") for each in value)

    @field_validator("request_uris")
    @classmethod
    def _request_uris_are_sound(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return tuple(rules.request_uri(each, _policy(info)) for each in value)

    @field_validator("contacts")
    @classmethod
    def _contacts_are_plain(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(rules.plain_text(each) for each in value)

    @field_validator(
        *("tls_client_auth_subject_dn", "tls_client_auth_san_dns", "tls_client_auth_san_uri"),
        *("tls_client_auth_san_ip", "tls_client_auth_san_email", "software_id", "software_version"),
    )
    @classmethod
    def _texts_are_plain(cls, value: str | None) -> str | None:
        return None if value is None else rules.plain_text(value)

    @field_validator("jwks")
    @classmethod
    def _keys_are_public_and_usable(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if value is None else rules.key_set(value)

    @field_validator("grant_types")
    @classmethod
    def _grants_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(rules.grant_type(each) for each in value))

    @field_validator("response_types")
    @classmethod
    def _response_types_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(rules.response_type(each) for each in value))

    @field_validator("scope", mode="before")
    @classmethod
    def _scope_may_be_one_text(cls, value: object) -> object:
        return value.split() if isinstance(value, str) else value

    @field_validator("scope")
    @classmethod
    def _scopes_exist(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        return rules.scopes(value, _policy(info).scopes)

    @field_validator("default_acr_values")
    @classmethod
    def _classes_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(rules.one_of(each, ACR_VALUES) for each in value)

    @field_validator("token_endpoint_auth_signing_alg")
    @classmethod
    def _assertions_are_signed_safely(cls, value: str | None) -> str | None:
        return None if value is None else rules.one_of(value, (*ACCEPTED, *rules.SECRET_ALGORITHMS))

    @field_validator("request_object_signing_alg", "backchannel_authentication_request_signing_alg")
    @classmethod
    def _requests_are_signed_safely(cls, value: str | None) -> str | None:
        return None if value is None else rules.one_of(value, ACCEPTED)

    @field_validator(
        *("id_token_signed_response_alg", "userinfo_signed_response_alg"),
        *("authorization_signed_response_alg", "introspection_signed_response_alg"),
    )
    @classmethod
    def _answers_can_be_signed(cls, value: str | None, info: ValidationInfo) -> str | None:
        return None if value is None else rules.one_of(value, _policy(info).signing_algorithms)

    @field_validator(*ENCRYPTION_ALGORITHMS)
    @classmethod
    def _encryption_is_safe(cls, value: str | None) -> str | None:
        return None if value is None else rules.one_of(value, encryption.ALGORITHMS)

    @field_validator(*(f"{name.removesuffix('alg')}enc" for name in ENCRYPTION_ALGORITHMS))
    @classmethod
    def _encodings_exist(cls, value: str | None) -> str | None:
        return None if value is None else rules.one_of(value, encryption.ENCODINGS)

    @model_validator(mode="after")
    def _parts_fit(self, info: ValidationInfo) -> Self:
        for sentence in rules.contradictions(self, _policy(info)):
            raise PydanticCustomError(CONTRADICTION, sentence)
        return self


def _policy(info: ValidationInfo) -> Policy:
    return info.context if isinstance(info.context, Policy) else Policy()
