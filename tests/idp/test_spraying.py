"""One password on many names (security row 2.53): whose neighbourhood rests, and when the operator is called."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_address

import pytest
import time_machine
from flask import Flask
from oidc import Configure
from structlog.testing import capture_logs

from idp import spraying
from idp.clock import now
from idp.db import db
from idp.models import AuditEvent
from idp.provider import provider
from idp.throttle import TooMany


@contextmanager
def coming_from(app: Flask, address: str) -> Iterator[None]:
    with app.test_request_context("/", environ_overrides={"REMOTE_ADDR": address}):
        yield


def wrong(app: Flask, address: str, times: int = 1) -> None:
    with coming_from(app, address):
        for _ in range(times):
            spraying.note_wrong_password()


def is_refused(app: Flask, address: str) -> bool:
    with coming_from(app, address):
        try:
            spraying.refuse_neighbours()
        except TooMany:
            return True
    return False


def calls() -> list[tuple[str | None, int]]:
    db.session.rollback()
    lines = db.session.query(AuditEvent).filter_by(event="password_spraying").order_by(AuditEvent.sequence)
    return [(line.reason, line.details["seconds"]) for line in lines]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:ffff::9", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("nonsense", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_neighbourhood_is_what_one_attacker_easily_has(address: str | None, expected: str) -> None:
    assert spraying.neighbourhood(address) == expected


@pytest.mark.parametrize(
    ("here", "beside", "elsewhere"),
    [
        ("192.0.2.1", "192.0.2.200", "192.0.3.1"),
        ("2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:2:1::1"),
    ],
)
def test_a_neighbourhood_rests_and_nobody_else(app: Flask, here: str, beside: str, elsewhere: str) -> None:
    wrong(app, here, spraying.NEIGHBOURHOOD_TRIES - 1)
    assert not is_refused(app, beside)

    wrong(app, beside)

    assert is_refused(app, here)
    assert is_refused(app, beside)
    assert not is_refused(app, elsewhere)
    assert calls() == [("neighbourhood", spraying.NEIGHBOURHOOD_SECONDS)]


@pytest.mark.parametrize("backend", ["sqlite"])
def test_it_rests_for_ten_minutes(app: Flask) -> None:
    wrong(app, "192.0.2.1", spraying.NEIGHBOURHOOD_TRIES)
    assert is_refused(app, "192.0.2.1")

    with time_machine.travel(now() + timedelta(seconds=spraying.NEIGHBOURHOOD_SECONDS + 1)):
        assert not is_refused(app, "192.0.2.1")


def test_many_addresses_together_call_the_operator_once_and_stop_nobody(app: Flask) -> None:
    too_many = provider.settings.alert_wrong_passwords
    with capture_logs() as logs:
        for number in range(too_many + 5):
            wrong(app, str(ip_address("10.0.0.1") + 256 * number))

    assert calls() == [("everywhere", spraying.HOUR)]
    assert [line["log_level"] for line in logs if line["event"] == "many wrong passwords"] == ["warning"]
    assert not is_refused(app, "10.0.0.1")


@pytest.mark.parametrize("backend", ["sqlite"])
def test_so_does_who_takes_a_minute_for_each_try(app: Flask) -> None:
    begun, called_after = now(), 0
    for minute in range(1000):
        with time_machine.travel(begun + timedelta(minutes=minute), tick=False):
            wrong(app, str(ip_address("10.0.0.1") + 256 * (minute % 200)))
        if calls():
            called_after = minute + 1
            break

    assert calls() == [("everywhere", spraying.DAY)]
    assert called_after == spraying.DAILY * provider.settings.alert_wrong_passwords


def test_the_official_suite_is_one_address(app: Flask, configure: Configure) -> None:
    configure(profile="conformance")
    wrong(app, "192.0.2.1", spraying.NEIGHBOURHOOD_TRIES + 1)

    assert not is_refused(app, "192.0.2.1")
    assert calls() == []
