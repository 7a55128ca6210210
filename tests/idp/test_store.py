"""The store's contract: one suite for the embedded store on both databases and for Redis."""

import multiprocessing
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import services
from application import empty
from flask import Flask
from sqlalchemy import event
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import text
from time_machine import TimeMachineFixture

from idp.clock import now
from idp.db import db
from idp.db import init_db
from idp.db import own_transaction
from idp.db import transaction
from idp.models import StoreEntry
from idp.settings import BadSetting
from idp.settings import Settings
from idp.store import AlreadyTaken
from idp.store import SqlStore
from idp.store import Store
from idp.store import StoreUnavailable
from idp.store import open_store
from idp.store.redis import RedisStore

SECRET = "b0Yk3v-9Xc_2hPq7TzW1nRfLmJ5aD8sG4eUoQiKyVtNxCjHw"
KINDS = ["code", "pushed_request", "email_code", "activation", "jti", "csrf", "session", "code:a", "code%3Aa", "store"]


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def store_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def backend(store_kind: str) -> str:
    """The application that the `app` fixture makes for this store."""
    return "sqlite" if store_kind == "sqlite" else "postgres"


@pytest.fixture
def store(app: Flask, store_kind: str) -> Store:
    empty(app)  # not even its birth is noted
    return RedisStore(app.extensions["idp"].settings.redis_url) if store_kind == "redis" else SqlStore()


@pytest.fixture
def wait(store_kind: str, time_machine: TimeMachineFixture) -> Callable[[float], None]:
    """Let time pass: Redis has a clock of its own, the others have ours."""

    def pass_by(seconds: float) -> None:
        if store_kind == "redis":
            time.sleep(seconds)
        else:
            time_machine.move_to(now() + timedelta(seconds=seconds))

    return pass_by


def test_what_was_put_is_found(store: Store) -> None:
    store.put("code", "k", {"a": [1, None, {"é": "安"}], "b": True}, 60)

    assert store.get("code", "k") == {"a": [1, None, {"é": "安"}], "b": True}


def test_what_never_was_is_not_found(store: Store) -> None:
    assert store.get("code", "k") is None
    assert store.take("code", "k") is None
    assert store.take("code", "k", remember=60) is None
    assert store.counted("code", "k") == 0


def test_a_newer_value_takes_the_place_of_an_older_one(store: Store) -> None:
    store.put("code", "k", {"n": 1}, 60)

    store.put("code", "k", {"n": 2}, 60)

    assert store.get("code", "k") == {"n": 2}


def test_a_value_expires(store: Store, wait: Callable[[float], None]) -> None:
    store.put("code", "k", {"n": 1}, 1)

    wait(1.1)

    assert store.get("code", "k") is None
    assert store.get_many([("code", "k")]) == [None]
    assert store.take("code", "k") is None
    assert store.take("code", "k", remember=60) is None


def test_a_newer_value_has_a_life_of_its_own(store: Store, wait: Callable[[float], None]) -> None:
    store.put("code", "k", {"n": 1}, 1)
    store.put("code", "k", {"n": 2}, 60)

    wait(1.1)

    assert store.get("code", "k") == {"n": 2}


def test_many_come_in_the_order_asked(store: Store) -> None:
    for number in range(5):
        store.put("code", f"k{number}", {"n": number}, 60)
    store.put("session", "k1", {"n": "other"}, 60)

    found = store.get_many([("code", "k3"), ("code", "none"), ("session", "k1"), ("code", "k0"), ("code", "k3")])

    assert found == [{"n": 3}, None, {"n": "other"}, {"n": 0}, {"n": 3}]
    assert store.get_many([]) == []


def test_a_value_is_taken_once(store: Store) -> None:
    store.put("code", "k", {"n": 1}, 60)

    assert store.take("code", "k") == {"n": 1}

    assert store.take("code", "k") is None
    assert store.get("code", "k") is None


def test_an_empty_value_is_a_value(store: Store) -> None:
    store.put("code", "k", {}, 60)

    assert store.get("code", "k") == {}
    assert store.take("code", "k", remember=60) == {}


