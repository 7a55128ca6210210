"""The rules of an authorization request, one function a parameter; each cites the rule it obeys.

A rule returns the parameter's value as the request keeps it, or raises the specification's error. Descriptions are
constant and of safe characters (RFC 6749 §4.1.2.1): nothing a stranger sent is ever repeated in one.
"""

import re
from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749 import InvalidScopeError
from authlib.oauth2.rfc6749 import OAuth2Error
from authlib.oauth2.rfc6749 import UnauthorizedClientError
from authlib.oauth2.rfc6749 import UnsupportedResponseTypeError
from authlib.oidc.core.errors import RegistrationNotSupportedError

from . import authorization_details as details
from . import claims as claim_rules
from . import id_token
from . import profiles
from . import resources
from . import sender_constraint
from .models import Client
from .parameters import Parameters
from .provider import provider
from .response_modes.jwt import SIGNED

_ADDRESS = ("query", "fragment", "form_post", "query.jwt", "fragment.jwt", "form_post.jwt")
_NEVER_QUERY = ("fragment", "form_post", "fragment.jwt", "form_post.jwt")
RESPONSE_TYPES: dict[str, tuple[str, ...]] = {
    "code": _ADDRESS,
    "id_token": _NEVER_QUERY,
    "id_token token": _NEVER_QUERY,
    "code id_token": _NEVER_QUERY,
    "code token": _NEVER_QUERY,
    "code id_token token": _NEVER_QUERY,
}
"""The response types there are, each with the modes it may travel in, the default first.

Tokens never travel in a query, which servers log (OAuth 2.0 Multiple Response Types §3.0, §5).
"""

_WITHOUT_CODE = tuple(each for each in RESPONSE_TYPES if "code" not in each.split())

PROMPTS = ("none", "login", "consent", "select_account", "create")
UNSUPPORTED = {"registration": RegistrationNotSupportedError}
MAX_LENGTH = 4096
MAX_LENGTHS = dict.fromkeys(("claims", "id_token_hint", "authorization_details"), 16 * 1024)
MAX_WORDS = 50
MAX_BINDING_MESSAGE = 64

# RFC 7636 §4.2: BASE64URL of a SHA-256 has 43 characters, no more and no fewer.
_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")
# RFC 6749 §3.3
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_SECONDS = re.compile(r"[0-9]{1,9}")


class InvalidTarget(OAuth2Error):  # type: ignore[misc]
    """A resource that is none, or none of this client's (RFC 8707 §2)."""

    error = "invalid_target"
    description = "The resource is not valid."


class InvalidBindingMessage(OAuth2Error):  # type: ignore[misc]
    """A message that is too long or cannot be shown (CIBA §13)."""

    error = "invalid_binding_message"
    description = "The binding_message must have at most 64 visible characters."


def state_for_errors(params: Parameters) -> str | None:
    """The `state` to send back with an error: exactly what came, unless that is doubtful or endless."""
    state = params.get("state")
    if state is None or "state" in params.repeated or len(state) > MAX_LENGTH:
        return None
    return state


def response_mode_for_errors(params: Parameters, client: Client, *, is_read: bool) -> str:
    """The mode to tell an error in: the one asked for where it can be meant, else that of the response type.

    Where the object that names it could not be read, a client all of whose answers are signed gets a signed one.
    """
    allowed = RESPONSE_TYPES.get(_type_asked(params) or "", RESPONSE_TYPES["code"])
    only_signed = profiles.of(client).signed_answer and client.response_types == ["code"]
    if only_signed and not is_read and params.get("response_mode") is None:
        return f"{allowed[0]}{SIGNED}"
    mode = _mode_asked(params, allowed)
    return mode if mode in allowed and "response_mode" not in params.repeated else allowed[0]


def refuse_unsupported(params: Parameters) -> None:
    """Say so where a request relies on what is not offered (OIDC Core §3.1.2.6)."""
    for name, error in UNSUPPORTED.items():
        if params.get(name) is not None:
            raise error()


def refuse_oversize(params: Parameters) -> None:
    """Bound every value: each is kept, and some are sent back."""
    for name, value in params.as_dict().items():
        if len(value) > MAX_LENGTHS.get(name, MAX_LENGTH):
            raise InvalidRequestError("A parameter is too long.")


def offered_response_types() -> tuple[str, ...]:
    """The response types of this provider: those with tokens in the address only where the operator wants them."""
    if provider.settings.offers_implicit:
        return tuple(RESPONSE_TYPES)
    return ("code",)


