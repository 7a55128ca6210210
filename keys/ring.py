"""The ring: which key signs, which verify, which open, and what the JWKS shows, as one node sees it.

It makes keys when the schedule asks for them. Where they lie is the storage's matter; when to call `ensure`
is the caller's: once at the start, then at least every quarter of `publish_before`. Clients may cache the
JWKS for as long as `publish_before`, less `refresh_seconds`.
"""

import threading
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from datetime import timedelta
from typing import Any

from . import algorithms as signatures
from . import encryption as ciphers
from .algorithms import SIGNING
from .algorithms import InvalidToken
from .reading import KeyReader
from .schedule import Schedule
from .schedule import free_moment
from .signing_key import OpenKeys
from .signing_key import SigningKey
from .signing_key import make
from .stored_key import KeyStorage
from .stored_key import State
from .stored_key import StoredKey
from .vault import Vault

__all__ = ["InvalidToken", "KeyRing", "KeyStorage", "SigningKey", "State", "StoredKey", "UnknownKey"]

# A token of ours names its key by kid; it never brings one or says where to fetch it (RFC 8725 §3.10).
KEY_MEMBERS = frozenset({"jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256"})
RESERVED_MEMBERS = KEY_MEMBERS | {"alg", "kid", "typ", "crit", "b64"}


class UnknownKey(LookupError):
    """The ring has no key for this algorithm."""


