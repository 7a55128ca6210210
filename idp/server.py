"""Authlib's AuthorizationServer over our stores; registers the lists of grants, client authentications and endpoints.

Authlib dispatches: which grant, which endpoint, which error. What it merges, guesses or lets pass is read strictly here
first (`FormRequest`), and the authorization endpoint is our own (`endpoints/authorize.py`).
"""

from collections.abc import Mapping
from typing import Any

from authlib.oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749 import OAuth2Error
from authlib.oauth2.rfc6749 import OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from flask import Flask
from flask import Response
from flask import jsonify
from flask import request as http

from .client_auth import METHODS
from .client_auth_method import ClientAuthentication
from .db import db
from .grants import GRANTS
from .models import Client
from .parameters import Malformed
from .parameters import read_form
from .provider import provider

MAX_CLIENT_ID = 255


class FormRequest(OAuth2Request):  # type: ignore[misc]
    """A POST of a form and nothing else: no query, no JSON, no parameter twice (RFC 6749 §3.2)."""

    def __init__(self) -> None:
        # The address is ours by configuration: a Host header decides nothing here.
        super().__init__(http.method, f"{provider.settings.issuer}{http.path}", headers=http.headers)
        try:
            self.params = read_form(http)
        except Malformed as error:
            raise InvalidRequestError(str(error)) from None
        if self.params.repeated:
            raise InvalidRequestError("A parameter is repeated.")
        self.payload = BasicOAuth2Payload(self.params.as_dict())

    @property
    def form(self) -> Mapping[str, str]:
        """The parameters that have a value."""
        return dict(self.payload.data)


class Server(AuthorizationServer):  # type: ignore[misc]
    """The framework's server, with our requests, clients and answers."""

    def __init__(self) -> None:
        super().__init__()
        self._client_auth = ClientAuthentication(self.query_client)
        self.client_auth_methods = tuple(method.NAME for method in METHODS)
        for method in METHODS:
            self.register_client_auth_method(method.NAME, method)
        for grant in GRANTS:
            self.register_grant(grant)

    def query_client(self, client_id: str) -> Client | None:
        """The client with this id, disabled ones too."""
        return find_client(client_id)

    def create_oauth2_request(self, request: Any) -> OAuth2Request:
        """Read the current request, strictly."""
        return request if isinstance(request, OAuth2Request) else FormRequest()

    def get_token_grant(self, request: OAuth2Request) -> Any:
        """RFC 6749 §5.2: a missing grant_type is an invalid request, not an unsupported one."""
        if request.payload.grant_type is None:
            raise InvalidRequestError("The grant_type is missing.")
        return super().get_token_grant(request)

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens: what happened is in the audit."""

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Response:
        """A JSON answer that no cache keeps (RFC 6749 §5.1)."""
        response = jsonify(body)
        response.status_code = status
        response.headers.update(headers)
        return response


server = Server()


def find_client(client_id: str) -> Client | None:
    """The client with this id, asked of the database each time: a disabled one is out at once."""
    if not client_id or len(client_id) > MAX_CLIENT_ID or not client_id.isprintable():
        return None
    return db.session.get(Client, client_id)


def init_server(app: Flask) -> None:
    """Answer errors that are raised before Authlib catches them as it would itself."""
    app.register_error_handler(OAuth2Error, lambda error: server.handle_error_response(None, error))
