"""Round trips: what one request asks of database and store."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from idp.db import db
from idp.provider import provider


class Trips:
    """Counts what one request asks of database and store."""

    def __init__(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sql: list[str] = []
        self.store: list[str] = []
        event.listen(db.engine, "before_cursor_execute", self._note)
        store = provider.store
        self._depth = 0
        for name in ("put", "get", "get_many", "take", "add_once", "count", "delete", "put_new", "delete_same"):
            monkeypatch.setattr(store, name, self._counting(name, getattr(store, name)))

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not any(word in statement for word in ("store_entry", "signing_key", "BEGIN")):
            self.sql.append(" ".join(statement.split())[:60])

    def _counting(self, name: str, function: Any) -> Any:
        def counted(*args: Any, **kwargs: Any) -> Any:
            if self._depth == 0:  # what the store asks of itself is not one more
                self.store.append(name if name == "get_many" else f"{name} {args[0]}")
            self._depth += 1
            try:
                return function(*args, **kwargs)
            finally:
                self._depth -= 1

        return counted

    def forget(self) -> None:
        db.session.remove()
        self.sql.clear()
        self.store.clear()
