"""The signing keys of all nodes, in SQL: what the key ring (`keys/ring.py`) loads, adds and writes anew.

The private halves come sealed and stay sealed here. Each call is a transaction of its own, so that two nodes that make
the next key at once end with one.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import Connection
from sqlalchemy import func
from sqlalchemy import literal
from sqlalchemy import select
from sqlalchemy import update

from keys import StoredKey

from .db import Moment
from .db import db
from .db import own_transaction
from .db import upsert
from .models import SigningKeyRecord

ROW = SigningKeyRecord.__table__.columns


class SqlKeyStorage:
    """The table `signing_key` of one application; the ring asks for it from threads without a request, too."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def load(self) -> Sequence[StoredKey]:
        """Read every key, with the ones that are gone, the oldest first."""
        query = select(*ROW).order_by(ROW.signs_from, ROW.kid)
        with self._reading() as connection:
            return [StoredKey(**row) for row in connection.execute(query).mappings()]

    def add(self, key: StoredKey) -> bool:
        """Add a key; False, and nothing written, where one with this `alg` and `signs_from` already is."""
        with self._writing() as connection:
            row = upsert(connection.dialect, SigningKeyRecord).values(kid=key.kid, alg=key.alg, **_changeable(key))
            added = row.on_conflict_do_nothing(index_elements=["alg", "signs_from"]).returning(ROW.kid)
            return connection.execute(added).scalar() is not None

    def replace(self, key: StoredKey) -> None:
        """Write a key's sealed bytes and dates anew; `revoked_at` once set stays, whoever writes later."""
        values = _changeable(key) | {"revoked_at": func.coalesce(ROW.revoked_at, literal(key.revoked_at, Moment()))}
        with self._writing() as connection:
            connection.execute(update(SigningKeyRecord).where(ROW.kid == key.kid).values(values))

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._app.app_context(), db.engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._app.app_context(), own_transaction() as connection:
            yield connection


def _changeable(key: StoredKey) -> dict[str, Any]:
    return {
        "sealed": key.sealed,
        "created_at": key.created_at,
        "signs_from": key.signs_from,
        "signs_until": key.signs_until,
        "shown_until": key.shown_until,
        "revoked_at": key.revoked_at,
    }
