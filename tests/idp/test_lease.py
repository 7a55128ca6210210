"""The lease: one at a time, and nobody gives back what may be somebody else's."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from time import sleep
from types import SimpleNamespace

import pytest
import time_machine
from flask import Flask

from idp import lease as leases
from idp.clock import now
from idp.lease import lease
from idp.provider import provider
from idp.store import StoreUnavailable


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What this process takes for the time; the store has its own."""
    clock = SimpleNamespace(at=100.0)
    monkeypatch.setattr(leases, "monotonic", lambda: clock.at)
    return clock


def is_free(key: str) -> bool:
    """Whether somebody else could have it now."""
    return provider.store.put_new("test", key, {"holder": "next"}, 1)


def test_one_goes_ahead_at_a_time(app: Flask) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        with app.app_context(), lease("test", "shared"):
            inside.append(number)
            most.append(len(inside))
            sleep(0.05)
            inside.remove(number)

    with ThreadPoolExecutor(6) as together:
        list(together.map(work, range(6)))

    assert most == [1] * 6


def test_it_is_free_again_afterwards_whatever_happened(app: Flask) -> None:
    with pytest.raises(ValueError, match="x"), lease("test", "a"):
        raise ValueError("x")

    assert is_free("a")


def test_a_slow_holder_does_not_give_back_the_lease_of_another(app: Flask) -> None:
    with lease("test", "a"):
        provider.store.delete("test", "a")  # it ended by itself …
        provider.store.put_new("test", "a", {"holder": "somebody else"}, 60)  # … and another has it

    assert provider.store.get("test", "a") == {"holder": "somebody else"}


def test_no_two_holders_have_one_name(app: Flask) -> None:
    held = []
    for _ in range(2):
        with lease("test", "a"):
            held.append(provider.store.get("test", "a"))

    assert held[0] != held[1]
    assert all(each and len(each["holder"]) >= 20 for each in held)


def test_who_comes_after_a_holder_that_died_waits_for_the_end_of_its_lease(app: Flask) -> None:
    if provider.settings.redis_url:
        pytest.skip("Redis has a clock of its own")
    provider.store.put_new("test", "a", {"holder": "dead"}, leases.SECONDS)

    with time_machine.travel(now() + timedelta(seconds=leases.SECONDS + 1)), lease("test", "a"):
        assert provider.store.get("test", "a") != {"holder": "dead"}


def test_who_waits_for_too_long_is_told_so(app: Flask, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "sleep", lambda seconds: setattr(clock, "at", clock.at + 1))
    provider.store.put_new("test", "a", {"holder": "somebody else"}, 60)

    with pytest.raises(StoreUnavailable), lease("test", "a"):
        pytest.fail("nobody gave it back")
