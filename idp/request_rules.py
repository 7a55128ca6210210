"""The rules of an authorization request, one function a parameter; each cites the rule it obeys.

A rule returns the parameter's value as the request keeps it, or raises the specification's error. Descriptions are
constant and of safe characters (RFC 6749 §4.1.2.1): nothing a stranger sent is ever repeated in one.
"""

import re
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749 import InvalidScopeError
from authlib.oauth2.rfc6749 import UnauthorizedClientError
from authlib.oauth2.rfc6749 import UnsupportedResponseTypeError
from authlib.oidc.core.errors import RegistrationNotSupportedError
from authlib.oidc.core.errors import RequestNotSupportedError
from authlib.oidc.core.errors import RequestURINotSupportedError

from . import claims as claim_rules
from . import id_token
from .models import Client
from .parameters import Parameters
from .response import MODES

RESPONSE_TYPES: dict[str, tuple[str, ...]] = {"code": ("query", "form_post")}
"""The response types there are, each with the modes it may travel in, the default first."""

PROMPTS = ("none", "login", "consent", "select_account", "create")
UNSUPPORTED = {
    "request": RequestNotSupportedError,
    "request_uri": RequestURINotSupportedError,
    "registration": RegistrationNotSupportedError,
}
MAX_LENGTH = 4096
MAX_LENGTHS = {"claims": 16 * 1024, "id_token_hint": 16 * 1024}
MAX_WORDS = 50

# RFC 7636 §4.2: BASE64URL of a SHA-256 has 43 characters, no more and no fewer.
_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")
# RFC 6749 §3.3
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_SECONDS = re.compile(r"[0-9]{1,9}")


def state_for_errors(params: Parameters) -> str | None:
    """The `state` to send back with an error: exactly what came, unless that is doubtful or endless."""
    state = params.get("state")
    if state is None or "state" in params.repeated or len(state) > MAX_LENGTH:
        return None
    return state


def response_mode_for_errors(params: Parameters) -> str:
    """The mode to tell an error in: the one asked for where it can be meant."""
    mode = params.get("response_mode")
    return mode if mode in MODES and "response_mode" not in params.repeated else "query"


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


def response_type(params: Parameters, client: Client) -> str:
    """RFC 6749 §3.1.1: a missing type is an invalid request, an unknown one unsupported."""
    asked = params.get("response_type")
    if asked is None:
        raise InvalidRequestError("The response_type is missing.")
    if asked not in RESPONSE_TYPES:
        raise UnsupportedResponseTypeError(asked)
    if asked not in client.response_types or "authorization_code" not in client.grant_types:
        raise UnauthorizedClientError("The client may not use this response_type.")
    return asked


def response_mode(params: Parameters, response_type: str) -> str:
    """The way the answer travels (OAuth 2.0 Multiple Response Types §2.1)."""
    allowed = RESPONSE_TYPES[response_type]
    asked = params.get("response_mode") or allowed[0]
    if asked not in allowed:
        raise InvalidRequestError("The response_mode is not supported for this response_type.")
    return asked


def scope(params: Parameters, client: Client) -> tuple[str, ...]:
    """The scopes the client gets: those it asked for, exist, and it is allowed (RFC 6749 §3.3).

    Others are not granted, and the token answer says which were. `offline_access` is for clients with refresh tokens.
    """
    asked = (params.get("scope") or "").split(" ")
    asked = [token for token in asked if token]
    if not all(_SCOPE_TOKEN.fullmatch(token) for token in asked):
        raise InvalidScopeError("The scope is malformed.")
    if "openid" not in asked or "openid" not in client.scope:
        raise InvalidScopeError("The scope must contain openid.")
    return tuple(name for name in claim_rules.SCOPES if name in asked and may_have(client, name))


def may_have(client: Client, scope: str) -> bool:
    """Whether the client is registered for this scope, and for what it leads to."""
    if scope == "offline_access" and "refresh_token" not in client.grant_types:
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


def nonce(params: Parameters, client: Client, challenge: str | None) -> str | None:
    """Without PKCE nothing but the nonce ties the code to this browser; who is exempt must send one (decision 2)."""
    value = params.get("nonce")
    if challenge is not None:
        return value
    if client.require_pkce or client.is_public:
        raise InvalidRequestError("PKCE with code_challenge_method S256 is required.")
    if value is None:
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
