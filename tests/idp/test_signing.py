"""Signing keys in SQL: what the key ring demands of its storage, on both databases."""

import threading
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import services
from flask import Flask
from sqlalchemy.exc import IntegrityError

from idp.clock import now
from idp.db import db
from idp.db import init_db
from idp.db import transaction
from idp.settings import Settings
from idp.signing import SqlKeyStorage
from keys import KeyRing
from keys import StoredKey
from keys import Vault

SECRET = "b0Yk3v-9Xc_2hPq7TzW1nRfLmJ5aD8sG4eUoQiKyVtNxCjHw"
MOMENT = datetime(2026, 3, 2, 12, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture
def app(backend: str, addresses: Callable[[str], dict[str, str]], tmp_path: Path, worker: str) -> Iterator[Flask]:
    """An application with a database of its own: the keys of the other tests stay."""
    url = f"sqlite:///{tmp_path / 'idp.sqlite'}"
    if backend == "postgres":
        url = services.another_database(addresses(backend)["database_url"], f"idp_signing_{worker}")
    app = Flask("test")
    init_db(app, Settings(issuer="http://localhost:8400", secret=SECRET, database_url=url))  # type: ignore[arg-type]
    with app.app_context():
        db.create_all()
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def storage(app: Flask) -> SqlKeyStorage:
    return SqlKeyStorage(app)


def key(kid: str = "k1", alg: str = "RS256", **dates: Any) -> StoredKey:
    times = {
        "created_at": MOMENT,
        "signs_from": MOMENT,
        "signs_until": MOMENT + timedelta(days=90),
        "shown_until": MOMENT + timedelta(days=91),
    }
    return StoredKey(kid=kid, alg=alg, sealed=b"\0sealed\xff", **(times | dates))


def test_a_key_comes_back_as_it_was(storage: SqlKeyStorage) -> None:
    assert list(storage.load()) == []

    assert storage.add(key())

    assert list(storage.load()) == [key()]
    assert type(storage.load()[0].sealed) is bytes


def test_keys_come_the_oldest_first(storage: SqlKeyStorage) -> None:
    for day in (3, 1, 2):
        storage.add(key(f"k{day}", signs_from=MOMENT + timedelta(days=day)))

    assert [each.kid for each in storage.load()] == ["k1", "k2", "k3"]


def test_two_keys_of_one_algorithm_and_start_are_one(storage: SqlKeyStorage) -> None:
    assert storage.add(key("k1"))

    assert not storage.add(key("k2"))

    assert [each.kid for each in storage.load()] == ["k1"]
    assert storage.add(key("k3", alg="ES256"))
    assert storage.add(key("k4", signs_from=MOMENT + timedelta(microseconds=1)))


def test_one_kid_for_two_keys_is_an_error(storage: SqlKeyStorage) -> None:
    storage.add(key("k1"))

    with pytest.raises(IntegrityError):
        storage.add(key("k1", alg="ES256"))


def test_a_key_is_written_anew(storage: SqlKeyStorage) -> None:
    storage.add(key("k1"))
    storage.add(key("k2", alg="ES256"))
    changed = replace(
        key("k1"), sealed=b"new", signs_until=MOMENT, shown_until=MOMENT + timedelta(1), revoked_at=MOMENT
    )

    storage.replace(changed)

    assert sorted(storage.load(), key=lambda each: each.kid) == [changed, key("k2", alg="ES256")]


def test_a_revoked_key_stays_revoked(storage: SqlKeyStorage) -> None:
    """A node that knows nothing of the emergency yet must not bring the key back by sealing it anew."""
    storage.add(key())
    storage.replace(replace(key(), revoked_at=MOMENT))

    storage.replace(replace(key(), sealed=b"new"))
    storage.replace(replace(key(), sealed=b"newer", revoked_at=MOMENT + timedelta(days=1)))

    assert list(storage.load()) == [replace(key(), sealed=b"newer", revoked_at=MOMENT)]


def test_of_nodes_that_make_the_next_key_at_once_one_adds_it(storage: SqlKeyStorage, app: Flask) -> None:
    barrier = threading.Barrier(8)

    def add(number: int) -> bool:
        barrier.wait(10)
        return SqlKeyStorage(app).add(key(f"k{number}"))

    with ThreadPoolExecutor(8) as pool:
        added = [future.result() for future in [pool.submit(add, number) for number in range(8)]]

    assert added.count(True) == 1
    assert [each.kid for each in storage.load()] == [f"k{added.index(True)}"]


def test_a_key_is_kept_whatever_becomes_of_the_business_write(storage: SqlKeyStorage, app: Flask) -> None:
    with app.app_context():
        storage.add(key())
        with pytest.raises(ZeroDivisionError), transaction():
            raise ZeroDivisionError

    assert len(storage.load()) == 1


def test_two_nodes_sign_and_verify_for_one_another(app: Flask) -> None:
    rings = [KeyRing(SqlKeyStorage(app), Vault(SECRET), algorithms=["ES256"], clock=now) for _ in range(2)]

    for ring in rings:
        ring.ensure()

    assert len(SqlKeyStorage(app).load()) == 1
    assert rings[1].verify(rings[0].sign({"sub": "a"}, alg="ES256")) == {"sub": "a"}
    made = rings[1].rotate("ES256", emergency=True)
    rings[0].ensure()
    assert rings[0].jwks() == rings[1].jwks()
    assert [each["kid"] for each in rings[0].jwks()["keys"]] == [each.kid for each in made]
