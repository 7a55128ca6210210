"""Pushed authorization requests: read, checked and kept before the browser comes (RFC 9126).

What the client gets is a handle of 128 random bits. It works for this client only, for a minute, and until the request
has been answered: looking at the page again, or coming back to it, does not use it up (RFC 9126 §4).
"""

from . import posted
from .authorization_request import AuthorizationRequest
from .models import Client
from .provider import provider
from .request import BadRequestPage

PREFIX = "urn:ietf:params:oauth:request_uri:"
KIND = "pushed"
SECONDS = 60
USED_SECONDS = 86400
"""A page may stay open for hours after its request was pushed; it is answered once all the same."""


def keep(request: AuthorizationRequest) -> str:
    """Keep a request and return the `request_uri` that stands for it."""
    return PREFIX + posted.keep(KIND, request.to_json(), SECONDS)


def reference(request: AuthorizationRequest) -> str | None:
    """The `request_uri` by which a request was found; None where it was not pushed."""
    return None if request.pushed is None else PREFIX + request.pushed


def find(reference: str, client: Client) -> AuthorizationRequest:
    """The request this client pushed, or the page that says it is over."""
    handle = reference.removeprefix(PREFIX)
    value = posted.find(KIND, handle)
    if value is None or value["client_id"] != client.client_id:
        raise BadRequestPage("pushed request unknown or expired")
    return AuthorizationRequest.from_json({**value, "pushed": handle})


def use_up(request: AuthorizationRequest) -> bool:
    """Whether this is the first answer to the request; it was not pushed, or its handle is void from now on."""
    if request.pushed is None:
        return True
    is_first = provider.store.add_once("pushed_used", request.pushed, USED_SECONDS)
    posted.forget(KIND, request.pushed)
    return is_first
