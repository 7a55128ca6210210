"""JWT bearer: another issuer, whom the operator trusts, vouches for a person known here (RFC 7523 §2.1).

For programs of the fund that sign people in elsewhere, such as the staff's own identity provider for a clerk who acts
in a pensioner's case. The person did not sign in here: the token says neither when nor how, opens what the operator
allowed this issuer, and comes alone.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749 import InvalidScopeError

from keys import InvalidToken

from .. import accounts
from .. import audit
from .. import authorization_details as details
from .. import issuers
from .. import profiles
from .. import request_rules
from .. import tokens
from ..assertion_issuer import AssertionIssuer
from ..authorization import Authorization
from ..clock import epoch
from ..db import transaction
from ..models import Client
from ..provider import provider
from ..token_grant import TokenGrant

LONGEST_LIFE = 600
SKEW = 60
LONGEST_JTI = 512


class JwtBearerGrant(TokenGrant):
    """Believes an assertion once."""

    GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"

    def redeem(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        """Whose word it is, whether it is fresh and meant for us, whom it is about; then mint."""
        assertion = form.get("assertion")
        if assertion is None:
            raise InvalidRequestError("The assertion is missing.")
        name = issuers.claimed(assertion) or ""
        trusted = provider.settings.assertion_issuers.get(name)
        if trusted is None or client.client_id not in trusted.clients:
            raise InvalidGrantError("The assertion is not valid.")
        stated = _verified(assertion, name, trusted)
        if not _is_for_us(stated, client) or not _is_timely(stated):
            raise InvalidGrantError("The assertion is not valid.")
        account = accounts.by_id(str(stated.get("sub")))
        if account is None or not account.is_active or not _is_new(stated, name):
            raise InvalidGrantError("The assertion is not valid.")
        params = self.request.params
        authorization = Authorization(
            account_id=account.id,
            client_id=client.client_id,
            scope=_scope(form.get("scope"), trusted, client),
            auth_time=0,
            acr=None,
            amr=(),
            resource=request_rules.resource(params, client),
            authorization_details=details.read(params, client),
        )
        body = tokens.access(self.bound(authorization), client)
        with transaction():
            audit.record("assertion_accepted", account_id=account.id, client_id=client.client_id, issuer=name)
        return body


def _verified(assertion: str, name: str, trusted: AssertionIssuer) -> dict[str, Any]:
    try:
        return issuers.verified(assertion, f"assertions of {name}", trusted.model_dump())
    except InvalidToken:
        raise InvalidGrantError("The assertion is not valid.") from None


def _is_for_us(stated: Mapping[str, Any], client: Client) -> bool:
    """Our issuer, or as programs also name us, the token endpoint; for FAPI 2.0 the issuer alone (RFC 7523 §3)."""
    settings, audience = provider.settings, stated.get("aud")
    if profiles.of(client).strict_audience:
        return bool(audience == settings.issuer)
    ours = {settings.issuer, *(f"{base}/token" for base in settings.bases)}
    named = audience if isinstance(audience, list) else [audience]
    return bool(named) and all(isinstance(each, str) and each in ours for each in named)


def _is_timely(stated: Mapping[str, Any]) -> bool:
    """Ends within ten minutes, is not from the future, and from after the store began to remember (decision 3)."""
    moment = epoch()
    times = {name: stated[name] for name in ("exp", "iat", "nbf") if name in stated}
    known = all(isinstance(each, int | float) and not isinstance(each, bool) for each in times.values())
    if not known or "exp" not in times or not moment - SKEW < times["exp"] <= moment + LONGEST_LIFE + SKEW:
        return False
    if any(times[name] > moment + SKEW for name in ("iat", "nbf") if name in times):
        return False
    return bool(times.get("iat", times["exp"] - LONGEST_LIFE) >= int(provider.store.born().timestamp()))


def _is_new(stated: Mapping[str, Any], issuer: str) -> bool:
    """Its `jti` is used for the first time, on whichever node (RFC 7523 §3)."""
    jti = stated.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI:
        return False
    key = hashlib.sha256(f"{issuer}\n{jti}".encode("utf-8", "surrogatepass")).hexdigest()
    return provider.store.add_once("assertion_jti", key, int(stated["exp"]) - epoch() + SKEW + 1)


def _scope(asked: str | None, trusted: AssertionIssuer, client: Client) -> tuple[str, ...]:
    """What the issuer may give and the client may have, or as much of it as is asked for (RFC 7523 §3.1)."""
    open_ = tuple(each for each in trusted.scopes if request_rules.may_have(client, each) and each != "offline_access")
    if asked is None:
        return open_
    wanted = set(asked.split())
    if not wanted <= set(open_):
        raise InvalidScopeError("The scope is not open to the client.")
    return tuple(each for each in open_ if each in wanted)