def test_whoever_takes_late_is_told_of_the_replay(store: Store) -> None:
    store.put("code", "k", {"n": 1}, 60)

    assert store.take("code", "k", remember=60) == {"n": 1}

    assert store.get("code", "k") is None
    assert store.get_many([("code", "k")]) == [None]
    for remember in (60, 0, 60, 0):  # taking a tombstone does not remove it
        with pytest.raises(AlreadyTaken):
            store.take("code", "k", remember=remember)


def test_a_tombstone_outlives_the_value_and_expires_itself(store: Store, wait: Callable[[float], None]) -> None:
    store.put("code", "long", {"n": 1}, 1)
    store.put("code", "short", {"n": 1}, 60)
    store.take("code", "long", remember=60)
    store.take("code", "short", remember=1)
    with pytest.raises(AlreadyTaken):
        store.take("code", "short", remember=60)  # a replay does not keep the tombstone alive

    wait(1.1)

    with pytest.raises(AlreadyTaken):
        store.take("code", "long")
    assert store.take("code", "short") is None


def test_a_tombstone_keeps_nothing_of_the_value(store: Store, app: Flask, store_kind: str) -> None:
    store.put("code", "k", {"account": "marker-4711"}, 60)

    store.take("code", "k", remember=60)

    if store_kind == "redis":
        assert store._redis.get("idp:code:k") == b"taken"  # type: ignore[attr-defined]
    else:
        with db.engine.connect() as connection:
            assert connection.execute(select(StoreEntry.value)).scalar_one() is None


def test_a_new_value_may_follow_a_tombstone(store: Store) -> None:
    store.put("code", "k", {"n": 1}, 60)
    store.take("code", "k", remember=60)

    store.put("code", "k", {"n": 2}, 60)

    assert store.take("code", "k") == {"n": 2}


def test_eight_threads_take_one_value_once(store: Store, app: Flask) -> None:
    for remember in (0, 60):
        for number in range(5):
            store.put("code", f"k{number}", {"n": number}, 60)

            winners = [outcome for outcome in _together(app, 8, _taker(store, f"k{number}", remember)) if outcome]

            assert winners == [{"n": number}]


def _taker(store: Store, key: str, remember: int) -> Callable[[], dict[str, Any] | None]:
    def take() -> dict[str, Any] | None:
        try:
            return store.take("code", key, remember=remember)
        except AlreadyTaken:
            return None

    return take


def _together(app: Flask, threads: int, act: Callable[[], Any]) -> list[Any]:
    """What each of so many threads got, all set off at once."""
    barrier = threading.Barrier(threads)

    def run() -> Any:
        with app.app_context():
            barrier.wait(10)
            return act()

    with ThreadPoolExecutor(threads) as pool:
        return [future.result() for future in [pool.submit(run) for _ in range(threads)]]


def test_four_processes_take_one_value_once(store: Store, app: Flask) -> None:
    """Fifty attempts on one key, many times over: one winner each."""
    rounds, attempts = 8, 13
    for number in range(rounds):
        store.put("code", f"k{number}", {"n": number}, 60)
    context = multiprocessing.get_context("fork")
    barrier, won = context.Barrier(4), context.SimpleQueue()

    def compete() -> None:
        db.engine.dispose(close=False)  # the connections are the parent's
        for number in range(rounds):
            barrier.wait(20)
            for _ in range(attempts):
                try:
                    if store.take("code", f"k{number}", remember=60 * (number % 2)) is not None:
                        won.put(number)
                except AlreadyTaken:
                    pass

    processes = [context.Process(target=compete) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0] * 4
    assert sorted(won.get() for _ in range(rounds)) == list(range(rounds))
    assert won.empty()


def test_once_is_once(store: Store, wait: Callable[[float], None]) -> None:
    assert store.add_once("jti", "k", 1)
    assert not store.add_once("jti", "k", 60)  # which does not make it last longer
    assert store.add_once("jti", "other", 60)

    wait(1.1)

    assert store.add_once("jti", "k", 60)
    assert not store.add_once("jti", "k", 60)


def test_of_eight_threads_one_adds(store: Store, app: Flask) -> None:
    for number in range(5):
        added = _together(app, 8, lambda number=number: store.add_once("jti", f"k{number}", 60))

        assert added.count(True) == 1


def test_of_eight_threads_one_revives_an_expired_mark(store: Store, app: Flask, wait: Callable[[float], None]) -> None:
    store.add_once("jti", "k", 1)
    wait(1.1)

    added = _together(app, 8, lambda: store.add_once("jti", "k", 60))

    assert added.count(True) == 1


