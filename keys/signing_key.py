"""A key in the open, to sign with or to be encrypted to: made, sealed for the storage, and opened again."""

import json
import threading
from datetime import datetime
from typing import Any

from . import algorithms
from . import encryption
from .algorithms import AsymmetricKey
from .stored_key import StoredKey
from .stored_key import context_of
from .vault import Vault
from .vault import WrongKey

# RFC 7517 §4, RFC 7518 §6: a list of what may be shown cannot forget what must not be.
PUBLIC_MEMBERS = ("kty", "kid", "use", "alg", "n", "e", "crv", "x", "y")


def make(
    alg: str,
    vault: Vault,
    *,
    created_at: datetime,
    signs_from: datetime,
    signs_until: datetime,
    shown_until: datetime,
) -> StoredKey:
    """Make a new key, sealed and ready for the storage."""
    key = encryption.generate(alg) if alg in encryption.OPENED_BY else algorithms.generate(alg)
    kid = key.thumbprint()
    sealed = vault.seal(algorithms.to_jwk(key), context_of(kid))
    return StoredKey(kid, alg, sealed, created_at, signs_from, signs_until, shown_until)


class SigningKey:
    """One opened key: the public half at hand, the private one imported when it is first needed.

    Importing a private RSA key costs 50 ms, so it happens once in a process.
    """

    def __init__(self, stored: StoredKey, vault: Vault) -> None:
        self._members: dict[str, Any] = json.loads(vault.open(stored.sealed, stored.context))
        if (self._members["kid"], self._members["alg"]) != (stored.kid, stored.alg):
            raise WrongKey("A key is stored under another algorithm than it was made for.")
        self.kid = stored.kid
        self.alg = stored.alg
        # A key to encrypt to serves several algorithms: `alg` would name one of them only (RFC 7517 §4.4).
        shown = (name for name in PUBLIC_MEMBERS if name != "alg" or stored.alg not in encryption.OPENED_BY)
        self.public_jwk = {name: self._members[name] for name in shown if name in self._members}
        self.public = algorithms.from_jwk(self.public_jwk)
        self._private: AsymmetricKey | None = None
        self._importing = threading.Lock()

    @property
    def private(self) -> AsymmetricKey:
        """The half that signs, or opens."""
        if self._private is None:
            with self._importing:
                self._private = self._private or algorithms.from_jwk(self._members)
        return self._private


class OpenKeys:
    """The keys this process has opened, each once."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._keys: dict[str, SigningKey] = {}
        self._opening = threading.Lock()

    def get(self, stored: StoredKey) -> SigningKey:
        """Return the opened key; `WrongKey` where this vault has another root than the one that sealed it."""
        opened = self._keys.get(stored.kid)
        if opened is None:
            with self._opening:
                opened = self._keys.get(stored.kid) or SigningKey(stored, self._vault)
                self._keys[stored.kid] = opened
        return opened

    def forget_all_but(self, kids: set[str]) -> None:
        """Let go of keys that are no longer shown: nothing needs them in memory."""
        with self._opening:
            self._keys = {kid: key for kid, key in self._keys.items() if kid in kids}
