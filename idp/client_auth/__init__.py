"""The ways a client proves who it is. A way is one file, its test, and a word in this list."""

from . import client_secret_basic
from . import client_secret_post
from . import none
from . import private_key_jwt

METHODS = (client_secret_basic, client_secret_post, private_key_jwt, none)