def test_a_mark_is_no_value(store: Store) -> None:
    store.add_once("jti", "k", 60)

    assert store.get("jti", "k") is None
    assert store.take("jti", "k") is None
    assert not store.add_once("jti", "k", 60)


def test_a_new_value_takes_no_others_place(store: Store, wait: Callable[[float], None]) -> None:
    assert store.put_new("lease", "k", {"holder": "one"}, 1)
    assert not store.put_new("lease", "k", {"holder": "two"}, 60)  # which does not make it last longer
    assert store.get("lease", "k") == {"holder": "one"}

    wait(1.1)

    assert store.put_new("lease", "k", {"holder": "two"}, 60)
    assert store.get("lease", "k") == {"holder": "two"}


def test_a_new_value_takes_no_place_of_what_is_no_value(store: Store) -> None:
    store.add_once("lease", "mark", 60)
    store.put("lease", "tombstone", {"holder": "one"}, 60)
    store.take("lease", "tombstone", remember=60)
    store.count("lease", "count", 60)

    assert not any(store.put_new("lease", key, {"holder": "two"}, 60) for key in ("mark", "tombstone", "count"))


def test_of_eight_threads_one_keeps_its_value(store: Store, app: Flask) -> None:
    for number in range(5):
        names = iter("abcdefgh")
        kept = _together(app, 8, lambda n=number, i=names: store.put_new("lease", f"k{n}", {"holder": next(i)}, 60))

        assert kept.count(True) == 1


def test_only_the_very_value_is_deleted(store: Store) -> None:
    store.put_new("lease", "k", {"holder": "two"}, 60)

    assert not store.delete_same("lease", "k", {"holder": "one"})
    assert not store.delete_same("lease", "never", {"holder": "one"})
    assert store.get("lease", "k") == {"holder": "two"}

    assert store.delete_same("lease", "k", {"holder": "two"})
    assert store.get("lease", "k") is None
    assert not store.delete_same("lease", "k", {"holder": "two"})
    assert store.put_new("lease", "k", {"holder": "three"}, 60)


def test_what_is_no_value_is_never_the_same(store: Store) -> None:
    store.add_once("lease", "mark", 60)
    store.put("lease", "tombstone", {"holder": "one"}, 60)
    store.take("lease", "tombstone", remember=60)

    assert not store.delete_same("lease", "mark", {"holder": "one"})
    assert not store.delete_same("lease", "tombstone", {"holder": "one"})

    assert not store.add_once("lease", "mark", 60)
    with pytest.raises(AlreadyTaken):
        store.take("lease", "tombstone")


def test_of_eight_threads_one_deletes(store: Store, app: Flask) -> None:
    for number in range(5):
        store.put("lease", f"k{number}", {"holder": "one"}, 60)

        gone = _together(app, 8, lambda n=number: store.delete_same("lease", f"k{n}", {"holder": "one"}))

        assert gone.count(True) == 1


def test_counting_counts(store: Store) -> None:
    assert [store.count("address", "k", 60) for _ in range(3)] == [1, 2, 3]
    assert store.counted("address", "k") == 3
    assert store.counted("address", "other") == 0


def test_the_window_is_opened_by_the_first_call(store: Store, wait: Callable[[float], None]) -> None:
    store.count("address", "k", 1)
    wait(0.6)
    assert store.count("address", "k", 1) == 2
    wait(0.6)

    assert store.counted("address", "k") == 0
    assert store.count("address", "k", 1) == 1


def test_no_count_is_lost_between_threads(store: Store, app: Flask) -> None:
    numbers = _together(app, 8, lambda: [store.count("address", "k", 60) for _ in range(5)])

    assert sorted(number for each in numbers for number in each) == list(range(1, 41))


