"""Keys to sign with and to be encrypted to, and encryption at rest; it knows neither Flask nor SQL.

vault.py        fields sealed at rest, and keyed fingerprints to find them again
algorithms.py   the signature algorithms: which we use, which we accept; sign, verify, hash
encryption.py   the same for encryption: to a client's key, and what is opened with ours
ring.py         which key signs, which verify, which open, what the JWKS shows
schedule.py     when a key is missing, and how long each one lives
stored_key.py   a key as the storage keeps it, and what a storage must do
signing_key.py  a key made, sealed and opened
reading.py      what a node last read from the storage, fresh enough
"""

from .algorithms import InvalidToken
from .algorithms import UnusableKey
from .ring import KeyRing
from .ring import UnknownKey
from .signing_key import SigningKey
from .stored_key import KeyStorage
from .stored_key import State
from .stored_key import StoredKey
from .vault import Vault
from .vault import WrongKey

__all__ = [
    "InvalidToken",
    "KeyRing",
    "KeyStorage",
    "SigningKey",
    "State",
    "StoredKey",
    "UnknownKey",
    "UnusableKey",
    "Vault",
    "WrongKey",
]