def response_type(params: Parameters, client: Client) -> str:
    """RFC 6749 §3.1.1: a missing type is an invalid request, an unknown one unsupported; word order is free."""
    asked = _type_asked(params)
    if asked is None:
        raise InvalidRequestError("The response_type is missing.")
    if asked not in offered_response_types():
        raise UnsupportedResponseTypeError(asked)
    is_below = asked not in (profiles.of(client).response_types or RESPONSE_TYPES)
    if is_below or asked not in client.response_types or not _has_grants(client, asked):
        raise UnauthorizedClientError("The client may not use this response_type.")
    if "token" in asked.split() and sender_constraint.is_demanded(client):
        raise UnauthorizedClientError("The client may have no access token that is bound to nothing.")
    return asked


def response_mode(params: Parameters, response_type: str, client: Client) -> str:
    """The way the answer travels (OAuth 2.0 Multiple Response Types §2.1, JARM §2.3)."""
    allowed = RESPONSE_TYPES[response_type]
    mode = _mode_asked(params, allowed)
    if mode not in allowed:
        raise InvalidRequestError("The response_mode is not supported for this response_type.")
    if profiles.of(client).signed_answer and response_type == "code" and not mode.endswith(SIGNED):
        raise InvalidRequestError("The client must ask for a signed answer.")
    return mode


def scope(params: Parameters, client: Client, response_type: str) -> tuple[str, ...]:
    """The scopes the client gets: those it asked for, exist, and it is allowed (RFC 6749 §3.3).

    Others are not granted, and the token answer says which were. `offline_access` is for clients with refresh tokens,
    and ignored where the browser brings no code to get one with (OIDC Core §11).
    """
    asked = [token for token in (params.get("scope") or "").split(" ") if token]
    if not asked:
        raise InvalidRequestError("The scope is missing.")
    if not all(_SCOPE_TOKEN.fullmatch(token) for token in asked):
        raise InvalidScopeError("The scope is malformed.")
    if "openid" not in asked or "openid" not in client.scope:
        raise InvalidScopeError("The scope must contain openid.")
    ignored = {"offline_access"} if response_type in _WITHOUT_CODE else set()
    known = (*claim_rules.SCOPES, *resources.scopes())
    return tuple(name for name in known if name in asked and name not in ignored and may_have(client, name))


def may_have(client: Client, scope: str) -> bool:
    """Whether the client is registered for this scope, and for what it leads to.

    Scopes of resources are for applications of the fund: there is no word for them that others' people could agree to.
    """
    if scope == "offline_access" and "refresh_token" not in client.grant_types:
        return False
    if scope not in claim_rules.SCOPES and not client.first_party:
        return False
    return scope in client.scope


def code_challenge(params: Parameters) -> str | None:
    """PKCE with S256 (RFC 7636 §4.3); `plain` is refused, and no method, which means plain, too (RFC 9700 §2.1.1)."""
    challenge, method = params.get("code_challenge"), params.get("code_challenge_method")
    if challenge is None and method is None:
        return None
    if method != "S256":
        raise InvalidRequestError("The code_challenge_method must be S256.")
    if challenge is None or not _CHALLENGE.fullmatch(challenge):
        raise InvalidRequestError("The code_challenge is missing or malformed.")
    return challenge


def nonce(
    params: Parameters, client: Client, response_type: str, challenge: str | None, *, pushed: bool = False
) -> str | None:
    """What ties an ID token, or a code without PKCE, to this browser.

    An ID token from this endpoint always carries one (OIDC Core §3.2.2.1, §3.3.2.11). Without PKCE nothing else
    protects a code; who is exempt must send one (decision 2).
    """
    value, kinds = params.get("nonce"), response_type.split()
    if value is None and ("id_token" in kinds or profiles.of(client).nonce):
        raise InvalidRequestError("A nonce is required.")
    if challenge is not None or "code" not in kinds:
        return value
    if _needs_pkce(client, pushed=pushed):
        raise InvalidRequestError("PKCE with code_challenge_method S256 is required.")
    if value is None and not provider.settings.conformance:
        raise InvalidRequestError("A nonce is required without PKCE.")
    return value


def prompt(params: Parameters) -> tuple[str, ...]:
    """The pages the client wants shown, or none at all (OIDC Core §3.1.2.1, Initiating User Registration §4)."""
    values = words(params, "prompt")
    if not set(values) <= set(PROMPTS):
        raise InvalidRequestError("The prompt is not supported.")
    alone = {"none"} & set(values) or {"create"} & set(values)
    if alone and not set(values) <= alone | ({"consent"} if alone == {"create"} else set()):
        raise InvalidRequestError("The prompt combines values that exclude each other.")
    return values


