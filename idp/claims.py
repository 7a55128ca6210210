"""Claims: what is known of a person, and what of it a client may see (OIDC Core §5).

Some the account knows itself, the rest comes from a source outside: `idp` knows no pensioner, and
`create_app(…, claims_source=…)` brings the fund's (decision 12). What a client gets is decided here, by scope.
"""

import json
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError

from . import subjects
from .models import Account
from .models import Client
from .provider import provider

SCOPES: dict[str, tuple[str, ...]] = {
    "openid": ("sub",),
    "profile": (
        *("name", "family_name", "given_name", "middle_name", "nickname", "preferred_username"),
        *("profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"),
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
    "offline_access": (),
    "pension": ("person_number", "entitlement", "enrolled_at", "factors_changed_at"),
}
"""The scopes there are, and the claims each one opens (OIDC Core §5.4)."""

PROTOCOL_CLAIMS = ("iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash")
"""What every ID token says by itself; nobody's source and no request can overwrite it."""

OWN = frozenset(
    {"sub", "email", "email_verified", "phone_number", "phone_number_verified", "enrolled_at", "factors_changed_at"}
)
"""What the account knows itself."""

REQUESTABLE = frozenset(name for names in SCOPES.values() for name in names) | {"acr", "auth_time", "amr"}


def for_userinfo(
    account: Account, client: Client, scope: Iterable[str], request: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What userinfo tells: the claims of the granted scopes, and those asked for one by one (OIDC Core §5.3.2)."""
    names = {name for granted in scope for name in SCOPES.get(granted, ())}
    names |= _asked(request, "userinfo", client)
    return {**_values(account, names - {"sub"}), "sub": subjects.of(account.id, client)}


def for_id_token(account: Account, client: Client, request: Mapping[str, Any] | None) -> dict[str, Any]:
    """What the claims parameter asks into the ID token; scopes go to userinfo (OIDC Core §5.4)."""
    return _values(account, _asked(request, "id_token", client) - {"sub"})


def scopes_of(request: Mapping[str, Any] | None) -> set[str]:
    """The scopes that would open what is asked for one by one; `openid` opens a name only."""
    asked = {name for member in ("userinfo", "id_token") for name in (request or {}).get(member, ())}
    return {scope for scope, opened in SCOPES.items() if scope != "openid" and asked & set(opened)}


def read_request(text: str) -> dict[str, Any]:
    """Read the `claims` parameter, leaving out what nobody here knows (OIDC Core §5.5)."""
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidRequestError("The claims parameter is not JSON.") from None
    if not isinstance(asked, dict):
        raise InvalidRequestError("The claims parameter has a wrong shape.")
    return {member: _read_member(asked.get(member)) for member in ("userinfo", "id_token")}


def _read_member(wishes: object) -> dict[str, Any]:
    if wishes is None:
        return {}
    if not isinstance(wishes, dict):
        raise InvalidRequestError("The claims parameter has a wrong shape.")
    return {claim: _read_one(wish) for claim, wish in wishes.items() if claim in REQUESTABLE}


def _read_one(wish: object) -> dict[str, Any]:
    """One entry of the claims parameter: null, or an object of essential, value and values (OIDC Core §5.5.1)."""
    if wish is None:
        return {}
    if not isinstance(wish, dict):
        raise InvalidRequestError("The claims parameter has a wrong shape.")
    if not isinstance(wish.get("essential", False), bool) or not isinstance(wish.get("values", []), list):
        raise InvalidRequestError("The claims parameter has a wrong shape.")
    values = [*wish.get("values", []), *([wish["value"]] if "value" in wish else [])]
    kept = [value for value in values if isinstance(value, str) and len(value) <= 255]
    return {"essential": wish.get("essential", False), **({"values": kept} if values else {})}


def _asked(request: Mapping[str, Any] | None, member: str, client: Client) -> set[str]:
    """The claims asked for one by one, as far as a scope this client may have opens them."""
    open_to_client = {name for scope in client.scope for name in SCOPES.get(scope, ())}
    return set((request or {}).get(member, ())) & open_to_client


def _values(account: Account, names: set[str]) -> dict[str, Any]:
    """The values of the claims named, as far as they are known."""
    if not names:
        return {}
    own = _own(account, names)
    wanted = names - own.keys()
    known = {**(provider.claims_source.claims(account, wanted) if wanted else {}), **own}
    return {name: known[name] for name in sorted(names) if known.get(name) not in (None, "")}


def supported() -> list[str]:
    """The claims of the scopes that somebody here can supply (OIDC Discovery §3)."""
    known = OWN | provider.claims_source.names
    return [name for names in SCOPES.values() for name in names if name in known]


def _own(account: Account, names: set[str]) -> dict[str, Any]:
    """What the account itself knows; sealed fields are opened only when asked for."""
    own: dict[str, Any] = {
        "enrolled_at": int(account.created_at.timestamp()),
        "factors_changed_at": int(account.factors_changed_at.timestamp()),
    }
    if names & {"email", "email_verified"}:
        own |= {"email": account.email, "email_verified": True}
    if names & {"phone_number", "phone_number_verified"}:
        own |= _phone(account)
    return own


def _phone(account: Account) -> dict[str, Any]:
    """The number that receives this person's SMS codes: a proven one, or none."""
    for authenticator in account.authenticators:
        if authenticator.kind == "sms":
            return {"phone_number": authenticator.data["phone"], "phone_number_verified": True}
    return {"phone_number": None, "phone_number_verified": None}
