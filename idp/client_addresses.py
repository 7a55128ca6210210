"""The addresses of a client that are called from here: judged where somebody registers them.

`redirects.py` says what an address looks like; this asks whether it can be reached at all, and whether a sector's
document lists what it must (OIDC Core §8.1).
"""

from . import fetcher
from .client_metadata import ClientMetadata
from .fetcher import FetchError
from .fetcher import FetchRefused
from .redirects import BadAddress

CALLED = ("jwks_uri", "sector_identifier_uri", "backchannel_logout_uri", "backchannel_client_notification_endpoint")


def check_addresses(client: ClientMetadata) -> None:
    """Let them be registered, or raise `BadAddress` with a constant sentence that names the field."""
    for name in CALLED:
        if getattr(client, name) is not None:
            _check_callable(name, getattr(client, name))
    for uri in client.request_uris:
        _check_callable("request_uris", uri)
    if client.sector_identifier_uri is not None:
        _check_sector(client.sector_identifier_uri, client.redirect_uris)


def _check_callable(name: str, uri: str) -> None:
    try:
        fetcher.refuse_malformed(uri)
    except FetchRefused:
        raise BadAddress(f"{name}: no such address is called from here") from None


def _check_sector(uri: str, redirect_uris: tuple[str, ...]) -> None:
    """OIDC Registration §5: the document is a JSON array that contains every redirect address."""
    try:
        listed = fetcher.get(uri).json()
    except FetchError:
        raise BadAddress("sector_identifier_uri: it could not be fetched") from None
    if not isinstance(listed, list) or not all(each in listed for each in redirect_uris):
        raise BadAddress("sector_identifier_uri: its document does not list every one of redirect_uris")
