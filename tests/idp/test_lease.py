"""The lease: one at a time, and nobody gives back what may be somebody else's."""

from concurrent.futures import ThreadPoolExecutor
from time import sleep
from types import SimpleNamespace

import pytest
from flask import Flask

from idp import lease as leases
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
    return provider.store.add_once("test", key, 1)


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


def test_a_slow_holder_does_not_give_back_the_lease_of_another(app: Flask, clock: SimpleNamespace) -> None:
    """Its own has ended, or may have by the time the store hears of it."""
    with lease("test", "a"):
        clock.at += leases.SECONDS - leases.SLOWEST_CALL + 1
        provider.store.delete("test", "a")  # it ended by itself …
        provider.store.add_once("test", "a", 60)  # … and somebody else has it

    assert not is_free("a")


def test_the_time_that_asking_took_counts(app: Flask, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store may have begun to count as soon as it was asked."""
    add_once = provider.store.add_once

    def slowly(kind: str, key: str, seconds: int) -> bool:
        clock.at += leases.SECONDS - leases.SLOWEST_CALL + 1
        return add_once(kind, key, seconds)

    with monkeypatch.context() as patched:
        patched.setattr(provider.store, "add_once", slowly)
        with lease("test", "a"):
            pass

    assert not is_free("a")


def test_who_waits_for_too_long_is_told_so(app: Flask, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "sleep", lambda seconds: setattr(clock, "at", clock.at + 1))
    provider.store.add_once("test", "a", 60)

    with pytest.raises(StoreUnavailable), lease("test", "a"):
        pytest.fail("nobody gave it back")
