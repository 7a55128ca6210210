"""Password spraying: one password tried on many names (security row 2.53, ASVS V6.3.1).

No account sees enough of it to pause. So wrong passwords are counted by the neighbourhood they come from, whose
sign-ins rest when there are too many, and all together, which stops nobody and calls the operator: a line in the
journal and a warning in the log, once in each window. The counts stand in the store, which may be lost; the limits of
each account (`throttle.spend`) are not.
"""

import ipaddress

import structlog
from flask import request

from . import audit
from . import throttle
from .provider import provider

log = structlog.get_logger("spraying")

KIND = "wrong passwords"
EVERYWHERE = "everywhere"
NEIGHBOURHOOD_TRIES = 150
NEIGHBOURHOOD_SECONDS = 600
HOUR, DAY = 3600, 86400
DAILY = 4
"""How many times the hourly number is too many in a day: who sprays slowly stays below that of an hour."""


def refuse_neighbours() -> None:
    """Raise `throttle.TooMany` where too many wrong passwords have come from around this address."""
    if _is_counted() and provider.store.counted(KIND, _neighbourhood()) >= NEIGHBOURHOOD_TRIES:
        raise throttle.TooMany(KIND)


def note_wrong_password() -> None:
    """Count one; tell the operator when it is the one too many."""
    if not _is_counted():
        return
    if provider.store.count(KIND, _neighbourhood(), NEIGHBOURHOOD_SECONDS) == NEIGHBOURHOOD_TRIES:
        _call("neighbourhood", NEIGHBOURHOOD_TRIES, NEIGHBOURHOOD_SECONDS)
    hourly = provider.settings.alert_wrong_passwords
    for seconds, too_many in ((HOUR, hourly), (DAY, DAILY * hourly)):
        if provider.store.count(KIND, f"{EVERYWHERE} {seconds}", seconds) == too_many:
            _call(EVERYWHERE, too_many, seconds)


def neighbourhood(address: str | None) -> str:
    """Addresses that one attacker easily has: the /24 of an IPv4 address, the /48 of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(throttle.network(address).partition("/")[0])
    except ValueError:
        return "unknown"
    length = 24 if parsed.version == 4 else 48
    return str(ipaddress.ip_network((parsed, length), strict=False))


def _neighbourhood() -> str:
    return provider.vault.fingerprint("address", neighbourhood(request.remote_addr))


def _is_counted() -> bool:
    return not provider.settings.conformance  # the official suite is one address


def _call(where: str, number: int, seconds: int) -> None:
    audit.record_alone("password_spraying", "refused", reason=where, tries=number, seconds=seconds)
    log.warning("many wrong passwords", where=where, number=number, seconds=seconds)
