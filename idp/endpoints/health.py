"""Health: whether this process lives, and whether it can serve people.

Both answers are constants; which part is missing, with versions and addresses, is told to the operator's log and by
`idp doctor`, never to whoever asks (row 2.78 of the security catalogue).
"""

from collections.abc import Callable

import structlog
from flask import Blueprint
from flask import Response
from flask import jsonify
from sqlalchemy import text

from .. import schema
from ..clock import now
from ..db import db
from ..provider import provider

blueprint = Blueprint("health", __name__)
log = structlog.get_logger("health")


class NotReady(RuntimeError):
    """This process cannot serve people now."""


@blueprint.get("/health/live")
def live() -> Response:
    """The process answers; nothing else is asked, so that a failing database does not restart every node."""
    return jsonify(status="live")


@blueprint.get("/health/ready")
def ready() -> Response | tuple[Response, int, dict[str, str]]:
    """Whether database, schema, store and keys are all there; a proxy sends people elsewhere while they are not."""
    failing = [name for name, check in CHECKS.items() if not _passes(name, check)]
    if failing:
        return jsonify(status="not ready"), 503, {"Retry-After": "5"}
    return jsonify(status="ready")


def check_database() -> None:
    """The database answers."""
    with db.engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def check_schema() -> None:
    """The tables are those of this program, or of a later one."""
    if not schema.is_current(db.engine):
        raise NotReady("the schema is old; run: idp migrate")


def check_store() -> None:
    """The store answers."""
    provider.store.ping()


def check_keys() -> None:
    """There is a key of every kind, and this node's secret opens all that are shown."""
    provider.keys.jwks()
    moment = now()
    there = {key.alg for key in provider.keys.stored() if key.may_sign(moment)}
    missing = sorted(set(provider.keys.kinds) - there)
    if missing:
        raise NotReady(f"no key for {', '.join(missing)}")


CHECKS: dict[str, Callable[[], None]] = {
    "database": check_database,
    "schema": check_schema,
    "store": check_store,
    "keys": check_keys,
}


def _passes(name: str, check: Callable[[], None]) -> bool:
    try:
        check()
    except Exception as error:  # whatever the reason: not ready
        log.warning("not ready", part=name, error=type(error).__name__, reason=str(error).partition("\n")[0])
        return False
    return True
