"""The provider's application as tests assemble it, and how it is emptied between them."""

import secrets

from flask import Flask
from redis import Redis

from idp.db import Base
from idp.db import db
from idp.settings import Settings
from wsgi import create_app

ISSUER = "http://localhost:8400"


def make_app(**settings: object) -> Flask:
    """A fresh application with its tables, for tests."""
    given: dict[str, object] = {
        "environment": "development",
        "issuer": ISSUER,
        "secret": secrets.token_urlsafe(48),
        "mail_channel": "outbox",
        "sms_channel": "outbox",
        "outbox_worker": False,
        "default_language": "fr",
    }
    app = create_app(Settings(**{**given, **settings}))  # type: ignore[arg-type]
    app.testing = True
    app.config["PROPAGATE_EXCEPTIONS"] = False
    with app.app_context():
        db.create_all()
    return app


def empty(app: Flask) -> None:
    """Remove every row and every stored value; signing keys stay, they cost time to make."""
    db.session.remove()
    tables = [table for table in reversed(Base.metadata.sorted_tables) if table.name != "signing_key"]
    with db.engine.connect().execution_options(immediate=True) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            # One round trip; TRUNCATE makes a new file for each table, which costs fifty times as much.
            connection.exec_driver_sql("; ".join(f'DELETE FROM "{table.name}"' for table in tables))
        else:
            for table in tables:
                connection.execute(table.delete())
    redis_url = app.extensions["idp"].settings.redis_url
    if redis_url:
        Redis.from_url(redis_url).flushdb()
