"""Client: a relying party, myVPK or another application of the fund (RFC 6749 §2)."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlalchemy import LargeBinary
from sqlalchemy import false
from sqlalchemy import text
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from ..clock import now
from ..db import Base
from ..db import Moment


def _texts() -> Mapped[list[str]]:
    """A list of texts, empty where nothing is said."""
    return mapped_column(JSON, default=list, server_default=text("'[]'"))


def _flag() -> Mapped[bool]:
    """No, where nothing is said."""
    return mapped_column(default=False, server_default=false())


class Client(Base):
    """One registered application; the names of the columns are those of RFC 7591 §2 where it has one."""

    __tablename__ = "client"

    client_id: Mapped[str] = mapped_column(primary_key=True)
    profile: Mapped[str] = mapped_column(default="standard", server_default="standard")
    """The one word that sets everything a security profile demands (`idp/profiles.py`)."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    disabled_at: Mapped[datetime | None] = mapped_column(Moment)

    # What people see
    client_name: Mapped[dict[str, str]] = mapped_column(JSON)
    """The shown name per language."""
    client_uri: Mapped[str | None]
    logo_uri: Mapped[str | None]
    policy_uri: Mapped[str | None]
    tos_uri: Mapped[str | None]
    contacts: Mapped[list[str]] = _texts()

    # How it proves who it is
    application_type: Mapped[str] = mapped_column(default="web")
    """`web`, `native` (loopback ports are free, RFC 8252 §7.3) or `browser`."""
    token_endpoint_auth_method: Mapped[str] = mapped_column(default="client_secret_basic")
    token_endpoint_auth_signing_alg: Mapped[str | None]
    secret_hashes: Mapped[list[str]] = mapped_column(JSON, default=list)
    """Fingerprints of the living secrets, newest first; two during a rotation."""
    secret_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The secret itself, encrypted, only for client_secret_jwt: its MAC cannot be checked with a fingerprint."""
    jwks: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    jwks_uri: Mapped[str | None]
    tls_client_auth_subject_dn: Mapped[str | None]
    tls_client_auth_san_dns: Mapped[str | None]
    tls_client_auth_san_uri: Mapped[str | None]
    tls_client_auth_san_ip: Mapped[str | None]
    tls_client_auth_san_email: Mapped[str | None]

    # What it may ask, and where it is answered
    redirect_uris: Mapped[list[str]] = mapped_column(JSON, default=list)
    grant_types: Mapped[list[str]] = mapped_column(JSON, default=lambda: ["authorization_code"])
    response_types: Mapped[list[str]] = mapped_column(JSON, default=lambda: ["code"])
    scope: Mapped[list[str]] = mapped_column(JSON, default=lambda: ["openid"])
    """The scopes the client may ask for."""
    resources: Mapped[list[str]] = _texts()
    """The protected resources its tokens may be for (RFC 8707)."""
    authorization_details_types: Mapped[list[str]] = _texts()
    request_uris: Mapped[list[str]] = _texts()
    request_object_signing_alg: Mapped[str | None]
    request_object_encryption_alg: Mapped[str | None]
    request_object_encryption_enc: Mapped[str | None]
    require_signed_request_object: Mapped[bool] = _flag()
    require_pushed_authorization_requests: Mapped[bool] = _flag()
    require_pkce: Mapped[bool] = mapped_column(default=True)
    """False only for a confidential client of older software, which must then send a nonce (decision 2)."""
    default_max_age: Mapped[int | None]
    require_auth_time: Mapped[bool] = _flag()
    default_acr_values: Mapped[list[str]] = _texts()
    minimum_acr: Mapped[str | None]
    """What every sign-in here must at least reach, whatever the request asks."""
    audience: Mapped[str | None]
    """The entry of the choice page that this application is for; named, the page is skipped."""

    # What it receives
    subject_type: Mapped[str] = mapped_column(default="public", server_default="public")
    sector_identifier_uri: Mapped[str | None]
    id_token_signed_response_alg: Mapped[str] = mapped_column(default="RS256")
    id_token_encrypted_response_alg: Mapped[str | None]
    id_token_encrypted_response_enc: Mapped[str | None]
    userinfo_signed_response_alg: Mapped[str | None]
    userinfo_encrypted_response_alg: Mapped[str | None]
    userinfo_encrypted_response_enc: Mapped[str | None]
    authorization_signed_response_alg: Mapped[str | None]
    """The algorithm of its signed answers (JARM §3), where it asks for them."""
    introspection_signed_response_alg: Mapped[str | None]
    access_token_format: Mapped[str] = mapped_column(default="opaque", server_default="opaque")
    """`opaque`, or `jwt` (RFC 9068)."""
    dpop_bound_access_tokens: Mapped[bool] = _flag()
    tls_client_certificate_bound_access_tokens: Mapped[bool] = _flag()

    # How it is called
    initiate_login_uri: Mapped[str | None]
    post_logout_redirect_uris: Mapped[list[str]] = mapped_column(JSON, default=list)
    backchannel_logout_uri: Mapped[str | None]
    backchannel_logout_session_required: Mapped[bool] = _flag()
    frontchannel_logout_uri: Mapped[str | None]
    frontchannel_logout_session_required: Mapped[bool] = _flag()
    backchannel_token_delivery_mode: Mapped[str | None]
    backchannel_client_notification_endpoint: Mapped[str | None]
    backchannel_authentication_request_signing_alg: Mapped[str | None]
    backchannel_user_code_parameter: Mapped[bool] = _flag()

    # The operator's policy
    first_party: Mapped[bool] = mapped_column(default=False)
    """An application of the fund itself: no consent page (decision 7)."""
    is_default: Mapped[bool] = mapped_column(default=False)
    """Where a visit that began without a client ends (decision 16)."""
    token_exchange_audiences: Mapped[list[str]] = _texts()
    """The clients and resources for which it may exchange tokens (RFC 8693)."""

    # Of a client that registered itself
    registration_token_hash: Mapped[str | None]
    """Fingerprint of its registration access token (RFC 7592); unset for clients that an operator registered."""
    software_id: Mapped[str | None]
    software_version: Mapped[str | None]

    def __init__(self, **values: Any) -> None:
        """A client is whole from its first moment, written or not: what is not said has its default."""
        unsaid = [column for column in Client.__table__.columns if column.default and column.key not in values]
        for column in unsaid:
            given = column.default.arg
            values[column.key] = given(None) if callable(given) else given
        super().__init__(**{"created_at": now(), **values})

    @property
    def is_active(self) -> bool:
        return self.disabled_at is None

    @property
    def is_public(self) -> bool:
        """Whether the client cannot keep a secret (RFC 6749 §2.1)."""
        return self.token_endpoint_auth_method == "none"

    def name_in(self, language: str) -> str:
        """The name people see."""
        return self.client_name.get(language) or next(iter(self.client_name.values()), self.client_id)
