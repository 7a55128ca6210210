"""Client secrets: 256 random bits, kept as keyed fingerprints, two alive while one replaces the other.

Only for client_secret_jwt the secrets themselves are kept as well, encrypted: a MAC cannot be checked with a
fingerprint.
"""

import hmac
import json
import secrets
import string

from .models import Client
from .provider import provider

PURPOSE = "client_secret"
ALPHABET = string.ascii_letters + string.digits
LENGTH = 43
"""43 of 62 characters are 256 bits; none of them changes its form in a URL or a header (RFC 6749 §2.3.1)."""
LENGTH_FOR_MAC = 86
"""512 bits: a key for HS512 has no fewer (RFC 7518 §3.2)."""
MAX_LENGTH = 512

_NOBODY = ("-" * 43,)
"""What is compared where there is no client: the same work, and never a match."""


def make(method: str = "client_secret_basic") -> str:
    """Draw a new secret for this way to prove it."""
    length = LENGTH_FOR_MAC if method == "client_secret_jwt" else LENGTH
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


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


def is_needed(client: Client) -> bool:
    """Whether the client proves itself with a secret and there is none that its method can use."""
    method = client.token_endpoint_auth_method
    if method == "client_secret_jwt":
        return client.secret_sealed is None
    return method.startswith("client_secret") and not client.secret_hashes


def add(client: Client, secret: str, *, keep_old: bool = False) -> None:
    """Give the client a secret in the form its method needs; the newest older one lives on beside it if `keep_old`."""
    older = living(client)[:1] if keep_old else ()
    client.secret_hashes = [fingerprint(secret), *(client.secret_hashes[:1] if keep_old else [])]
    _seal(client, (secret, *older))


def end_old(client: Client) -> None:
    """Only the newest secret counts from now on."""
    client.secret_hashes = client.secret_hashes[:1]
    _seal(client, living(client)[:1])


def forget(client: Client) -> None:
    """The client has no secret any more."""
    client.secret_hashes, client.secret_sealed = [], None


def keep_as_needed(client: Client) -> None:
    """After a change of its method: nothing stays of a secret that the method has no use for."""
    if not client.token_endpoint_auth_method.startswith("client_secret"):
        forget(client)
    elif client.token_endpoint_auth_method != "client_secret_jwt":
        client.secret_sealed = None


def living(client: Client) -> tuple[str, ...]:
    """The living secrets of a client of client_secret_jwt, newest first; none of any other."""
    if client.secret_sealed is None:
        return ()
    return tuple(json.loads(provider.vault.open_text(client.secret_sealed, _context(client))))


def _seal(client: Client, living: tuple[str, ...]) -> None:
    usable = living if client.token_endpoint_auth_method == "client_secret_jwt" else ()
    client.secret_sealed = provider.vault.seal(json.dumps(usable), _context(client)) if usable else None


def _context(client: Client) -> str:
    return f"client.secret_sealed:{client.client_id}"