def test_what_was_deleted_is_gone(store: Store) -> None:
    store.put("code", "value", {"n": 1}, 60)
    store.put("code", "tombstone", {"n": 1}, 60)
    store.take("code", "tombstone", remember=60)
    store.add_once("code", "mark", 60)
    store.count("code", "count", 60)

    for key in ("value", "tombstone", "mark", "count", "never"):
        store.delete("code", key)

    assert store.get("code", "value") is None
    assert store.take("code", "tombstone") is None
    assert store.add_once("code", "mark", 60)
    assert store.counted("code", "count") == 0


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_never_mix(store: Store, kind: str) -> None:
    """Security row V11 (CVE-2026-4282): what is one thing is never found, taken, marked or removed as another."""
    others = [other for other in KINDS if other != kind]
    keys = ["k", "a:k", "a", ""]
    for key in keys:
        store.put(kind, key, {"kind": kind, "key": key}, 60)

    for other in others:
        for key in keys:
            assert store.get(other, key) is None
            assert store.take(other, key) is None
            assert store.take(other, key, remember=60) is None
            assert store.counted(other, key) == 0
            assert not store.delete_same(other, key, {"kind": kind, "key": key})
            assert store.add_once(other, key, 60)
            store.delete(other, key)

    assert store.get_many([(kind, key) for key in keys]) == [{"kind": kind, "key": key} for key in keys]


def test_kind_and_key_never_run_into_one_another(store: Store) -> None:
    store.put("code", "a:k", {"n": 1}, 60)
    store.put("code:a", "k", {"n": 2}, 60)
    store.put("code%3Aa", "k", {"n": 3}, 60)

    pairs = [("code", "a:k"), ("code:a", "k"), ("code%3Aa", "k")]
    assert store.get_many(pairs) == [{"n": 1}, {"n": 2}, {"n": 3}]


@pytest.mark.parametrize(
    "key",
    [
        "é",
        "e\u0301",
        "安全",
        "a b",
        "a\nb",
        "a\0b",
        "\ud800",
        "k" * 10_000,
        "sha256:",
        "🔑" * 200,
        "%",
        "*",
        "{k}",
        "'",
    ],
)
def test_any_text_is_a_key(store: Store, key: str) -> None:
    store.put("code", key, {"key": "this"}, 60)
    store.put("code", key + "x", {"key": "that"}, 60)

    assert store.get("code", key) == {"key": "this"}
    assert store.count("address", key, 60) == 1
    assert store.take("code", key, remember=60) == {"key": "this"}
    assert store.get("code", key + "x") == {"key": "that"}


def test_a_long_key_cannot_be_named_by_its_digest(store: Store) -> None:
    from idp.store.contract import stored_key

    store.put("code", "k" * 1000, {"n": 1}, 60)

    assert store.get("code", stored_key("k" * 1000)) is None


def test_large_values_are_kept(store: Store) -> None:
    value = {"text": "é" * 50_000, "list": list(range(10_000))}

    store.put("interaction", "k", value, 60)

    assert store.get("interaction", "k") == value


@pytest.mark.parametrize("seconds", [0, -1])
def test_nothing_is_kept_for_no_time(store: Store, seconds: int) -> None:
    with pytest.raises(ValueError):
        store.put("code", "k", {}, seconds)
    with pytest.raises(ValueError):
        store.add_once("jti", "k", seconds)
    with pytest.raises(ValueError):
        store.count("address", "k", seconds)


def test_only_objects_are_values(store: Store) -> None:
    with pytest.raises((TypeError, ValueError)):
        store.put("code", "k", ["no", "object"], 60)  # type: ignore[arg-type]


def test_the_birth_is_noted_once(store: Store, app: Flask, time_machine: TimeMachineFixture) -> None:
    before = now()
    born = store.born()
    time_machine.move_to(before + timedelta(days=400))
    store.sweep()

    assert before <= born <= before + timedelta(seconds=10)
    assert store.born() == born


def test_eight_threads_agree_on_the_birth(store: Store, app: Flask) -> None:
    assert len(set(_together(app, 8, store.born))) == 1


def test_an_emptied_store_is_born_anew(
    store: Store, app: Flask, store_kind: str, wait: Callable[[float], None]
) -> None:
    """Decision 3: what was issued before the loss is refused, because nobody knows any more what was used."""
    first = store.born()
    wait(0.01)
    if store_kind == "redis":
        store._redis.flushdb()  # type: ignore[attr-defined]
    else:
        with own_transaction() as connection:
            connection.execute(StoreEntry.__table__.delete())

    store.sweep()  # the chore notes it, before anybody asks

    noted = now()
    wait(0.01)
    assert first < store.born() <= noted


