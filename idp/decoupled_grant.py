"""What the grants of decoupled requests have in common: ask, wait, and fetch the tokens once."""

from collections.abc import Mapping
from typing import Any
from typing import ClassVar

from authlib.oauth2.rfc6749 import InvalidGrantError
from authlib.oauth2.rfc6749 import InvalidRequestError

from . import decoupled
from . import endings
from . import families
from . import id_token
from . import tokens
from .authorization import Authorization
from .db import db
from .models import Account
from .models import Client
from .token_grant import TokenGrant
from .token_grant import set_aside


class DecoupledGrant(TokenGrant):
    """Exchanges the handle of an allowed request for tokens."""

    PARAMETER: ClassVar[str]
    """The name of the handle in the token request."""

    def redeem(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        """Take the answer, look whether it still stands, mint."""
        handle = form.get(self.PARAMETER)
        if handle is None:
            raise InvalidRequestError(f"The {self.PARAMETER} is missing.")
        authorization = decoupled.fetch(
            handle, client, self.GRANT_TYPE, look=lambda given: self._look(given.within(client), client)
        )
        account = db.session.get(Account, authorization.account_id)
        if account is None or not authorization.holds(account):
            raise InvalidGrantError("The request is not known.")
        authorization = self.bound(authorization.within(client)).apart()
        if endings.is_cut_off(authorization):
            raise InvalidGrantError("The request is not known.")
        limited = self.limited(authorization)
        refresh_token = None
        if "offline_access" in authorization.scope and "refresh_token" in client.grant_types:
            with set_aside(account, client):
                refresh_token = families.start(authorization)
        return tokens.mint(limited, account, client, refresh_token=refresh_token)

    def _look(self, given: Authorization, client: Client) -> None:
        """Raise what would keep the tokens from being made, while the handle is still good."""
        self.limited(given)
        if "openid" in given.scope:
            id_token.check_key(client)
