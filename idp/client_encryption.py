"""What we encrypt to a client: ID tokens and userinfo, for the holder of its private key alone (OIDC Core §10.2)."""

from authlib.oauth2.rfc6749 import OAuth2Error

from keys import UnusableKey
from keys import encryption

from . import client_keys
from .models import Client


class NoEncryptionKey(OAuth2Error):  # type: ignore[misc]
    """The client asked for encryption and has no key for it, or none that can be fetched.

    The request is right, and may be so again when the keys are (RFC 9110 §15.6.4).
    """

    error = "server_error"
    description = "The client has no key to encrypt to."
    status_code = 503

    def get_headers(self) -> list[tuple[str, str]]:
        """With when the keys may be fetched again."""
        return [*super().get_headers(), ("Retry-After", str(client_keys.PAUSE))]


def encrypted(text: str, client: Client, alg: str | None, enc: str | None, *, cty: str | None = None) -> str:
    """The text to the first key of the client that serves; the text itself where it registered no algorithm."""
    if alg is None:
        return text
    for jwk in client_keys.encryption_keys(client, encryption.key_types(alg), alg):
        try:
            return encryption.encrypt(text, jwk, alg=alg, enc=enc or encryption.DEFAULT_ENCODING, cty=cty)
        except UnusableKey:
            continue
    raise NoEncryptionKey()
