"""The fetcher: the one way to an address that a client named: its keys, its request objects, its logout …

What a client names may lead inside (security.md 2.42), so the name is resolved once, every address it has is judged,
the connection goes to one of those and is judged again by its peer before a byte is sent. No redirects, no proxies, no
cookies; little data, little time, all of it counted together. What is said of a failure is constant: neither text nor
time tells an open port from a closed one.
"""

import ipaddress
import json
import os
import re
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import structlog
from flask import current_app
from urllib3.connection import HTTPConnection
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse

from .ip_addresses import Address
from .ip_addresses import is_permitted
from .provider import provider

log = structlog.get_logger("fetcher")

LARGEST = 64 * 1024
SECONDS = 5.0
HEADERS = {"User-Agent": "vpk-idp", "Accept-Encoding": "identity", "Connection": "close"}
LOOKUPS = threading.BoundedSemaphore(16)
"""Names being looked up at once: a dead resolver holds so many threads, and no worker."""
THREADS = 16
"""How many threads a process has where `idp serve` did not say (`THREADS` of the application)."""
MOST_ADDRESSES = 3
WELL_FORMED = re.compile(
    r"(https?)://([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::([0-9]{1,5}))?(?:[/?][!-~]*)?", re.IGNORECASE | re.ASCII
)
"""A whole address of plain characters, without a user, a zone or a backslash to misread."""
OTHER_PORTS = frozenset({1433, 1521, 2049, 2375, 3306, 3389, 5432, 5672, 5984, 6379, 9042, 9200, 11211, 27017})
"""Where other things than web servers listen; below 1024 only 443 (and 80 where http is permitted) is one."""


class FetchError(Exception):
    """Nothing was fetched; `str()` is safe to tell anybody, `reason` is for the operator's log."""

    message = "The address could not be fetched."

    def __init__(self, reason: str) -> None:
        super().__init__(self.message)
        self.reason = reason


class FetchRefused(FetchError):
    """The address is none that is fetched from here; nothing was sent anywhere."""

    message = "The address is not permitted."


class FetchFailed(FetchError):
    """No usable answer came in time."""


@dataclass(frozen=True)
class Fetched:
    """An answer, whatever its status."""

    status: int
    media_type: str
    """Without parameters, in small letters; empty where the answer has none."""
    body: bytes
    retry_after: float = 0

    def json(self) -> Any:
        """The JSON of a successful answer; raises `FetchFailed` for anything else."""
        if self.status != 200:
            raise FetchFailed(f"HTTP {self.status}")
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise FetchFailed("not JSON") from None


class FetchBusy(FetchFailed):
    """Too many wait already; nothing was sent, and another try may do."""


def get(url: str, *, accept: str = "application/json") -> Fetched:
    """Fetch an address; raises `FetchError`, at once where too many wait for one already."""
    with _place("document", url, most_waiting()):
        return _ask("GET", url, None, {"Accept": accept})


def get_keys(url: str) -> Fetched:
    """The same for the keys of a client, which have some places to themselves: whoever proves itself needs them.

    The other places are anybody's who opens an authorization request with a `request_uri`, and may all be held by hosts
    that are slow on purpose; each client's keys are fetched by one at a time, and seldom (`client_keys.py`).
    """
    with _place("keys", url, most_waiting_with_keys()):
        return _ask("GET", url, None, {"Accept": "application/jwk-set+json, */*"})


