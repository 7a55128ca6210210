"""JWT bearer: another issuer, whom the operator trusts, vouches for a person known here (RFC 7523 §2.1).

For programs of the fund that sign people in elsewhere, such as the staff's own identity provider for a clerk who acts
in a pensioner's case. The person did not sign in here: the token says neither when nor how, opens what the operator
allowed this issuer, and comes alone.
"""

from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError
from authlib.oauth2.rfc6749 import InvalidRequestError

from keys import InvalidToken

from .. import accounts
from .. import assertions
from .. import audit
from .. import consents
from .. import issuers
from .. import request_rules
from .. import token_limits
from .. import tokens
from ..assertion_issuer import AssertionIssuer
from ..authorization import Authorization
from ..db import transaction
from ..models import Account
from ..models import Client
from ..provider import provider
from ..token_grant import TokenGrant


class JwtBearerGrant(TokenGrant):
    """Believes an assertion once."""

    GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"

    def redeem(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        """Whose word it is, whether it is fresh and meant for us, whom it is about; then mint."""
        assertion = form.get("assertion")
        if assertion is None:
            raise InvalidRequestError("The assertion is missing.")
        name = str(assertions.before_proof(assertion, "iss"))
        params = self.request.params
        details = request_rules.authorization_details(params, client)
        account, scope = self._believed(assertion, name, client, form.get("scope"), details)
        authorization = Authorization(
            account_id=account.id,
            client_id=client.client_id,
            scope=scope,
            auth_time=0,
            acr=None,
            amr=(),
            resource=request_rules.resource(params, client),
            authorization_details=details,
        )
        body = tokens.access(self.bound(authorization), client)
        with transaction():
            audit.record("assertion_accepted", account_id=account.id, client_id=client.client_id, issuer=name)
        return body

    @staticmethod
    def _believed(
        assertion: str, name: str, client: Client, asked: str | None, details: consents.Details
    ) -> tuple[Account, tuple[str, ...]]:
        """The person, and what the issuer's word opens; it is spent last, when nothing else is wrong with it."""
        trusted = provider.settings.assertion_issuers.get(name)
        if trusted is None or client.client_id not in trusted.clients:
            raise InvalidGrantError("The assertion is not valid.")
        stated = _verified(assertion, name, trusted)
        is_fresh = assertions.names_us(stated.get("aud"), client) and assertions.is_timely(stated)
        account = accounts.by_id(str(stated.get("sub"))) if is_fresh else None
        if account is None or not account.is_active:
            raise InvalidGrantError("The assertion is not valid.")
        scope = token_limits.scope(asked, token_limits.passed_on(trusted.scopes, client))
        unasked = consents.is_needed(client, account.id, scope, details)
        if unasked or not assertions.is_new("assertion_jti", name, stated):
            raise InvalidGrantError("The assertion is not valid.")
        return account, scope


def _verified(assertion: str, name: str, trusted: AssertionIssuer) -> dict[str, Any]:
    try:
        return issuers.verified(assertion, f"assertions of {name}", trusted.model_dump())
    except InvalidToken:
        raise InvalidGrantError("The assertion is not valid.") from None