def test_everything_is_forgotten_at_once(store: Store, wait: Callable[[float], None]) -> None:
    """After a restored backup (security row 2.79)."""
    first = store.born()
    wait(0.01)
    for number in range(3):
        store.put("kind", str(number), {}, 60)
    store.add_once("mark", "a", 60)

    store.forget_all()

    assert store.get_many([("kind", "0"), ("kind", "1"), ("kind", "2")]) == [None, None, None]
    assert store.add_once("mark", "a", 60)
    assert store.born() > first


def test_sweeping_removes_what_has_expired_and_nothing_else(
    store: Store, store_kind: str, monkeypatch: pytest.MonkeyPatch, wait: Callable[[float], None]
) -> None:
    monkeypatch.setattr("idp.store.sql.BATCH", 3)
    for number in range(7):
        store.put("code", f"old{number}", {}, 1)
    store.add_once("jti", "old", 1)
    store.put("code", "new", {"n": 1}, 60)
    born = store.born()
    wait(1.1)

    removed = store.sweep()

    assert removed == (0 if store_kind == "redis" else 8)
    assert store.get("code", "new") == {"n": 1}
    assert store.born() == born
    if store_kind != "redis":
        with db.engine.connect() as connection:
            assert connection.execute(select(func.count()).select_from(StoreEntry)).scalar_one() == 2


def test_sweepers_do_not_get_into_each_others_way(
    store: Store, app: Flask, store_kind: str, monkeypatch: pytest.MonkeyPatch, wait: Callable[[float], None]
) -> None:
    monkeypatch.setattr("idp.store.sql.BATCH", 10)
    for number in range(60):
        store.put("code", f"old{number}", {}, 1)
    wait(1.1)

    removed = _together(app, 4, store.sweep)

    assert sum(removed) == (0 if store_kind == "redis" else 60)


def test_a_living_store_answers(store: Store) -> None:
    store.ping()


def test_what_was_taken_stays_taken_when_the_business_write_fails(store: Store) -> None:
    store.put("code", "k", {"n": 1}, 60)
    store.take("code", "k", remember=60)
    with pytest.raises(ZeroDivisionError), transaction():
        raise ZeroDivisionError

    with pytest.raises(AlreadyTaken):
        store.take("code", "k")


def test_many_values_cost_one_query(store: Store, store_kind: str) -> None:
    if store_kind == "redis":
        pytest.skip("MGET is one command")
    for number in range(5):
        store.put("code", f"k{number}", {"n": number}, 60)
    statements: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    store.get_many([("code", f"k{number}") for number in range(5)])

    assert len([each for each in statements if each.startswith("SELECT")]) == 1


class TestInsideABusinessTransaction:
    """SQLite has one write lock: whoever holds it must not wait for it."""

    @pytest.fixture
    def store_kind(self) -> str:
        return "sqlite"

    def test_a_write_to_the_store_is_refused_at_once(self, store: Store) -> None:
        began = time.monotonic()
        with pytest.raises(RuntimeError, match="inside transaction"), transaction():
            store.put("code", "k", {}, 60)

        assert time.monotonic() - began < 2
        store.put("code", "k", {}, 60)  # and afterwards it works

    def test_the_store_can_be_read(self, store: Store) -> None:
        store.put("code", "k", {"n": 1}, 60)
        with transaction() as session:
            session.execute(text("UPDATE store_entry SET counter = 7"))

            assert store.get("code", "k") == {"n": 1}

    def test_own_transactions_are_refused_at_once(self, app: Flask) -> None:
        with pytest.raises(RuntimeError, match="inside transaction"), transaction(), own_transaction():
            pass
        with pytest.raises(RuntimeError, match="inside own_transaction"), own_transaction(), own_transaction():
            pass
        with own_transaction():
            pass

    def test_another_thread_waits_for_its_turn(self, store: Store, app: Flask) -> None:
        with ThreadPoolExecutor(1) as pool, transaction():
            waiting = pool.submit(_together, app, 1, lambda: store.count("address", "k", 60))
            time.sleep(0.2)
            assert not waiting.done()

        assert waiting.result() == [1]


