"""A client as an operator describes it: on the command line, or as one `[[client]]` of a TOML file.

Every mistake becomes a sentence that names the field and says how to mend it; what passes here needs no further check.
"""

import difflib
import re
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import Literal
from typing import Self

from pydantic import Field
from pydantic import ValidationError
from pydantic import field_validator
from pydantic import model_validator
from pydantic_core import PydanticCustomError

from idp import profiles
from idp.assurance import ACR_VALUES
from idp.audience import AudienceName
from idp.client_fields import MOST
from idp.client_metadata import CONTRADICTION
from idp.client_metadata import ClientMetadata
from idp.client_rules import Policy
from idp.client_rules import one_of
from idp.client_rules import plain_text

_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NO_COLUMNS = frozenset({"client_id", "disabled", "secret_env", "secret_file"})
_SIGNED_BY_CLIENT = (
    *("token_endpoint_auth_signing_alg", "request_object_signing_alg"),
    "backchannel_authentication_request_signing_alg",
)
_SIGNED_FOR_CLIENT = (
    *("id_token_signed_response_alg", "authorization_signed_response_alg"),
    *("userinfo_signed_response_alg", "introspection_signed_response_alg"),
)

_PLAIN = {
    "missing": "it is missing",
    "tuple_type": 'write it as a list: ["one", "two"]',
    "string_type": "write it as a text in quotation marks",
    "dict_type": "write it as a table: {name = …}",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "int_type": "write it as a number",
}
"""What the library's type errors mean to somebody who writes a file."""


class BadDescription(ValueError):
    """What is wrong, one sentence a line; `mistakes` are fields and sentences, where the fields are known."""

    def __init__(self, text: str, mistakes: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(text)
        self.mistakes = mistakes


class ClientDescription(ClientMetadata):
    """One client: what it says of itself, and what only an operator decides."""

    client_id: str
    profile: str = "standard"
    id_token_signed_response_alg: str = "ES256"
    """Decision 6."""
    require_pkce: bool = True
    first_party: bool = False
    is_default: bool = Field(default=False, alias="default")
    audience: AudienceName | None = None
    minimum_acr: str | None = None
    resources: tuple[str, ...] = Field(default=(), max_length=MOST)
    authorization_details_types: tuple[str, ...] = Field(default=(), max_length=MOST)
    token_exchange_audiences: tuple[str, ...] = Field(default=(), max_length=MOST)
    access_token_format: Literal["opaque", "jwt"] = "opaque"
    disabled: bool = False
    secret_env: str | None = None
    """The environment variable that holds the secret."""
    secret_file: str | None = None
    """The file that holds the secret; it is drawn and written there if the file does not exist."""

    @classmethod
    def column_names(cls) -> tuple[str, ...]:
        """The fields that are columns."""
        return tuple(name for name in cls.model_fields if name not in _NO_COLUMNS)

    @field_validator("client_id")
    @classmethod
    def _client_id_is_plain(cls, value: str) -> str:
        if not _CLIENT_ID.fullmatch(value):
            raise ValueError("use 1 to 64 of the characters A-Z a-z 0-9 . _ -")
        return value

    @field_validator("profile")
    @classmethod
    def _profile_exists(cls, value: str) -> str:
        return one_of(value, profiles.PROFILES)

    @field_validator("minimum_acr")
    @classmethod
    def _class_exists(cls, value: str | None) -> str | None:
        return None if value is None else one_of(value, ACR_VALUES)

    @field_validator("resources", "authorization_details_types", "token_exchange_audiences")
    @classmethod
    def _names_are_plain(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(plain_text(each) for each in value)

    @field_validator("resources")
    @classmethod
    def _resources_are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """RFC 8707 §2: an absolute URI without a fragment."""
        for each in value:
            if not re.fullmatch(r"[a-z][a-z0-9+.\-]*:[!-~]+", each) or "#" in each:
                raise ValueError("name each resource by its address, without a fragment (RFC 8707 §2)")
        return value

    @model_validator(mode="after")
    def _policy_fits(self) -> Self:
        for sentence in (*self._contradictions(), *self._below_profile()):
            raise PydanticCustomError(CONTRADICTION, sentence)
        return self

    def _contradictions(self) -> Iterator[str]:
        given = [name for name in ("secret_env", "secret_file") if getattr(self, name) is not None]
        if self.token_endpoint_auth_method == "none" and not self.require_pkce:
            yield "a public client needs PKCE"
        if given and not self.has_secret:
            yield "this client has no secret"
        if len(given) > 1:
            yield "give secret_env or secret_file, not both"
        if ("offline_access" in self.scope) != ("refresh_token" in self.grant_types):
            yield "scope offline_access and grant type refresh_token belong together"
        if self.is_default and self.initiate_login_uri is None:
            yield "the default client needs initiate_login_uri"

    def _below_profile(self) -> Iterator[str]:
        """What falls short of the one word that says everything (`idp/profiles.py`)."""
        wanted = profiles.of(self)
        if wanted.auth_methods and self.token_endpoint_auth_method not in wanted.auth_methods:
            yield f"profile {self.profile} needs token_endpoint_auth_method {' or '.join(wanted.auth_methods)}"
        for name in (*_SIGNED_BY_CLIENT, *_SIGNED_FOR_CLIENT):
            alg = getattr(self, name)
            if wanted.algorithms and alg is not None and alg not in wanted.algorithms:
                yield f"profile {self.profile} needs {name} {' or '.join(wanted.algorithms)}"
        if wanted.response_types and not set(self.response_types) <= set(wanted.response_types):
            yield f"profile {self.profile} needs response_types {' or '.join(wanted.response_types)}"
        is_plain = any(uri.startswith("http://") for uri in self.redirect_uris)
        if wanted.algorithms and is_plain and self.application_type != "native":  # FAPI 2.0 Security Profile §5.3.2.2
            yield f"profile {self.profile} needs redirect_uris with https"
        if wanted.signed_request and self.jwks is None and self.jwks_uri is None:
            yield f"profile {self.profile} needs jwks or jwks_uri"


def describe(values: dict[str, Any], policy: Policy | None = None) -> ClientDescription:
    """Read one client, or raise `BadDescription` with every mistake in it; `policy` is that of the provider."""
    try:
        return ClientDescription.model_validate(values, context=policy)
    except ValidationError as error:
        name = str(values.get("client_id", "a client without client_id"))
        mistakes = [(str((*problem["loc"], "")[0]), _sentence(name, problem)) for problem in error.errors()]
        raise BadDescription("\n".join(sentence for _, sentence in mistakes), mistakes) from None


def _sentence(name: str, problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden" and len(problem["loc"]) == 1:
        text = f"there is no such field{_nearest(where)}"
    else:
        text = _PLAIN.get(problem["type"], str(problem["msg"]))
    return f"{name}: {where + ': ' if where else ''}{text.removeprefix('Value error, ')}"


def _nearest(field: str) -> str:
    known = [described.alias or name for name, described in ClientDescription.model_fields.items()]
    near = difflib.get_close_matches(field, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
