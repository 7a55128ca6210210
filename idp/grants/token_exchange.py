"""Token exchange: a service trades the access token it was called with for one to call on with (RFC 8693).

The operator says who may: whoever has the grant may exchange its own tokens, and those for the resource that it is
(`introspection_client`), within the resources, scopes and types registered for it, and at other services than those
of the token only where the client's `token_exchange_audiences` names them. Whatever comes out allows no more than what
went in, is for the same person, names who acts, ends no later and when its family, a client on its way or the
account does. An ID token says who somebody is, and not what was allowed; it is not exchanged.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError

from .. import audit
from .. import consents
from .. import request_rules
from .. import resources
from .. import sender_constraint
from .. import subjects
from .. import token_limits
from .. import tokens
from ..authorization import Authorization
from ..clock import epoch
from ..db import transaction
from ..models import Client
from ..token_grant import TokenGrant
from ..tokens import AccessToken

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
MOST_HANDS = 5
"""A chain of services that is longer goes in a circle."""


class TokenExchangeGrant(TokenGrant):
    """Answers with an access token of the same family; refresh tokens and ID tokens stay with whom they were given."""

    GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"

    def redeem(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        """Look what is presented, narrow it, mint."""
        if form.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
            raise InvalidRequestError("Only access tokens can be requested.")
        found = _presented("subject_token", form)
        if not self._may_exchange(found, client):
            raise InvalidRequestError("The subject_token is not valid.")
        narrowed = self._narrowed(found, client, form.get("scope"))
        authorization = replace(narrowed, act=self._actor(found, client, form))
        account_id, details = authorization.account_id, authorization.authorization_details
        if account_id is not None and consents.is_needed(client, account_id, authorization.scope, details):
            raise InvalidRequestError("The person has not allowed this to the client.")
        body = tokens.access(self.bound(authorization), client, found.generation, ends_at=found.expires_at)
        with transaction():
            audit.record("token_exchange", account_id=account_id, client_id=client.client_id)
        return {**body, "issued_token_type": ACCESS_TOKEN}

    def _narrowed(self, found: AccessToken, client: Client, asked: str | None) -> Authorization:
        """What the client gets of it: what the person asked of another (claims, nonce) is not passed on."""
        given, through = found.authorization, (*found.authorization.through, found.client.client_id)
        if len(through) > MOST_HANDS:
            raise InvalidRequestError("The subject_token has passed through too many hands.")
        scope = token_limits.scope(asked, token_limits.passed_on(given.scope, client))
        targets = self._targets(client)
        limited = token_limits.limited(_at(given, targets, client), self.request.params, client, targets=targets)
        return replace(limited, client_id=client.client_id, scope=scope, through=through, claims=None, nonce=None)

    def _may_exchange(self, found: AccessToken, client: Client) -> bool:
        """Its own, with the key it is bound to; or one for the resource it is, which has looked at the key before."""
        if found.client.client_id == client.client_id:
            return self._holds(found)
        return resources.may_introspect(client.client_id, found.authorization)

    def _holds(self, found: AccessToken) -> bool:
        bound_to = found.authorization.confirmation
        return bound_to is None or sender_constraint.is_same(bound_to, self.confirmation)

    def _actor(self, found: AccessToken, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        """Who acts from now on, and who did before (RFC 8693 §4.1): the client, or whose own token it presents."""
        name = client.client_id
        if "actor_token" in form or "actor_token_type" in form:
            given = _presented("actor_token", form)
            if given.client.client_id != client.client_id or not self._holds(given):
                raise InvalidRequestError("The actor_token is not valid.")
            account_id = given.authorization.account_id
            name = client.client_id if account_id is None else subjects.of(account_id, client)
        before = found.authorization.act
        return {"sub": name, **({"act": dict(before)} if before else {})}

    def _targets(self, client: Client) -> tuple[str, ...]:
        """The services asked for, by address or by the client they are (RFC 8693 §2.1); each must be open to it."""
        params = self.request.params
        asked = (*params.get_all("resource"), *(resources.named(each) for each in params.get_all("audience")))
        if not set(asked) <= set(client.resources):
            raise request_rules.InvalidTarget()
        return tuple(dict.fromkeys(asked))


def _presented(name: str, form: Mapping[str, str]) -> AccessToken:
    """A living access token of ours."""
    token, kind = form.get(name), form.get(f"{name}_type")
    if token is None or kind is None:
        raise InvalidRequestError(f"The {name} and its type are required.")
    found = tokens.find(token) if kind == ACCESS_TOKEN else None
    if found is None or found.expires_at <= epoch():  # its last second may have gone by since it was found
        raise InvalidRequestError(f"The {name} is not valid.")
    return found


def _at(authorization: Authorization, targets: tuple[str, ...], client: Client) -> Authorization:
    """For the services asked for: some of those the token is for, and those the operator lets this client call on."""
    if not targets:
        return authorization
    if not set(targets) <= {*resources.audience(authorization), *client.token_exchange_audiences}:
        raise request_rules.InvalidTarget()
    return replace(authorization, resource=targets)
