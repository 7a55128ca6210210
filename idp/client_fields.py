"""What can be said of a client, field by field (RFC 7591 §2 and the specifications that add to it).

Fields alone: each is judged in `client_metadata.py`, by the rules of `client_rules.py`.
"""

from typing import Any
from typing import Literal

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field

MOST = 50
"""Values of one list."""

DeliveryMode = Literal["poll", "ping"]
AuthMethod = Literal[
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "none",
]


class ClientFields(BaseModel):
    """One client as it is described."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # What people see
    client_name: dict[str, str]
    client_uri: str | None = None
    logo_uri: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    contacts: tuple[str, ...] = Field(default=(), max_length=MOST)

    # How it proves who it is
    application_type: Literal["web", "native", "browser"] = "web"
    token_endpoint_auth_method: AuthMethod = "client_secret_basic"
    token_endpoint_auth_signing_alg: str | None = None
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    tls_client_auth_subject_dn: str | None = None
    tls_client_auth_san_dns: str | None = None
    tls_client_auth_san_uri: str | None = None
    tls_client_auth_san_ip: str | None = None
    tls_client_auth_san_email: str | None = None

    # What it may ask, and where it is answered
    redirect_uris: tuple[str, ...] = Field(default=(), max_length=MOST)
    grant_types: tuple[str, ...] = Field(default=("authorization_code",), min_length=1, max_length=MOST)
    response_types: tuple[str, ...] = Field(default=("code",), max_length=MOST)
    scope: tuple[str, ...] = Field(default=("openid",), max_length=MOST)
    request_uris: tuple[str, ...] = Field(default=(), max_length=MOST)
    request_object_signing_alg: str | None = None
    request_object_encryption_alg: str | None = None
    request_object_encryption_enc: str | None = None
    require_signed_request_object: bool = False
    require_pushed_authorization_requests: bool = False
    default_max_age: int | None = Field(default=None, ge=0, le=10**8)
    require_auth_time: bool = False
    default_acr_values: tuple[str, ...] = Field(default=(), max_length=MOST)

    # What it receives
    subject_type: Literal["public", "pairwise"] = "public"
    sector_identifier_uri: str | None = None
    id_token_signed_response_alg: str = "RS256"
    id_token_encrypted_response_alg: str | None = None
    id_token_encrypted_response_enc: str | None = None
    userinfo_signed_response_alg: str | None = None
    userinfo_encrypted_response_alg: str | None = None
    userinfo_encrypted_response_enc: str | None = None
    authorization_signed_response_alg: str | None = None
    introspection_signed_response_alg: str | None = None
    dpop_bound_access_tokens: bool = False
    tls_client_certificate_bound_access_tokens: bool = False

    # How it is called
    initiate_login_uri: str | None = None
    post_logout_redirect_uris: tuple[str, ...] = Field(default=(), max_length=MOST)
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = False
    frontchannel_logout_uri: str | None = None
    frontchannel_logout_session_required: bool = False
    backchannel_token_delivery_mode: DeliveryMode | None = None
    backchannel_client_notification_endpoint: str | None = None
    backchannel_authentication_request_signing_alg: str | None = None
    backchannel_user_code_parameter: bool = False

    # What it is
    software_id: str | None = None
    software_version: str | None = None

    @property
    def has_secret(self) -> bool:
        """Whether the client proves itself with a shared secret."""
        return self.token_endpoint_auth_method.startswith("client_secret")

    def columns(self) -> dict[str, Any]:
        """What the table keeps of it, all but secret and state."""
        values = {name: getattr(self, name) for name in self.column_names()}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def column_names(cls) -> tuple[str, ...]:
        """The fields that are columns."""
        return tuple(cls.model_fields)
