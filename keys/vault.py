"""The vault: fields encrypted at rest, and keyed fingerprints to find them again.

It owns the root secret and everything derived from it (RFC 5869); where the secret comes from and where
sealed bytes are kept is left to others. A sealed field is

    version (1 byte) | key id of the root (4) | nonce (12) | ciphertext and tag (AES-256-GCM, NIST SP 800-38D)

To change the root without a pause: first give every node the new secret among the old ones, then make it the
current one everywhere, then seal everything again, and only then take the old secret away.
"""

import base64
import hashlib
import hmac
import os
import unicodedata
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = b"\x01"
SECRET_LENGTH = 32
KEY_ID_LENGTH = 4
NONCE_LENGTH = 12  # 96 bits, NIST SP 800-38D §8.2


class WrongKey(Exception):
    """The sealed bytes do not open: another root, another place, or touched. Never told apart."""


class Vault:
    """One current root secret that seals, and older ones that still open."""

    def __init__(self, secret: str | bytes, *, old_secrets: Sequence[str | bytes] = ()) -> None:
        secrets = dict.fromkeys(_as_bytes(each) for each in (secret, *old_secrets))
        roots = [_Root(each) for each in secrets]
        self._roots = {root.key_id: root for root in roots}
        if len(self._roots) != len(roots):
            raise ValueError("Two root secrets share one key id: choose another secret.")
        self._current = roots[0]

    def seal(self, plaintext: bytes | str, context: str) -> bytes:
        """Encrypt a field for one place only: the context names it as "table.column:row-id"."""
        nonce = os.urandom(NONCE_LENGTH)
        ciphertext = self._current.cipher.encrypt(nonce, _as_bytes(plaintext), _associated(context))
        return VERSION + self._current.key_id + nonce + ciphertext

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt a field that was sealed for this very place, by the current root or an older one."""
        version, key_id, nonce, ciphertext = _split(sealed)
        root = self._roots.get(key_id)
        if version != VERSION or root is None:
            raise WrongKey("These bytes cannot be opened here.")
        try:
            return root.cipher.decrypt(nonce, ciphertext, _associated(context))
        except (InvalidTag, ValueError):  # ValueError: cut shorter than the nonce
            raise WrongKey("These bytes cannot be opened here.") from None

    def open_text(self, sealed: bytes, context: str) -> str:
        """Decrypt a field that was sealed as text."""
        return self.open(sealed, context).decode("utf-8")

    def needs_resealing(self, sealed: bytes) -> bool:
        """Whether anything but the current root sealed this."""
        version, key_id, _, _ = _split(sealed)
        return version != VERSION or key_id != self._current.key_id

    def fingerprint(self, purpose: str, value: str) -> str:
        """Compute what a value is looked up by: 43 characters that say nothing without the root secret."""
        return self._current.fingerprint(purpose, value)

    def fingerprints(self, purpose: str, value: str) -> list[str]:
        """Compute the fingerprint under every root, the current one first: rows may carry an older one."""
        return [root.fingerprint(purpose, value) for root in self._roots.values()]

    def derive(self, purpose: str, length: int = 32) -> bytes:
        """Derive a secret of its own for another use, always from the current root (RFC 5869 §3.2)."""
        if not purpose:
            raise ValueError("A derived secret needs a purpose.")
        return self._current.derive(f"derive:{length}:{purpose}", length)


class _Root:
    """One root secret and the keys derived from it."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SECRET_LENGTH:
            raise ValueError(f"The root secret must be at least {SECRET_LENGTH} bytes long, drawn at random.")
        self._secret = secret
        self._fingerprint_keys: dict[str, bytes] = {}
        self.key_id = self.derive("key-id", KEY_ID_LENGTH)
        self.cipher = AESGCM(self.derive("seal", 32))

    def derive(self, info: str, length: int) -> bytes:
        """Derive one key; the kinds of info begin differently, so that no purpose can name another's key."""
        kdf = HKDF(algorithm=hashes.SHA256(), length=length, salt=None, info=f"vault:{info}".encode())
        return kdf.derive(self._secret)

    def fingerprint(self, purpose: str, value: str) -> str:
        """Compute HMAC-SHA256 (RFC 2104) of the value's NFKC form: one spelling, one fingerprint."""
        digest = hmac.new(self._fingerprint_key(purpose), _normal(value), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")

    def _fingerprint_key(self, purpose: str) -> bytes:
        if not purpose:
            raise ValueError("A fingerprint needs a purpose.")
        if purpose not in self._fingerprint_keys:
            self._fingerprint_keys[purpose] = self.derive(f"fingerprint:{purpose}", 32)
        return self._fingerprint_keys[purpose]


def _normal(value: str) -> bytes:
    # What a person typed may hold lone surrogates; they match nothing, and must not break the look-up.
    return unicodedata.normalize("NFKC", value).encode("utf-8", "surrogatepass")


def _associated(context: str) -> bytes:
    if not context:
        raise ValueError("A sealed field needs a context.")
    return context.encode("utf-8")


def _split(sealed: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    nonce_at = len(VERSION) + KEY_ID_LENGTH
    ciphertext_at = nonce_at + NONCE_LENGTH
    whole = bytes(sealed)  # some database drivers hand out a memoryview
    return whole[:1], whole[1:nonce_at], whole[nonce_at:ciphertext_at], whole[ciphertext_at:]


def _as_bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8") if isinstance(value, str) else bytes(value)
