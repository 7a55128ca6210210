"""What a way of client authentication does, and the one rule for all of them.

Exactly one kind of evidence is shown, its way is the one the client registered, and every failure reads the same
(RFC 6749 §2.3, §5.2): nobody learns whether a client exists, is disabled, or has another way.
"""

from collections.abc import Callable
from collections.abc import Collection
from typing import Protocol

from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc6749 import OAuth2Request

from . import profiles
from .models import Client

FindClient = Callable[[str], Client | None]


class ClientAuthMethod(Protocol):
    """One module of `client_auth/`."""

    @property
    def NAME(self) -> str:
        """The name of the way (RFC 7591 §2)."""

    @property
    def EVIDENCE(self) -> str:
        """What it goes by. Of ways that go by the same (a name alone, an assertion), the registered one counts."""

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
    """Authlib's registry of ways, with one rule: exactly one kind of evidence is presented."""

    def __init__(self, find_client: FindClient) -> None:
        self._find_client = find_client
        self._methods: dict[str, ClientAuthMethod] = {}

    def register(self, name: str, method: ClientAuthMethod) -> None:
        """Add a way; Authlib's `register_client_auth_method` ends here."""
        self._methods[name] = method

    def __call__(self, request: OAuth2Request, methods: Collection[str], endpoint: str = "token") -> Client:
        """The authenticated client, or `NotAuthenticated`."""
        presented = [method for method in self._methods.values() if method.is_presented(request)]
        if len({method.EVIDENCE for method in presented}) != 1:
            raise NotAuthenticated()
        for method in presented:
            client = method.authenticate(request, self._find_client)
            if client is not None and method.NAME in methods and _is_proven(client, method.NAME, request):
                request.auth_method = method.NAME
                return client
        raise NotAuthenticated()


def is_name_alone(request: OAuth2Request) -> bool:
    """Whether the form names a client and shows nothing that would prove it."""
    proofs = {"client_secret", "client_assertion", "client_assertion_type"}
    return "client_id" in request.form and proofs.isdisjoint(request.form) and "Authorization" not in request.headers


def _is_proven(client: Client, name: str, request: OAuth2Request) -> bool:
    """Whether this is the client's one way, good enough for its profile, and it calls itself nothing else beside."""
    allowed = profiles.of(client).auth_methods
    if not client.is_active or client.token_endpoint_auth_method != name or (allowed and name not in allowed):
        return False
    return bool(request.form.get("client_id", client.client_id) == client.client_id)
