"""What every grant of the token endpoint has in common: who asks, and whether it may."""

from abc import ABC
from abc import abstractmethod
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from typing import Any

from authlib.oauth2.rfc6749 import BaseGrant
from authlib.oauth2.rfc6749 import TokenEndpointMixin
from authlib.oauth2.rfc6749 import UnauthorizedClientError

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

    @abstractmethod
    def redeem(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        """Check what an authenticated client presents and make the token answer, or raise an OAuth error."""

    def validate_token_request(self) -> None:
        """Authenticate the client, by whatever method it registered, and look whether it may use this grant."""
        client = self.server.authenticate_client(self.request, self.server.client_auth_methods)
        if self.GRANT_TYPE not in client.grant_types:
            raise UnauthorizedClientError("The client may not use this grant_type.")
        self.request.client = client

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Consume first, mint second: `redeem` does both."""
        return 200, self.redeem(self.request.client, self.request.form), self.TOKEN_RESPONSE_HEADER
