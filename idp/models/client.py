"""Client: a relying party, myVPK or another application of the fund (RFC 6749 §2)."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from ..clock import now
from ..db import Base
from ..db import Moment


class Client(Base):
    """One registered application; the names of the columns are those of RFC 7591 §2 where it has one."""

    __tablename__ = "client"

    client_id: Mapped[str] = mapped_column(primary_key=True)
    client_name: Mapped[dict[str, str]] = mapped_column(JSON)
    """The shown name per language."""
    application_type: Mapped[str] = mapped_column(default="web")
    """`web`, `native` (loopback ports are free, RFC 8252 §7.3) or `browser`."""
    secret_hashes: Mapped[list[str]] = mapped_column(JSON, default=list)
    """Fingerprints of the living secrets, newest first; two during a rotation."""
    token_endpoint_auth_method: Mapped[str] = mapped_column(default="client_secret_basic")
    redirect_uris: Mapped[list[str]] = mapped_column(JSON, default=list)
    post_logout_redirect_uris: Mapped[list[str]] = mapped_column(JSON, default=list)
    grant_types: Mapped[list[str]] = mapped_column(JSON, default=lambda: ["authorization_code"])
    response_types: Mapped[list[str]] = mapped_column(JSON, default=lambda: ["code"])
    scope: Mapped[list[str]] = mapped_column(JSON, default=lambda: ["openid"])
    """The scopes the client may ask for."""
    id_token_signed_response_alg: Mapped[str] = mapped_column(default="RS256")
    token_endpoint_auth_signing_alg: Mapped[str | None]
    jwks: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    require_pkce: Mapped[bool] = mapped_column(default=True)
    """False only for a confidential client of older software, which must then send a nonce (decision 2)."""
    first_party: Mapped[bool] = mapped_column(default=False)
    """An application of the fund itself: no consent page (decision 7)."""
    is_default: Mapped[bool] = mapped_column(default=False)
    """Where a visit that began without a client ends (decision 16)."""
    initiate_login_uri: Mapped[str | None]
    audience: Mapped[str | None]
    """The entry of the choice page that this application is for; named, the page is skipped."""
    minimum_acr: Mapped[str | None]
    """What every sign-in here must at least reach, whatever the request asks."""
    default_max_age: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(Moment)
    disabled_at: Mapped[datetime | None] = mapped_column(Moment)

    def __init__(self, **values: Any) -> None:
        values.setdefault("created_at", now())
        super().__init__(**values)

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
