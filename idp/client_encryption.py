"""What we encrypt to a client: ID tokens and userinfo, for the holder of its private key alone (OIDC Core §10.2)."""

from authlib.oauth2.rfc6749 import OAuth2Error

from keys import UnusableKey
from keys import encryption

from . import client_keys
from .models import Client


class NoEncryptionKey(OAuth2Error):  # type: ignore[misc]
    """The client asked for encryption and has no key for it, or none that can be fetched."""

    error = "server_error"
    description = "The client has no key to encrypt to."


def encrypted(text: str, client: Client, alg: str | None, enc: str | None, *, cty: str | None = None) -> str:
    """The text for this client's eyes; the text itself where the client registered no algorithm."""
    if alg is None:
        return text
    jwk = client_keys.encryption_key(client, encryption.key_types(alg), alg)
    if jwk is None:
        raise NoEncryptionKey()
    try:
        return encryption.encrypt(text, jwk, alg=alg, enc=enc or encryption.DEFAULT_ENCODING, cty=cty)
    except UnusableKey:
        raise NoEncryptionKey() from None