def most_waiting() -> int:
    """Requests that may wait for addresses of clients at once: 6 of 16 threads, 3 of 5."""
    return max(3, _threads() * 3 // 8)


def most_waiting_with_keys() -> int:
    """The same with those that wait for keys: 8 of 16 threads, 4 of 5; what lies between is for keys alone."""
    return max(4, _threads() // 2)


def most_waiting_for_one() -> int:
    """Those that may wait for one host: a slow one holds no more, and the others go on (security.md 2.43).

    A host is its name, whatever the port. For keys it is counted anew: who makes others wait for a host does not keep
    its keys away.
    """
    return max(2, most_waiting() // 2)


def _threads() -> int:
    return int(current_app.config.get("THREADS", THREADS))


@contextmanager
def _place(what: str, url: str, most: int) -> Iterator[None]:
    """Hold one of the places of those who wait; raises `FetchBusy` where none is left."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    place = (what, host)
    with _PLACES:
        if _WAITING.total() >= most or _WAITING[place] >= most_waiting_for_one():
            log.warning("fetch refused", what=what, host=host, waiting=_WAITING.total())
            raise FetchBusy("too many wait")
        _WAITING[place] += 1
    try:
        yield
    finally:
        with _PLACES:
            _WAITING[place] -= 1
            if not _WAITING[place]:
                del _WAITING[place]


_PLACES = threading.Lock()
_WAITING: Counter[tuple[str, str]] = Counter()


def post(url: str, body: bytes, content_type: str, *, headers: Mapping[str, str] | None = None) -> Fetched:
    """Send something to an address; raises `FetchError`."""
    return _ask("POST", url, body, {"Content-Type": content_type, "Accept": "*/*", **(headers or {})})


def refuse_malformed(url: str) -> None:
    """Raise `FetchRefused` for what could never be fetched, whatever its name resolves to: for registration."""
    _Target.read(url)


@dataclass(frozen=True)
class _Target:
    """An address, taken apart once."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def read(cls, url: str) -> "_Target":
        """Take an address apart; its fragment is the client's own business (OIDC Core §6.2)."""
        whole = url.partition("#")[0]
        found = WELL_FORMED.fullmatch(whole)
        if found is None:
            raise FetchRefused("malformed")
        scheme, host = found[1].lower(), found[2].lower().strip("[]")
        if scheme == "http" and (provider.settings.secure or not _is_listed(host)):
            raise FetchRefused("not https")
        usual = 443 if scheme == "https" else 80
        port = int(found[3] or usual)
        if port != usual and (not 1024 <= port <= 65535 or port in OTHER_PORTS):
            raise FetchRefused("port")
        parts = urlsplit(whole)
        return cls(scheme, host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def _is_listed(host: str) -> bool:
    return host.rstrip(".") in provider.settings.fetch_private_hosts


def _ask(method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Fetched:
    """One request under one deadline; what became of it is logged by host, never by address or content."""
    began = time.monotonic()
    host, outcome = "", "refused"
    try:
        target = _Target.read(url)
        host = target.host
        fetched = _exchange(method, target, body, headers, began + SECONDS)
        outcome = str(fetched.status)
        return fetched
    except FetchError as error:
        outcome = f"{type(error).__name__}: {error.reason}"
        raise
    finally:
        log.info("fetched", host=host, method=method, outcome=outcome, seconds=round(time.monotonic() - began, 3))


def _exchange(method: str, target: _Target, body: bytes | None, headers: Mapping[str, str], deadline: float) -> Fetched:
    sock = _connect(target, deadline)
    with _cut_off(sock, deadline) as is_late:
        connection = _connection(target, sock)
        sent = {"User-Agent": "vpk-idp", "Accept-Encoding": "identity", "Connection": "close", **headers}
        try:
            connection.request(
                method, target.path, body=body, headers=sent, preload_content=False, decode_content=False
            )
            answer = connection.getresponse()
            data = _read(answer)
        except (HTTPError, HTTPException, OSError, ValueError) as trouble:
            raise FetchFailed("too slow" if is_late() else type(trouble).__name__) from None
        finally:
            connection.close()
            sock.close()
        if is_late():  # a body without a length ends where it is cut off
            raise FetchFailed("too slow")
    if len(data) > LARGEST:
        raise FetchFailed("too large")
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise FetchFailed("encoded")
    after = answer.headers.get("Retry-After", "")
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Fetched(answer.status, kind, data, min(float(after), 3600) if after.isascii() and after.isdigit() else 0)


def _read(answer: HTTPResponse) -> bytes:
    """The whole body, or a byte more than is taken; the end must be where the answer says it is."""
    data = b""
    while len(data) <= LARGEST and (more := answer.read(LARGEST + 1 - len(data), decode_content=False)):
        data += more
    return data


def _connect(target: _Target, deadline: float) -> socket.socket:
    """A connection to a permitted address of the host: to one that was looked at, not to a name."""
    found = _resolved(target, deadline)
    if not found or not all(_may_reach(address, target.host) for address in found):
        raise FetchRefused("address") if found else FetchFailed("unknown host")
    chosen = found[:MOST_ADDRESSES]
    for number, address in enumerate(chosen):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        with suppress(OSError):  # one that is silent leaves time for the next
            sock = socket.create_connection((str(address), target.port), timeout=left / (len(chosen) - number))
            sock.settimeout(SECONDS)
            if _may_reach(ipaddress.ip_address(sock.getpeername()[0]), target.host):
                return sock
            sock.close()
            raise FetchRefused("peer")
    raise FetchFailed("not reached")


def _may_reach(address: Address, host: str) -> bool:
    listed = provider.settings.fetch_private_hosts
    return is_permitted(address, listed, is_listed=_is_listed(host))


def _resolved(target: _Target, deadline: float) -> list[Address]:
    """The addresses of a host, looked up in a thread: a resolver knows no deadline."""
    found: list[Address] = []

    def look_up() -> None:
        try:
            with suppress(OSError, UnicodeError, ValueError):
                rows = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
                found.extend(dict.fromkeys(ipaddress.ip_address(row[4][0]) for row in rows))
        finally:
            LOOKUPS.release()

    if not LOOKUPS.acquire(timeout=max(0.0, deadline - time.monotonic())):
        raise FetchFailed("too many lookups")
    thread = threading.Thread(target=look_up, name="lookup", daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    if thread.is_alive():
        raise FetchFailed("lookup too slow")
    return found


def _connection(target: _Target, sock: socket.socket) -> HTTPConnection:
    """An HTTP connection over this very socket; TLS is verified for the name, not for the address."""
    if target.scheme == "http":
        return _Plain(target.host, target.port, sock=sock)
    return _Tls(target.host, target.port, sock=sock, ssl_context=_trust(provider.settings.fetch_ca_file))


class _Plain(HTTPConnection):
    """HTTP over a socket that exists already."""

    def __init__(self, host: str, port: int, *, sock: socket.socket) -> None:
        super().__init__(host, port, timeout=SECONDS)
        self._given = sock

    def _new_conn(self) -> socket.socket:
        return self._given


class _Tls(HTTPSConnection):
    """HTTPS over a socket that exists already."""

    def __init__(self, host: str, port: int, *, sock: socket.socket, ssl_context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=SECONDS, ssl_context=ssl_context)
        self._given = sock

    def _new_conn(self) -> socket.socket:
        return self._given


@cache
def _trust(ca_file: str | None) -> ssl.SSLContext:
    """The system's authorities, and the operator's own beside them."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


@contextmanager
def _cut_off(sock: socket.socket, deadline: float) -> Iterator[Any]:
    """End the connection at the deadline, whatever it is doing: a byte a second would outlive every timeout.

    The handle is a second one of the same connection, so that TLS above it is not torn down by another thread.
    """
    handle = socket.socket(fileno=os.dup(sock.fileno()))
    late = threading.Event()

    def cut() -> None:
        late.set()
        with suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield late.is_set
    finally:
        timer.cancel()
        timer.join(1)
        handle.close()
