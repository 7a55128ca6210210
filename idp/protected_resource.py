"""Protected resource: an API that takes our access tokens, and what the operator wants of them (RFC 8707, RFC 9470)."""

import re
from typing import Literal

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import field_validator
from pydantic import model_validator

from .details_type import Words

# RFC 8707 §2: an absolute URI without a fragment.
_ADDRESS = re.compile(r"[a-z][a-z0-9+.\-]*:[!\"$-~]+")
# RFC 6749 §3.3
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


class ProtectedResource(BaseModel):
    """One entry of the setting `IDP_RESOURCES`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str
    """The address by which clients name it, and which its tokens have as audience."""
    scopes: tuple[str, ...] = ()
    """The scopes that mean something there; its tokens hold no other. None named: all of them do."""
    words: dict[str, Words] = Field(default_factory=dict)
    """What a scope allows, as people read it on the page of consent; one without words is shown by its name."""
    access_token_format: Literal["opaque", "jwt"] | None = None
    """Unset: the client's."""
    seconds: int | None = Field(default=None, ge=30)
    """Life of its tokens; unset: that of all."""
    acr: str | None = None
    """The class of sign-in it demands (RFC 9470)."""
    max_age: int | None = Field(default=None, ge=0)
    """How old a sign-in may be, in seconds."""
    introspection_client: str | None = None
    """The client as which it asks whether a token lives (RFC 7662)."""

    @field_validator("uri")
    @classmethod
    def _uri_is_an_address(cls, value: str) -> str:
        if not _ADDRESS.fullmatch(value):
            raise ValueError("name each resource by its address, without a fragment (RFC 8707)")
        return value

    @field_validator("scopes")
    @classmethod
    def _scopes_are_words(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_SCOPE.fullmatch(each) for each in value):
            raise ValueError("a scope is a word without spaces and quotes (RFC 6749)")
        return value

    @model_validator(mode="after")
    def _words_are_for_its_scopes(self) -> "ProtectedResource":
        if unknown := sorted(set(self.words) - set(self.scopes)):
            raise ValueError(f"words: {self.uri} has no scope {unknown[0]}")
        return self
