"""Limits that no rollback, no race and no restart gets round (decisions 19, 23, 37)."""

import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any

import pytest
import services
from flask import Flask
from sqlalchemy import func
from sqlalchemy import select
from time_machine import TimeMachineFixture

from idp import throttle
from idp.clock import now
from idp.db import db
from idp.db import transaction
from idp.models import FailureCounter
from idp.provider import provider
from idp.store import StoreUnavailable
from idp.store.redis import RedisStore
from idp.throttle import Limit
from idp.throttle import Paused
from idp.throttle import TooMany

LIMIT = Limit("wrong codes", tries=5, window=3600, pause=900)
OTHER = Limit("wrong passwords", tries=10, window=3600, pause=900)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def clock(time_machine: TimeMachineFixture) -> TimeMachineFixture:
    time_machine.move_to(NOON, tick=False)
    return time_machine


def after(clock: TimeMachineFixture, seconds: float) -> None:
    clock.move_to(now() + timedelta(seconds=seconds), tick=False)


def spend_all(limit: Limit, subject: str) -> list[int]:
    return [throttle.spend(limit, subject) for _ in range(limit.tries)]


def test_every_try_tells_how_many_are_left() -> None:
    assert spend_all(LIMIT, "anna") == [4, 3, 2, 1, 0]


def test_after_the_last_try_comes_the_pause(clock: TimeMachineFixture) -> None:
    spend_all(LIMIT, "anna")

    with pytest.raises(Paused) as pause:
        throttle.spend(LIMIT, "anna")

    assert pause.value.until == NOON + timedelta(seconds=900)
    assert pause.value.limit == LIMIT
    assert throttle.paused_until(LIMIT, "anna") == NOON + timedelta(seconds=900)
    assert throttle.left(LIMIT, "anna") == 0


def test_asking_during_the_pause_does_not_make_it_longer(clock: TimeMachineFixture) -> None:
    spend_all(LIMIT, "anna")
    after(clock, 600)

    with pytest.raises(Paused) as pause:
        throttle.spend(LIMIT, "anna")

    assert pause.value.until == NOON + timedelta(seconds=900)


def test_a_limit_of_one_try_pauses_after_it() -> None:
    limit = Limit("one", tries=1, window=60, pause=60)

    assert throttle.spend(limit, "anna") == 0
    with pytest.raises(Paused):
        throttle.spend(limit, "anna")


def test_after_the_pause_there_is_a_new_window(clock: TimeMachineFixture) -> None:
    """Security row 2.54: whoever is locked out by an outsider waits 15 minutes, not an hour."""
    spend_all(LIMIT, "anna")

    after(clock, 900)

    assert throttle.paused_until(LIMIT, "anna") is None
    assert throttle.left(LIMIT, "anna") == 5
    assert spend_all(LIMIT, "anna") == [4, 3, 2, 1, 0]
    with pytest.raises(Paused):
        throttle.spend(LIMIT, "anna")


def test_a_pause_outlasts_its_window(clock: TimeMachineFixture) -> None:
    throttle.spend(LIMIT, "anna")
    after(clock, 3500)
    for _ in range(4):
        throttle.spend(LIMIT, "anna")
    after(clock, 800)  # the window is over, the pause is not

    with pytest.raises(Paused) as pause:
        throttle.spend(LIMIT, "anna")

    assert pause.value.until == NOON + timedelta(seconds=3500 + 900)


def test_the_window_begins_with_its_first_try_and_ends(clock: TimeMachineFixture) -> None:
    throttle.spend(LIMIT, "anna")
    after(clock, 3000)
    assert throttle.spend(LIMIT, "anna") == 3
    after(clock, 599)
    assert throttle.spend(LIMIT, "anna") == 2

    after(clock, 1)

    assert throttle.left(LIMIT, "anna") == 5
    assert throttle.spend(LIMIT, "anna") == 4


def test_success_gives_all_tries_back() -> None:
    spend_all(LIMIT, "anna")

    throttle.clear(LIMIT, "anna")

    assert throttle.paused_until(LIMIT, "anna") is None
    assert throttle.left(LIMIT, "anna") == 5
    assert throttle.spend(LIMIT, "anna") == 4


