"""Client identity: what makes a client the one that people signed in to.

A client that registered itself may change all of it by itself (RFC 7592 §2.2); it is somebody else then.
"""

from . import response as responses
from . import subjects
from .models import Client

Identity = tuple[object, ...]


def of(client: Client) -> Identity:
    """By which names it knows people (OIDC Core §8.1), and where its answers go."""
    return client.subject_type, subjects.sector(client), {responses.origin_of(uri) for uri in client.redirect_uris}
