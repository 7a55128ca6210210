"""none: a public client says who it is and proves nothing; PKCE protects its codes (RFC 6749 §2.1)."""

from authlib.oauth2.rfc6749 import OAuth2Request

from ..client_auth_method import FindClient
from ..models import Client

NAME = "none"


def is_presented(request: OAuth2Request) -> bool:
    """A name, and nothing that would prove it."""
    proofs = {"client_secret", "client_assertion", "client_assertion_type"}
    return "client_id" in request.form and proofs.isdisjoint(request.form) and "Authorization" not in request.headers


def authenticate(request: OAuth2Request, find_client: FindClient) -> Client | None:
    """The client of that name; whether it is registered as public is checked for every method alike."""
    return find_client(request.form["client_id"])
