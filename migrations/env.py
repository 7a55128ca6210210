"""How Alembic runs our revisions: on the connection and in the transaction that `idp/schema.py` hands it."""

from typing import Any

from alembic import context

from idp.db import Base
from idp.db import Moment
from idp.schema import is_other_default


def render_item(kind: str, item: Any, autogen_context: Any) -> str | bool:
    """Write our own column types as plain ones: a revision must stay valid when the code has moved on."""
    if kind == "type" and isinstance(item, Moment):
        return "sa.DateTime(timezone=True)"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    render_item=render_item,
    compare_server_default=is_other_default,
    transactional_ddl=True,
)
context.run_migrations()
