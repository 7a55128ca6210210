"""Client identity: what makes a client the one that people signed in to, and allowed something.

A client that registered itself may change all of it by itself (RFC 7592 §2.2); it is somebody else then.
"""

import hashlib
import json

from . import response as responses
from . import subjects
from .models import Client

SHOWN = ("client_name", "logo_uri", "client_uri", "policy_uri", "tos_uri")
"""What people are told of it when they are asked (RFC 7591 §5)."""


def of(client: Client) -> str:
    """A fingerprint of what is shown of it, where its answers go, and how it knows people (OIDC Core §8.1)."""
    origins = {responses.origin_of(uri) for uri in client.redirect_uris}
    names = client.subject_type, subjects.sector(client)
    whole = [[getattr(client, name) for name in SHOWN], sorted(origins), names]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