def test_people_and_limits_are_counted_apart() -> None:
    spend_all(LIMIT, "anna")

    assert throttle.spend(LIMIT, "beat") == 4
    assert throttle.spend(OTHER, "anna") == 9
    throttle.clear(OTHER, "anna")
    with pytest.raises(Paused):
        throttle.spend(LIMIT, "anna")


def test_asking_spends_nothing() -> None:
    throttle.spend(LIMIT, "anna")

    for _ in range(10):
        assert throttle.left(LIMIT, "anna") == 4
        assert throttle.paused_until(LIMIT, "anna") is None


def test_a_limit_made_smaller_holds_at_once(clock: TimeMachineFixture) -> None:
    for _ in range(4):
        throttle.spend(LIMIT, "anna")
    smaller = Limit(LIMIT.name, tries=3, window=3600, pause=900)

    with pytest.raises(Paused) as pause:
        throttle.spend(smaller, "anna")

    assert pause.value.until == NOON + timedelta(seconds=3600)
    assert throttle.paused_until(smaller, "anna") == pause.value.until


def test_parallel_guesses_are_never_more_than_the_limit(app: Flask) -> None:
    """Security row V22 (CVE-2025-64102): of forty guesses at once, five are looked at."""
    barrier = threading.Barrier(10)

    def guess() -> list[int]:
        evaluated = []
        with app.app_context():
            barrier.wait(10)
            for _ in range(4):
                with suppress(Paused):
                    evaluated.append(throttle.spend(LIMIT, "anna"))
        return evaluated

    with ThreadPoolExecutor(10) as pool:
        found = [future.result() for future in [pool.submit(guess) for _ in range(10)]]

    assert sorted(left for each in found for left in each) == [0, 1, 2, 3, 4]


def test_of_guesses_at_once_after_a_pause_the_limit_holds_too(app: Flask, clock: TimeMachineFixture) -> None:
    spend_all(LIMIT, "anna")
    after(clock, 900)

    test_parallel_guesses_are_never_more_than_the_limit(app)


def test_a_business_write_that_fails_forgets_no_failure() -> None:
    """Security row A15 (CVE-2026-35597)."""
    throttle.spend(LIMIT, "anna")
    with pytest.raises(ZeroDivisionError), transaction():
        raise ZeroDivisionError

    assert throttle.left(LIMIT, "anna") == 4


def test_a_worker_that_is_killed_forgets_no_failure(app: Flask) -> None:
    """Security row F25: a hundred kills between the count and the answer do not give one extra guess."""

    def die() -> None:
        db.engine.dispose(close=False)
        throttle.spend(LIMIT, "anna")
        os._exit(9)

    process = multiprocessing.get_context("fork").Process(target=die)
    process.start()
    process.join(20)

    assert process.exitcode == 9
    assert throttle.left(LIMIT, "anna") == 4


def test_counting_inside_a_business_transaction_is_refused_on_sqlite(backend: str) -> None:
    if backend != "sqlite":
        pytest.skip("PostgreSQL has no single write lock")
    with pytest.raises(RuntimeError, match="inside transaction"), transaction():
        throttle.spend(LIMIT, "anna")


def test_subjects_are_kept_as_fingerprints_only() -> None:
    throttle.spend(LIMIT, "756.1234.5678.97")
    throttle.tally("activation code", "756.1234.5678.97")

    with db.engine.connect() as connection:
        rows = connection.execute(select(FailureCounter.limit, FailureCounter.subject)).all()
    assert len(rows) == 2
    assert len({row.subject for row in rows}) == 2  # one person cannot be followed from one limit to another
    assert "1234" not in repr(rows)


def test_a_tally_counts_on_through_everything(clock: TimeMachineFixture) -> None:
    """Decision 19: after twenty wrong answers for one person the code is void, however long that takes."""
    for number in range(1, 21):
        assert throttle.tally("activation code", "code-1") == number
        throttle.clear(LIMIT, "code-1")
        after(clock, 20 * 86400)
        throttle.sweep()

    assert throttle.tally("activation code", "code-2") == 1
    assert throttle.tally("letter", "code-1") == 1


