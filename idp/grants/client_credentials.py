"""Client credentials: a token for the client itself, nobody's account behind it (RFC 6749 §4.4)."""

from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749 import UnauthorizedClientError

from .. import authorization_details as details
from .. import request_rules
from .. import resources
from .. import token_limits
from .. import tokens
from ..authorization import Authorization
from ..clock import epoch
from ..models import Client
from ..token_grant import TokenGrant


class ClientCredentialsGrant(TokenGrant):
    """Mints an access token, and nothing else, for scopes of resources: those of OpenID Connect are about people."""

    GRANT_TYPE = "client_credentials"

    def redeem(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        """Everything is in the request: what is asked is granted as far as it is open to the client."""
        if client.is_public:
            raise UnauthorizedClientError("The client may not use this grant_type.")
        params = self.request.params
        allowed = tuple(scope for scope in resources.scopes() if scope in client.scope)
        authorization = Authorization(
            account_id=None,
            client_id=client.client_id,
            scope=token_limits.scope(form.get("scope"), allowed),
            auth_time=epoch(),
            acr=None,
            amr=(),
            resource=request_rules.resource(params, client),
            authorization_details=details.read(params, client),
        )
        return tokens.mint(self.bound(authorization), None, client)