def max_age(params: Parameters, client: Client) -> int | None:
    """How old the person's last proof may be, in seconds; the client's registered default where nothing is said."""
    value = params.get("max_age")
    if value is None:
        return client.default_max_age
    if not _SECONDS.fullmatch(value):
        raise InvalidRequestError("The max_age must be a number of seconds.")
    return int(value)


def acr_values(params: Parameters, client: Client) -> tuple[str, ...]:
    """The classes wished for, the best first; the registered ones where nothing is said (OIDC Core §3.1.2.1)."""
    return words(params, "acr_values") or tuple(client.default_acr_values)


def words(params: Parameters, name: str) -> tuple[str, ...]:
    """A list of words separated by spaces, each once."""
    values = tuple(dict.fromkeys((params.get(name) or "").split()))
    if len(values) > MAX_WORDS:
        raise InvalidRequestError("A parameter lists too much.")
    return values


def id_token_hint(params: Parameters, client: Client) -> str | None:
    """The `sub` of a hint: an ID token of ours for this very client, expired or not (OIDC Core §3.1.2.1)."""
    hint = params.get("id_token_hint")
    if hint is None:
        return None
    stated = id_token.read(hint)
    if stated is None or stated["aud"] != client.client_id:
        raise InvalidRequestError("The id_token_hint is not an ID token of this client.")
    return str(stated["sub"])


def claims(params: Parameters) -> dict[str, Any] | None:
    """The single claims asked for (OIDC Core §5.5)."""
    text = params.get("claims")
    return None if text is None else claim_rules.read_request(text)


def dpop_jkt(params: Parameters) -> str | None:
    """The thumbprint of the key the code will be bound to (RFC 9449 §10)."""
    value = params.get("dpop_jkt")
    if value is not None and not _CHALLENGE.fullmatch(value):
        raise InvalidRequestError("The dpop_jkt is malformed.")
    return value


def resource(params: Parameters, client: Client, *more: str) -> tuple[str, ...]:
    """The protected resources asked for; each must be open to the client, or among `more` (RFC 8707 §2.1)."""
    asked = params.get_all("resource")
    if not set(asked) <= {*client.resources, *more}:
        raise InvalidTarget()
    return asked


def binding_message(params: Parameters) -> str | None:
    """A short text of plain characters, shown to the person as it is (CIBA §7.1, §13)."""
    text = params.get("binding_message")
    if text is not None and (len(text) > MAX_BINDING_MESSAGE or not text.isprintable()):
        raise InvalidBindingMessage()
    return text


def authorization_details(
    params: Parameters, client: Client, *, consent: bool = False
) -> tuple[Mapping[str, Any], ...]:
    """What a person is asked for in more words than a scope has (RFC 9396 §2).

    Where the page of consent comes, always or for applications of others, it must show all of it (§5).
    """
    asked = details.read(params, client)
    if (consent or not client.first_party) and not all(details.can_be_shown(each) for each in asked):
        raise details.InvalidAuthorizationDetails()
    return asked


def _type_asked(params: Parameters) -> str | None:
    """The response type in its usual word order."""
    asked = params.get("response_type")
    words = sorted((asked or "").split(" "))
    return next((each for each in RESPONSE_TYPES if sorted(each.split()) == words), asked)


def _mode_asked(params: Parameters, allowed: tuple[str, ...]) -> str:
    """The response mode asked for; `jwt` is the default one, signed (JARM §2.3.4)."""
    asked = params.get("response_mode") or allowed[0]
    return f"{allowed[0]}{SIGNED}" if asked == "jwt" else asked


def _has_grants(client: Client, response_type: str) -> bool:
    """RFC 7591 §2.1: a code leads to the grant authorization_code, tokens in the address are the grant implicit."""
    kinds = set(response_type.split())
    needed = {"authorization_code" if kind == "code" else "implicit" for kind in kinds}
    return needed <= set(client.grant_types)


def _needs_pkce(client: Client, *, pushed: bool) -> bool:
    if profiles.of(client).pushed_request:
        return True
    if pushed and profiles.of(client).signed_request:  # FAPI 1.0 Advanced §5.2.2-18
        return True
    if provider.settings.conformance and client.profile == "standard":
        return False
    return client.require_pkce or client.is_public
