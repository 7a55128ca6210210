"""The refresh token: new tokens without the person, as long as everything still stands (RFC 6749 §6)."""

from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749 import InvalidScopeError

from .. import audit
from .. import consents
from .. import families
from .. import profiles
from .. import sender_constraint
from .. import tokens
from ..authorization import Authorization
from ..db import db
from ..db import transaction
from ..models import Account
from ..models import Client
from ..models import RefreshFamily
from ..token_grant import TokenGrant
from ..token_grant import set_aside


class RefreshTokenGrant(TokenGrant):
    """Exchanges a refresh token for its successor and a new access token."""

    GRANT_TYPE = "refresh_token"

    def redeem(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        """Check what the family stands on, mint, rotate; the order leaves a wrong request without effect.

        `auth_time`, `acr`, `amr` and `sid` are those of the sign-in, and there is no nonce (OIDC Core §12.2).
        """
        token = form.get("refresh_token")
        if token is None:
            raise InvalidRequestError("The refresh_token is missing.")
        family = _family(token, client)
        authorization = families.authorization_of(family)
        _check_key(authorization, client, self.confirmation)
        account = _account(authorization, client)
        narrowed = self.limited(self.bound(authorization.within(client, _asked(form, authorization)).apart()))
        if profiles.of(client).rotates_refresh_tokens:
            return _rotated(family, token, narrowed, account, client)
        return _kept(family, token, narrowed, account, client)


def _family(token: str, client: Client) -> RefreshFamily:
    """The family of a token that was issued to this client (RFC 6749 §10.4)."""
    family = families.find(token)
    if family is None:
        raise InvalidGrantError("The refresh token is not valid.")
    if family.client_id != client.client_id:
        with transaction():
            audit.record("refresh_token_of_another_client", outcome="refused", client_id=client.client_id)
        raise InvalidGrantError("The refresh token is not valid.")
    return family


def _check_key(authorization: Authorization, client: Client, confirmation: Mapping[str, str] | None) -> None:
    """The refresh tokens of a public client are bound to its key (RFC 9449 §5, RFC 8705 §4).

    A confidential client proves who it is, and may take a new key.
    """
    if client.is_public and not sender_constraint.is_same(authorization.confirmation or {}, confirmation):
        raise InvalidGrantError("The refresh token is bound to another key.")


def _rotated(
    family: RefreshFamily, token: str, authorization: Authorization, account: Account, client: Client
) -> dict[str, Any]:
    """New tokens, and a successor of this one (decision 4).

    Everything that can fail comes before the family moves on: who is answered with an error comes again with a token
    that still counts. What was minted in vain, because somebody else moved the family meanwhile, is taken back.
    """
    with set_aside(account, client, family):
        rotation = families.prepare(family, token, client.client_id)
    generation, successor = rotation.generation, rotation.successor
    body = tokens.mint(authorization, account, client, generation=generation, refresh_token=successor)
    with set_aside(account, client, family):
        is_made = families.rotate(rotation)
    if is_made:
        return body
    tokens.revoke(body["access_token"])
    return _rotated(_family(token, client), token, authorization, account, client)


def _kept(
    family: RefreshFamily, token: str, authorization: Authorization, account: Account, client: Client
) -> dict[str, Any]:
    """New tokens, and the same refresh token again: of a client that proves a key (decision 4)."""
    with set_aside(account, client, family):
        generation = families.use(family, token)
    return tokens.mint(authorization, account, client, generation=generation, refresh_token=token)


def _account(authorization: Authorization, client: Client) -> Account:
    """The account, if it still stands behind its permission: active, no "end all", consent not withdrawn."""
    account = db.session.get(Account, authorization.account_id)
    if account is None or not authorization.holds(account):
        raise InvalidGrantError("The refresh token is not valid.")
    scope = consents.scope_of(authorization.scope, authorization.claims, client)
    if consents.is_needed(client, account.id, scope, authorization.authorization_details):
        raise InvalidGrantError("The refresh token is not valid.")
    return account


def _asked(form: Mapping[str, str], authorization: Authorization) -> list[str] | None:
    """The scopes asked for: fewer is allowed, more is not (RFC 6749 §6)."""
    if "scope" not in form:
        return None
    asked = form["scope"].split()
    if not set(asked) <= set(authorization.scope):
        raise InvalidScopeError("The scope exceeds what was granted.")
    return asked
