"""A client as an operator describes it: on the command line, or as one `[[client]]` of a TOML file.

Every mistake becomes a sentence that names the field and says how to mend it; what passes here needs no further check.
"""

import re
from collections.abc import Iterable
from typing import Any
from typing import Literal
from typing import Self

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError
from pydantic import field_validator
from pydantic import model_validator

from idp import redirects
from idp.assurance import ACR_VALUES
from idp.claims import SCOPES
from idp.client_auth.private_key_jwt import ALGORITHMS
from keys import UnusableKey
from keys.algorithms import from_jwk

LANGUAGES = ("de", "fr", "it", "en")
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class BadDescription(ValueError):
    """What is wrong, one sentence a line."""


class ClientDescription(BaseModel):
    """One client; the fields are those of RFC 7591 §2 where it has one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: str
    client_name: dict[str, str]
    application_type: Literal["web", "native", "browser"] = "web"
    token_endpoint_auth_method: Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"] = (
        "client_secret_basic"
    )
    token_endpoint_auth_signing_alg: str | None = None
    jwks: dict[str, Any] | None = None
    redirect_uris: tuple[str, ...] = Field(min_length=1)
    post_logout_redirect_uris: tuple[str, ...] = ()
    initiate_login_uri: str | None = None
    grant_types: tuple[Literal["authorization_code", "refresh_token"], ...] = ("authorization_code",)
    response_types: tuple[Literal["code"], ...] = ("code",)
    scope: tuple[str, ...] = ("openid",)
    id_token_signed_response_alg: Literal["RS256", "ES256"] = "ES256"
    require_pkce: bool = True
    first_party: bool = False
    is_default: bool = Field(default=False, alias="default")
    audience: str | None = None
    minimum_acr: str | None = None
    default_max_age: int | None = Field(default=None, ge=0, le=10**8)
    disabled: bool = False
    secret_env: str | None = None
    """The environment variable that holds the secret."""
    secret_file: str | None = None
    """The file that holds the secret; it is drawn and written there if the file does not exist."""

    @property
    def has_secret(self) -> bool:
        """Whether the client proves itself with a shared secret."""
        return self.token_endpoint_auth_method.startswith("client_secret")

    def columns(self) -> dict[str, Any]:
        """What the table keeps of it, all but secret and state."""
        values = self.model_dump(exclude={"client_id", "disabled", "secret_env", "secret_file"})
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @field_validator("client_id")
    @classmethod
    def _client_id_is_plain(cls, value: str) -> str:
        if not _CLIENT_ID.fullmatch(value):
            raise ValueError("use 1 to 64 of the characters A-Z a-z 0-9 . _ -")
        return value

    @field_validator("client_name", mode="before")
    @classmethod
    def _one_name_serves_all(cls, value: object) -> object:
        return dict.fromkeys(LANGUAGES, value) if isinstance(value, str) else value

    @field_validator("client_name")
    @classmethod
    def _names_are_shown(cls, value: dict[str, str]) -> dict[str, str]:
        if not value or not set(value) <= set(LANGUAGES):
            raise ValueError(f"give one name, or one for each of {', '.join(LANGUAGES)}")
        if not all(0 < len(name) <= 80 and name.isprintable() and name.strip() for name in value.values()):
            raise ValueError("a name has 1 to 80 visible characters")
        return value

    @field_validator("post_logout_redirect_uris")
    @classmethod
    def _ways_back_are_sound(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for uri in value:
            _check(uri, redirects.check_web)
        return value

    @field_validator("initiate_login_uri")
    @classmethod
    def _login_address_is_sound(cls, value: str | None) -> str | None:
        if value is not None:
            _check(value, redirects.check_web)
        return value

    @field_validator("scope", mode="before")
    @classmethod
    def _scope_may_be_one_text(cls, value: object) -> object:
        return value.split() if isinstance(value, str) else value

    @field_validator("scope")
    @classmethod
    def _scopes_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(value) - set(SCOPES)):
            raise ValueError(f"there is no {', '.join(unknown)}; choose among {', '.join(SCOPES)}")
        if "openid" not in value:
            raise ValueError("openid is needed")
        return tuple(name for name in SCOPES if name in value)

    @field_validator("minimum_acr")
    @classmethod
    def _class_exists(cls, value: str | None) -> str | None:
        if value is not None and value not in ACR_VALUES:
            raise ValueError(f"choose among {', '.join(ACR_VALUES)}")
        return value

    @field_validator("token_endpoint_auth_signing_alg")
    @classmethod
    def _algorithm_is_safe(cls, value: str | None) -> str | None:
        if value is not None and value not in ALGORITHMS:
            raise ValueError(f"choose among {', '.join(ALGORITHMS)}")
        return value

    @field_validator("jwks")
    @classmethod
    def _keys_are_public_and_usable(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is None:
            return None
        keys = value.get("keys")
        if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
            raise ValueError("give a JWKS with at least one key (RFC 7517 §5)")
        for key in keys:
            if not PRIVATE_MEMBERS.isdisjoint(key):
                raise ValueError("it contains a private key: give the public half only, and replace that key")
            try:
                from_jwk(key)
            except UnusableKey as error:
                raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        problems = [sentence for sentence, is_wrong in self._contradictions() if is_wrong]
        for uri in self.redirect_uris:
            _check(uri, lambda each: redirects.check(each, native=self.application_type == "native"))
        if problems:
            raise ValueError(problems[0])
        return self

    def _contradictions(self) -> Iterable[tuple[str, bool]]:
        method = self.token_endpoint_auth_method
        offline, refresh = "offline_access" in self.scope, "refresh_token" in self.grant_types
        yield "a browser application keeps no secret: set none", self.application_type == "browser" and method != "none"
        yield "a public client needs PKCE", method == "none" and not self.require_pkce
        yield "private_key_jwt needs jwks", method == "private_key_jwt" and self.jwks is None
        yield "only private_key_jwt uses jwks", method != "private_key_jwt" and self.jwks is not None
        given = [name for name in ("secret_env", "secret_file") if getattr(self, name) is not None]
        yield "this client has no secret", bool(given) and not self.has_secret
        yield "give secret_env or secret_file, not both", len(given) > 1
        yield "authorization_code is needed", "authorization_code" not in self.grant_types
        yield "scope offline_access and grant type refresh_token belong together", offline != refresh
        yield "the default client needs initiate_login_uri", self.is_default and self.initiate_login_uri is None


def describe(values: dict[str, Any]) -> ClientDescription:
    """Read one client, or raise `BadDescription` with every mistake in it."""
    try:
        return ClientDescription.model_validate(values)
    except ValidationError as error:
        name = values.get("client_id", "a client without client_id")
        raise BadDescription("\n".join(_sentence(str(name), problem) for problem in error.errors())) from None


def _check(uri: str, rule: Any) -> None:
    try:
        rule(uri)
    except redirects.BadAddress as error:
        raise ValueError(f"{uri!r}: {error}") from None


def _sentence(name: str, problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    text = "there is no such field" if problem["type"] == "extra_forbidden" else str(problem["msg"])
    return f"{name}: {where + ': ' if where else ''}{text.removeprefix('Value error, ')}"