def test_a_tally_is_forgotten_when_told_to(clock: TimeMachineFixture) -> None:
    throttle.tally("activation code", "code-1")

    throttle.untally("activation code", "code-1")

    assert throttle.tally("activation code", "code-1") == 1


def test_a_tally_and_a_limit_of_one_name_are_two_things() -> None:
    throttle.tally("wrong codes", "anna")

    assert throttle.spend(LIMIT, "anna") == 4
    throttle.clear(LIMIT, "anna")
    assert throttle.tally("wrong codes", "anna") == 2


def test_tallies_lose_nothing_between_threads(app: Flask) -> None:
    def count() -> int:
        with app.app_context():
            return throttle.tally("activation code", "code-1")

    with ThreadPoolExecutor(8) as pool:
        numbers = [future.result() for future in [pool.submit(count) for _ in range(24)]]

    assert sorted(numbers) == list(range(1, 25))


def test_sweeping_removes_only_what_no_longer_counts(
    clock: TimeMachineFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "BATCH", 3)
    for number in range(7):
        throttle.spend(LIMIT, f"old {number}")
    throttle.tally("activation code", "code-1")
    after(clock, 3600 + 900)
    spend_all(LIMIT, "new")

    assert throttle.sweep() == 7
    assert throttle.sweep() == 0

    with pytest.raises(Paused):
        throttle.spend(LIMIT, "new")
    after(clock, 401 * 86400)
    assert throttle.sweep() == 2
    with db.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(FailureCounter)).scalar_one() == 0


def test_sweeping_never_ends_a_pause(clock: TimeMachineFixture) -> None:
    limit = Limit("long pause", tries=2, window=60, pause=7200)
    throttle.spend(limit, "anna")
    after(clock, 59)
    throttle.spend(limit, "anna")
    after(clock, 7199)

    throttle.sweep()

    with pytest.raises(Paused):
        throttle.spend(limit, "anna")


def request_from(app: Flask, address: str | None) -> Any:
    return app.test_request_context("/", environ_overrides={"REMOTE_ADDR": address})


def test_one_address_may_ask_so_often(app: Flask) -> None:
    with request_from(app, "192.0.2.7"):
        for _ in range(3):
            throttle.per_address("sign_in", 3, 600)
        with pytest.raises(TooMany):
            throttle.per_address("sign_in", 3, 600)
        throttle.per_address("enrol", 3, 600)
    with request_from(app, "192.0.2.8"):
        throttle.per_address("sign_in", 3, 600)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("192.0.2.7", "::ffff:192.0.2.7"),
        ("fe80::1%eth0", "fe80::2%eth1"),
        ("not an address", "x" * 10_000),
        ("", None),
    ],
)
def test_addresses_of_one_network_count_as_one(app: Flask, first: str, second: str | None) -> None:
    with request_from(app, first):
        throttle.per_address("sign_in", 1, 600)
    with request_from(app, second), pytest.raises(TooMany):
        throttle.per_address("sign_in", 1, 600)


def test_addresses_of_two_networks_count_as_two(app: Flask) -> None:
    with request_from(app, "2001:db8:1:2::1"):
        throttle.per_address("sign_in", 1, 600)
    with request_from(app, "2001:db8:1:3::1"):
        throttle.per_address("sign_in", 1, 600)


def test_addresses_are_kept_as_fingerprints_only(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(provider.store, "count", lambda *args: asked.append(args) or 1)

    with request_from(app, "192.0.2.7"):
        throttle.per_address("sign_in", 1, 600)

    assert len(asked) == 1
    assert "192.0.2" not in repr(asked)


def test_without_the_store_nobody_is_let_through(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2020-15223: an error of the store is no permission."""
    monkeypatch.setattr(app.extensions["idp"], "store", RedisStore(f"redis://127.0.0.1:{services.free_port()}/0"))

    with request_from(app, "192.0.2.7"), pytest.raises(StoreUnavailable):
        throttle.per_address("sign_in", 100, 600)
