"""Assertion issuer: who may vouch for people in a JWT, before whom, and for what (RFC 7523 §2.1)."""

from typing import Any

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import model_validator


class AssertionIssuer(BaseModel):
    """One entry of the setting `IDP_ASSERTION_ISSUERS`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    """Its keys, as they are or where they lie; one of the two."""
    clients: tuple[str, ...] = Field(min_length=1)
    """The applications that may bring its assertions."""
    scopes: tuple[str, ...] = Field(min_length=1)
    """The most that its word opens."""

    @model_validator(mode="after")
    def _has_keys(self) -> "AssertionIssuer":
        if (self.jwks is None) == (self.jwks_uri is None):
            raise ValueError("give each issuer its keys: jwks or jwks_uri")
        return self