@pytest.mark.parametrize("store_kind", ["sqlite", "postgres"])
def test_a_transaction_inside_another_is_refused(app: Flask, store_kind: str) -> None:
    with pytest.raises(RuntimeError, match="inside transaction"), transaction(), transaction():
        pass
    with transaction():
        pass


class TestUnavailable:
    """Nobody goes on without the store (CVE-2020-15223)."""

    def calls(self, store: Store) -> list[Callable[[], Any]]:
        return [
            lambda: store.put("code", "k", {}, 60),
            lambda: store.get("code", "k"),
            lambda: store.get_many([("code", "k")]),
            lambda: store.take("code", "k"),
            lambda: store.take("code", "k", remember=60),
            lambda: store.add_once("jti", "k", 60),
            lambda: store.count("address", "k", 60),
            lambda: store.counted("address", "k"),
            lambda: store.delete("code", "k"),
            store.born,
            store.sweep,
            store.ping,
        ]

    def test_redis_that_is_down_fails_closed(self) -> None:
        store = RedisStore(f"redis://127.0.0.1:{services.free_port()}/0")  # does not connect yet

        for call in self.calls(store):
            with pytest.raises(StoreUnavailable):
                call()

    def test_a_silent_redis_is_waited_for_once(self) -> None:
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(50)
            store = RedisStore(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")

            for call in self.calls(store)[:4]:
                began = time.monotonic()
                with pytest.raises(StoreUnavailable):
                    call()
                assert time.monotonic() - began < 0.9

    def test_a_full_redis_fails_closed_and_one_that_came_back_is_used(self) -> None:
        port = services.free_port()
        store = RedisStore(f"redis://127.0.0.1:{port}/0")
        with _redis(port):
            store.put("code", "k", {}, 60)
        with pytest.raises(StoreUnavailable):
            store.get("code", "k")
        with _redis(port):  # the old connection is dead, and nobody notices
            store.put("code", "k", {"n": 1}, 60)
            assert store.get("code", "k") == {"n": 1}
        with _redis(port, "--maxmemory", "1000"):
            for call in (
                lambda: store.put("code", "k", {}, 60),
                lambda: store.add_once("jti", "k", 60),
                lambda: store.count("address", "k", 60),
                store.born,
            ):
                with pytest.raises(StoreUnavailable):
                    call()

    @pytest.mark.parametrize(
        "url", ["sqlite:////nowhere/at/all.sqlite", "postgresql://postgres@127.0.0.1:{port}/nothing"]
    )
    def test_a_database_that_is_down_fails_closed(self, url: str) -> None:
        app = Flask("test")
        init_db(app, _settings(database_url=url.format(port=services.free_port())))
        with app.app_context():
            for call in self.calls(SqlStore()):
                with pytest.raises(StoreUnavailable):
                    call()

    def test_a_database_that_cannot_be_written_fails_closed(self, tmp_path: Path) -> None:
        app = Flask("test")
        init_db(app, _settings(database_url=f"sqlite:///{tmp_path / 'idp.sqlite'}"))
        with app.app_context():
            db.create_all()
            store = SqlStore()
            event.listen(db.engine, "connect", lambda each, _: each.execute("PRAGMA query_only = ON"))
            db.engine.dispose()

            with pytest.raises(StoreUnavailable):
                store.put("code", "k", {}, 60)
            assert store.get("code", "k") is None


def _redis(port: int, *options: str) -> Any:
    program = services.find("redis-server")
    if program is None:
        services.missing("redis-server")
    return _Running([str(program), "--port", str(port), "--bind", "127.0.0.1", "--save", "", *options], port)


class _Running:
    def __init__(self, command: list[str], port: int) -> None:
        self.command, self.port = command, port

    def __enter__(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise TimeoutError("Redis does not start.")

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)


def test_the_settings_choose_the_store() -> None:
    assert isinstance(open_store(_settings()), SqlStore)
    assert isinstance(open_store(_settings(redis_url="redis://localhost/0")), RedisStore)


def test_an_address_that_is_none_of_redis_is_told_to_the_operator() -> None:
    with pytest.raises(BadSetting, match="IDP_REDIS_URL"):
        open_store(_settings(redis_url="localhost:6379"))


def _settings(**given: Any) -> Settings:
    return Settings(issuer="http://localhost:8400", secret=SECRET, environment="production", **given)  # type: ignore[arg-type]
