"""Client secrets: 256 random bits, kept as keyed fingerprints, two alive while one replaces the other."""

import hmac
import secrets
import string

from .models import Client
from .provider import provider

PURPOSE = "client_secret"
ALPHABET = string.ascii_letters + string.digits
LENGTH = 43
"""43 of 62 characters are 256 bits; none of them changes its form in a URL or a header (RFC 6749 §2.3.1)."""
MAX_LENGTH = 512

_NOBODY = ("-" * 43,)
"""What is compared where there is no client: the same work, and never a match."""


def make() -> str:
    """Draw a new secret."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def fingerprint(secret: str) -> str:
    """What is kept of a secret."""
    return provider.vault.fingerprint(PURPOSE, secret)


def is_right(client: Client | None, secret: str) -> bool:
    """Whether this is one of the client's living secrets; an unknown client costs the same time."""
    sound = secret.isascii() and 0 < len(secret) <= MAX_LENGTH
    given = provider.vault.fingerprints(PURPOSE, secret if sound else "-")
    kept = tuple(client.secret_hashes) if client is not None and client.secret_hashes else _NOBODY
    matches = [hmac.compare_digest(one.encode(), other.encode()) for one in given for other in kept]
    return sound and any(matches)
