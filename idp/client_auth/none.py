"""none: a public client says who it is and proves nothing; PKCE protects its codes (RFC 6749 §2.1)."""

from authlib.oauth2.rfc6749 import OAuth2Request

from ..client_auth_method import FindClient
from ..client_auth_method import is_name_alone
from ..models import Client

NAME = "none"
EVIDENCE = "name"


def is_presented(request: OAuth2Request) -> bool:
    """A name; a certificate beside it may bind tokens of a public client, too (RFC 8705 §4)."""
    return is_name_alone(request)


def authenticate(request: OAuth2Request, find_client: FindClient) -> Client | None:
    """The client of that name; whether it is registered as public is checked for every method alike."""
    return find_client(request.form["client_id"])
