"""The ways a client proves who it is. A way is one file, its test, and a word in this list."""

from ..provider import provider
from . import client_secret_basic
from . import client_secret_jwt
from . import client_secret_post
from . import none
from . import private_key_jwt
from . import self_signed_tls_client_auth
from . import tls_client_auth

METHODS = (
    *(client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt),
    *(tls_client_auth, self_signed_tls_client_auth, none),
)
SIGNING_ALGORITHMS = (*private_key_jwt.ALGORITHMS, *client_secret_jwt.ALGORITHMS)


def offered() -> list[str]:
    """The names of the ways that work here: those by certificate need a proxy that passes it on."""
    settings = provider.settings
    missing = {
        tls_client_auth.NAME: not (settings.client_certificate_header and settings.client_certificate_verified_header),
        self_signed_tls_client_auth.NAME: not settings.client_certificate_header,
    }
    return [method.NAME for method in METHODS if not missing.get(method.NAME)]
