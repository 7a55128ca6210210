"""client_secret_post: id and secret in the form (RFC 6749 §2.3.1)."""

from authlib.oauth2.rfc6749 import OAuth2Request

from ..client_auth_method import FindClient
from ..client_secrets import is_right
from ..models import Client

NAME = "client_secret_post"
EVIDENCE = "secret"


def is_presented(request: OAuth2Request) -> bool:
    """A secret in the form."""
    return "client_secret" in request.form


def authenticate(request: OAuth2Request, find_client: FindClient) -> Client | None:
    """The client whose secret this is."""
    client = find_client(request.form.get("client_id", ""))
    return client if is_right(client, request.form["client_secret"]) else None
