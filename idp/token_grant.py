"""What every grant of the token endpoint has in common: who asks, and whether it may."""

from abc import ABC
from abc import abstractmethod
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from authlib.oauth2.rfc6749 import BaseGrant
from authlib.oauth2.rfc6749 import TokenEndpointMixin
from authlib.oauth2.rfc6749 import UnauthorizedClientError
from flask import request as http

from . import sender_constraint
from . import token_limits
from .authorization import Authorization
from .db import Base
from .db import db
from .models import Client


@contextmanager
def set_aside(*rows: Base) -> Iterator[None]:
    """Let the database session go while something is written on a connection of its own, and keep the rows as read.

    Who writes while still holding a connection to read waits for a second one: enough of those at once would wait for
    each other.
    """
    for row in rows:
        db.session.expunge(row)
    db.session.rollback()
    yield
    db.session.add_all(rows)


class TokenGrant(BaseGrant, TokenEndpointMixin, ABC):  # type: ignore[misc]
    """One way to obtain tokens; Authlib's server calls its two halves, the grant says what is redeemed."""

    confirmation: Mapping[str, str] | None = None
    """The key that the client proved with this request, to which its tokens are bound."""

    @abstractmethod
    def redeem(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        """Check what an authenticated client presents and make the token answer, or raise an OAuth error."""

    def validate_token_request(self) -> None:
        """Authenticate the client, by whatever method it registered, and look whether it may use this grant."""
        client = self.server.authenticate_client(self.request, self.server.client_auth_methods)
        if self.GRANT_TYPE not in client.grant_types:
            raise UnauthorizedClientError("The client may not use this grant_type.")
        self.confirmation = sender_constraint.presented(http, client)
        self.request.client = client

    def bound(self, authorization: Authorization) -> Authorization:
        """The same, bound to the key of this request: what every token of this answer is minted from."""
        return replace(authorization, confirmation=self.confirmation)

    def limited(self, authorization: Authorization) -> Authorization:
        """The same, for the resources and details this request names: what the access token is minted from.

        Refresh tokens stand for everything that was granted (RFC 8707 §2.2).
        """
        return token_limits.limited(authorization, self.request.params, self.request.client)

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Consume first, mint second: `redeem` does both."""
        return 200, self.redeem(self.request.client, self.request.form), self.TOKEN_RESPONSE_HEADER
