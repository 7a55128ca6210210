"""What a way of client authentication does, and the one rule for all of them.

Exactly one way is used, it is the one the client registered, and every failure reads the same (RFC 6749 §2.3, §5.2):
nobody learns whether a client exists, is disabled, or has another way.
"""

from collections.abc import Callable
from collections.abc import Collection
from typing import Protocol

from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc6749 import OAuth2Request

from .models import Client

FindClient = Callable[[str], Client | None]


class ClientAuthMethod(Protocol):
    """One module of `client_auth/`."""

    @property
    def NAME(self) -> str:
        """The name of the way (RFC 7591 §2)."""

    def is_presented(self, request: OAuth2Request) -> bool:
        """Whether the request uses this way, right or wrong."""

    def authenticate(self, request: OAuth2Request, find_client: FindClient) -> Client | None:
        """The client it proves; None for a wrong proof and an unknown client alike."""


class NotAuthenticated(InvalidClientError):  # type: ignore[misc]
    """The one answer to every failed client authentication."""

    description = "Client authentication failed."
    status_code = 401

    def get_headers(self) -> list[tuple[str, str]]:
        """RFC 6749 §5.2: name the scheme; the same for every cause."""
        headers = [header for header in super().get_headers() if header[0] != "WWW-Authenticate"]
        return [*headers, ("WWW-Authenticate", 'Basic realm="client", charset="UTF-8"')]


class ClientAuthentication:
    """Authlib's registry of ways, with one rule: exactly one is presented."""

    def __init__(self, find_client: FindClient) -> None:
        self._find_client = find_client
        self._methods: dict[str, ClientAuthMethod] = {}

    def register(self, name: str, method: ClientAuthMethod) -> None:
        """Add a way; Authlib's `register_client_auth_method` ends here."""
        self._methods[name] = method

    def __call__(self, request: OAuth2Request, methods: Collection[str], endpoint: str = "token") -> Client:
        """The authenticated client, or `NotAuthenticated`."""
        presented = [method for method in self._methods.values() if method.is_presented(request)]
        if len(presented) != 1:
            raise NotAuthenticated()
        client = presented[0].authenticate(request, self._find_client)
        name = presented[0].NAME
        if client is None or not client.is_active or client.token_endpoint_auth_method != name or name not in methods:
            raise NotAuthenticated()
        if request.form.get("client_id", client.client_id) != client.client_id:
            raise NotAuthenticated()
        request.auth_method = name
        return client