class KeyRing:
    """The keys of all nodes, as this node knows them: to sign with, and to be encrypted to."""

    def __init__(
        self,
        storage: KeyStorage,
        vault: Vault,
        *,
        algorithms: Sequence[str] = ("RS256", "ES256"),
        encryption: Sequence[str] = (),
        clock: Callable[[], datetime],
        rotate_every: timedelta = timedelta(days=90),
        publish_before: timedelta = timedelta(days=1),
        longest_token: timedelta = timedelta(days=1),
        refresh_seconds: float = 30,
    ) -> None:
        if not algorithms or not set(algorithms) <= set(SIGNING):
            raise ValueError(f"Choose algorithms to sign with among {', '.join(SIGNING)}.")
        if not set(encryption) <= set(ciphers.OPENED_BY):
            raise ValueError(f"Choose keys to be encrypted to among {', '.join(ciphers.OPENED_BY)}.")
        self._storage = storage
        self._vault = vault
        self._algorithms = tuple(dict.fromkeys(algorithms))
        self._encryption = tuple(dict.fromkeys(encryption))
        self._clock = clock
        self._schedule = Schedule(rotate_every, publish_before, longest_token)
        self._reader = KeyReader(storage, clock, timedelta(seconds=refresh_seconds))
        self._open = OpenKeys(vault)
        self._planning = threading.Lock()

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms this ring signs with."""
        return self._algorithms

    @property
    def kinds(self) -> tuple[str, ...]:
        """What there is a key for: the algorithms it signs with, then the keys that others encrypt to."""
        return (*self._algorithms, *self._encryption)

    @property
    def opened(self) -> tuple[str, ...]:
        """The algorithms by which others may encrypt to this ring."""
        return tuple(alg for kind in self._encryption for alg in ciphers.OPENED_BY[kind])

    def stored(self) -> tuple[StoredKey, ...]:
        """Return every stored key, the oldest first; `StoredKey.state` says where in its life each stands."""
        return self._reader.latest()

    def jwks(self) -> dict[str, Any]:
        """Show the public half of each key that signs, will sign or signed what still lives (RFC 7517 §5).

        Of the keys to encrypt to, the current one alone: nobody shall begin to use one that is about to go, and it
        still opens what was encrypted to it before (OIDC Core §10.2.1).
        """
        shown = [*self._verifying(self._reader.latest()), *self._encrypted_to()]
        return {"keys": [dict(self._open.get(key).public_jwk) for key in shown]}

    def sign(
        self,
        claims: Mapping[str, Any],
        *,
        alg: str = "RS256",
        typ: str = "JWT",
        headers: Mapping[str, Any] | None = None,
    ) -> str:
        """Sign claims as a JWT with the current key of `alg`, whose kid is always named (OIDC Core §10.1)."""
        extra = dict(headers or {})
        if not RESERVED_MEMBERS.isdisjoint(extra):
            raise ValueError(f"The ring alone decides about {sorted(RESERVED_MEMBERS & extra.keys())}.")
        key = self._open.get(self._signer(alg))
        return signatures.sign(claims, key.private, extra | {"alg": alg, "typ": typ, "kid": key.kid})

    def verify(self, token: str, *, typ: Collection[str | None] | None = None) -> dict[str, Any]:
        """Verify a token of our own and return its claims; whether it has expired is the caller's to judge.

        Only a kid of ours counts, with that key's own algorithm (RFC 8725 §3.1). `typ` lists the types the
        caller takes (RFC 8725 §3.11), None among them for a token without one.
        """
        header = signatures.read_header(token)
        if not KEY_MEMBERS.isdisjoint(header):
            raise InvalidToken("The token brings its own key.")
        if typ is not None and _media_type(header.get("typ")) not in [_media_type(each) for each in typ]:
            raise InvalidToken("The token is of another type than expected.")
        key = self._open.get(self._named(header.get("kid")))
        return signatures.verify(token, key.public, key.alg)

    def decrypt(self, token: str) -> str:
        """Open what was encrypted to this ring; who wrote it is not known, only that nobody else reads it.

        Signing keys open nothing, and keys that open sign nothing.
        """
        header = ciphers.read_header(token)
        for key in self._opening(header["alg"], header.get("kid")):
            try:
                return ciphers.decrypt(token, self._open.get(key).private)
            except InvalidToken:
                continue
        raise InvalidToken("The token cannot be opened.")

    def ensure(self) -> None:
        """Make the keys that are missing: the first sign at once, the next ones are shown before they sign.

        Any node may call it at any time; nodes that do so together end with one key. A shown key that the
        vault cannot open raises `WrongKey` before anything is written: this node has another root than its
        fellows.
        """
        with self._planning:
            shown = self._shown(self._reader.read())
            for key in shown:
                self._open.get(key)
            self._open.forget_all_but({key.kid for key in shown})
            for alg in self.kinds:
                signs_from = self._schedule.missing(self._keys_of(alg), self._clock())
                if signs_from is not None:
                    self._add(alg, signs_from)
            self._settle()

    def rotate(self, alg: str | None = None, *, emergency: bool = False, now: bool = False) -> list[StoredKey]:
        """Make a new key by command, for one algorithm or for all, and return what was made.

        It is shown at once and signs after `publish_before`. With `now` it signs at once: a client that does
        not fetch the JWKS again for an unknown kid then fails, and other nodes show the key only within
        `refresh_seconds`.

        An emergency also revokes every other key of the algorithm: whoever could take one could take those
        beside it. Other nodes follow within `refresh_seconds`. No old key is opened for it, so it is also the
        way out when the root secret is lost.
        """
        chosen = self.kinds if alg is None else (alg,)
        if not set(chosen) <= set(self.kinds):
            raise UnknownKey(f"The ring has no key for {alg}.")
        with self._planning:
            self._reader.read()
            # Made first, revoked second: there is always a key to sign with.
            fresh = {self._add(each, self._begin(each, now, emergency)) for each in chosen}
            if emergency:
                self._revoke(key for each in chosen for key in self._keys_of(each) if key.kid not in fresh)
            self._settle()
            return [key for key in self._reader.latest() if key.kid in fresh]

    def reseal(self) -> int:
        """Seal each shown key under the vault's current root, and return how many lay under an older one."""
        with self._planning:
            shown = self._shown(self._reader.read())
            older = [key for key in shown if self._vault.needs_resealing(key.sealed)]
            for key in older:
                private_jwk = self._vault.open(key.sealed, key.context)
                self._storage.replace(replace(key, sealed=self._vault.seal(private_jwk, key.context)))
            self._reader.read()
            return len(older)

    def _signer(self, alg: str) -> StoredKey:
        """Pick the youngest key that may sign: even one past its time, until its successor has been made."""
        current = self._current(alg) if alg in self._algorithms else None
        if current is None:
            raise UnknownKey(f"The ring has no key that signs {alg} now.")
        return current

    def _encrypted_to(self) -> list[StoredKey]:
        """The keys that others are to encrypt to now."""
        return [key for kind in self._encryption if (key := self._current(kind)) is not None]

    def _current(self, alg: str) -> StoredKey | None:
        now = self._clock()
        return next((key for key in reversed(self._keys_of(alg)) if key.may_sign(now)), None)

    def _opening(self, alg: str, kid: object) -> list[StoredKey]:
        """The keys a token can be encrypted to: the one it names, or all of its algorithm, the youngest first."""
        for read in (self._reader.latest, self._reader.read_for_unknown_kid):
            keys = [key for key in self._shown(read()) if alg in ciphers.OPENED_BY.get(key.alg, ())]
            if kid is None:
                return keys[::-1]
            if named := [key for key in keys if key.kid == kid]:
                return named
        return []

    def _named(self, kid: object) -> StoredKey:
        if not isinstance(kid, str):
            raise InvalidToken("The token names no key.")
        for read in (self._reader.latest, self._reader.read_for_unknown_kid):
            for key in self._verifying(read()):
                if key.kid == kid:
                    return key
        raise InvalidToken("The token names a key that is not ours.")

    def _shown(self, keys: Iterable[StoredKey]) -> list[StoredKey]:
        now = self._clock()
        return [key for key in keys if key.is_shown(now)]

    def _verifying(self, keys: Iterable[StoredKey]) -> list[StoredKey]:
        return [key for key in self._shown(keys) if key.alg not in ciphers.OPENED_BY]

    def _keys_of(self, alg: str) -> list[StoredKey]:
        return [key for key in self._reader.latest() if key.alg == alg]

    def _begin(self, alg: str, now: bool, emergency: bool) -> datetime:
        """Say from when a key made by command signs."""
        keys, moment = self._keys_of(alg), self._clock()
        is_urgent = now or emergency or not any(key.may_sign(moment) for key in keys)
        # A key that lives and begins at the same moment is a rotation by someone else: theirs is the one.
        out_of_the_way = [key for key in keys if emergency or key.revoked_at is not None]
        return free_moment(out_of_the_way, moment if is_urgent else moment + self._schedule.publish_before)

    def _add(self, alg: str, signs_from: datetime) -> str:
        """Make a key and return its kid; where another node was first, its key is the one."""
        signs_until = self._schedule.signs_until(signs_from)
        key = make(
            alg,
            self._vault,
            created_at=self._clock(),
            signs_from=signs_from,
            signs_until=signs_until,
            shown_until=self._schedule.shown_until(signs_until),
        )
        self._storage.add(key)
        for stored in self._reader.read():
            if (stored.alg, stored.signs_from) == (alg, signs_from):
                return stored.kid
        raise UnknownKey(f"The storage neither takes nor shows a key that signs {alg} from {signs_from}.")

    def _revoke(self, keys: Iterable[StoredKey]) -> None:
        for key in keys:
            if key.revoked_at is None:
                self._storage.replace(replace(key, revoked_at=self._clock()))
        self._reader.read()

    def _settle(self) -> None:
        """Let each key end where its successor begins."""
        stored = self._reader.read()
        for alg in {key.alg for key in stored}:
            for changed in self._schedule.settle([key for key in stored if key.alg == alg], self._clock()):
                self._storage.replace(changed)
        self._reader.read()


def _media_type(typ: object) -> str | None:
    """Bring a `typ` into the one form it is compared in (RFC 7515 §4.1.9)."""
    if typ is None:
        return None
    if not isinstance(typ, str):
        raise InvalidToken("The token's type is malformed.")
    return typ.lower().removeprefix("application/")
