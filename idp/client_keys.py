"""The keys of a client: registered with it (`jwks`) or published by it (`jwks_uri`), RFC 7591 §2.

What was fetched is kept in the store, for every node, and fetched anew when it is old, or when a signature fits none of
the keys: that is how a client rotates them (OIDC Core §10.1.1). Nobody's request makes more than one fetch a minute,
and a client whose address is dead for a while is known by its last keys.
"""

import hashlib
from collections.abc import Iterator
from time import monotonic
from time import sleep
from typing import Any

from keys import InvalidToken
from keys import UnusableKey
from keys.algorithms import from_jwk
from keys.algorithms import read_header
from keys.algorithms import verify as verify_with

from . import fetcher
from .clock import epoch
from .fetcher import FetchBusy
from .fetcher import FetchError
from .models import Client
from .provider import provider

KIND = "client_keys"
FETCHING = "client_keys_fetching"
MAX_KEYS = 20
FRESH = 600
"""Seconds for which fetched keys are used without a question."""
USABLE = 3600
"""Seconds for which they are used where fetching them anew fails."""
PAUSE = 60
"""Seconds between two fetches that failed, or that signatures with unknown keys asked for."""
WAIT = 6
"""Seconds for which one fetch keeps others from beginning; it takes five at most (`fetcher.py`)."""
POLL_SECONDS = 0.05
SIGNING_CURVES = ("Ed25519", "Ed448")
"""Keys on these are of the same type as those that agree on secrets, and do not (RFC 8037 §2)."""
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})


def verify(token: str, client: Client, alg: str) -> dict[str, Any]:
    """The claims of a token signed with one of the client's keys and this algorithm; raises `InvalidToken`.

    The key is the client's; whatever the header brings along is ignored (CVE-2026-27962).
    """
    kid = read_header(token).get("kid")
    for keys in _readings(client):
        for jwk in _candidates(keys, kid, alg):
            try:
                return verify_with(token, from_jwk(jwk), alg)
            except (InvalidToken, UnusableKey):
                continue
    raise InvalidToken("No key of the client fits the token.")


def client_keys(client: Client) -> list[dict[str, Any]]:
    """Every key of the client as it is known now; none where it has none, or where they cannot be fetched."""
    return next(_readings(client))


def encryption_keys(client: Client, key_types: tuple[str, ...], alg: str) -> Iterator[dict[str, Any]]:
    """The keys of these types the client lets others encrypt to it with (OIDC Core §10.2)."""
    for jwk in client_keys(client):
        if jwk.get("kty") not in key_types or jwk.get("crv") in SIGNING_CURVES:
            continue
        if jwk.get("alg", alg) == alg and jwk.get("use", "enc") == "enc":
            yield jwk


def has_keys(client: Client) -> bool:
    """Whether the client has said anything about its keys."""
    return client.jwks is not None or client.jwks_uri is not None


def _readings(client: Client) -> Iterator[list[dict[str, Any]]]:
    """The keys as they are known, and as they are fetched anew for whom those were not enough."""
    if client.jwks is not None or client.jwks_uri is None:
        yield _listed(client.jwks)
        return
    known = _known(client.client_id, client.jwks_uri)
    yield _listed(known)
    newer = _asked_anew(client.client_id, client.jwks_uri, known)
    if newer["keys"] != known["keys"]:
        yield _listed(newer)


def _candidates(keys: list[dict[str, Any]], kid: object, alg: str) -> Iterator[dict[str, Any]]:
    """The keys it can be: the one named, or all where no name is given on one side (RFC 7515 §4.1.4)."""
    for jwk in keys:
        named = kid is not None and "kid" in jwk
        if named and jwk["kid"] != kid:
            continue
        if jwk.get("alg", alg) == alg and jwk.get("use", "sig") == "sig":
            yield jwk


def _listed(jwks: object) -> list[dict[str, Any]]:
    """The keys of a JWK set, whoever wrote it (RFC 7517 §5)."""
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    return [key for key in keys[:MAX_KEYS] if isinstance(key, dict)] if isinstance(keys, list) else []


def _known(client_id: str, uri: str) -> dict[str, Any]:
    """What is known of the keys, fetched where it is too old."""
    name = _name(client_id, uri)
    entry = _entry(name)
    return entry if _is_enough(entry) else _renewed(name, uri, entry, {})


def _asked_anew(client_id: str, uri: str, seen: dict[str, Any]) -> dict[str, Any]:
    """The same for a signature that fits no key."""
    return _renewed(_name(client_id, uri), uri, seen, {"asked_at": epoch()}) if _may_ask(seen) else seen


def _renewed(name: str, uri: str, seen: dict[str, Any], noted: dict[str, int]) -> dict[str, Any]:
    """One fetch at a time, on every node: whoever comes meanwhile has its result, or goes on with what is known."""
    deadline = monotonic() + WAIT
    while not provider.store.add_once(FETCHING, name, WAIT):
        sleep(POLL_SECONDS)
        entry = _entry(name)
        if entry != seen or monotonic() > deadline:
            return entry
    try:
        entry = _entry(name)
        return entry if entry != seen else _fetch(name, uri, {**entry, **noted})
    finally:
        provider.store.delete(FETCHING, name)  # late, it may be another's: then there are two fetches, and no harm


def _entry(name: str) -> dict[str, Any]:
    """`fetched_at`: when the keys were; `tried_at`: when that was last tried; `asked_at`: last for an unknown key."""
    return provider.store.get(KIND, name) or {"keys": [], "fetched_at": 0, "tried_at": 0, "asked_at": 0}


def _is_enough(entry: dict[str, Any]) -> bool:
    moment = epoch()
    return moment - int(entry["fetched_at"]) < FRESH or moment - int(entry["tried_at"]) < PAUSE


def _may_ask(entry: dict[str, Any]) -> bool:
    """Neither after a failure nor after another such question within a minute."""
    failed = entry["tried_at"] > entry["fetched_at"]
    return epoch() - int(max(entry["asked_at"], entry["tried_at"] if failed else 0)) >= PAUSE


def _fetch(name: str, uri: str, entry: dict[str, Any]) -> dict[str, Any]:
    try:
        keys = [_public(key) for key in _listed(fetcher.get_keys(uri).json())]
        moment = epoch()
        entry = {**entry, "keys": keys, "fetched_at": moment, "tried_at": moment}
    except FetchBusy:  # nothing was tried
        return entry
    except FetchError:
        moment = epoch()
        kept = entry["keys"] if moment - int(entry["fetched_at"]) < USABLE else []
        entry = {**entry, "keys": kept, "tried_at": moment, "fetched_at": min(entry["fetched_at"], moment - 1)}
    provider.store.put(KIND, name, entry, USABLE + PAUSE)
    return entry


def _public(jwk: dict[str, Any]) -> dict[str, Any]:
    """What a public key is made of: texts, lists of texts (`key_ops`, `x5c`), and nothing private by mistake."""
    kept = {name: value for name, value in jwk.items() if name not in PRIVATE_MEMBERS}
    return {name: value for name, value in kept.items() if isinstance(value, str) or _is_texts(value)}


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _name(client_id: str, uri: str) -> str:
    return hashlib.sha256(f"{client_id}\n{uri}".encode("utf-8", "surrogatepass")).hexdigest()
