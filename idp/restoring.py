"""After a restored backup: what has ended since the copy was made must not live again (security row 2.79).

The copy knows sessions, refresh tokens and messages that are over, and nothing of what was used since. So everything
that lets somebody in without signing in ends, and the store, whichever it is, comes up empty.
"""

from sqlalchemy import select
from sqlalchemy import update

from . import audit
from . import endings
from .db import transaction
from .models import Account
from .models import OutboxMessage
from .provider import provider

BATCH = 1000


def end_all(operator: str) -> int:
    """End every session, refresh token and visit of all accounts, and every message that waits; the accounts."""
    with transaction() as session:
        session.execute(update(OutboxMessage).where(OutboxMessage.state == "pending").values(state="expired"))
        account_ids = list(session.scalars(select(Account.id)))
        for start in range(0, len(account_ids), BATCH):
            endings.end_accounts(account_ids[start : start + BATCH], "restored")
        audit.record("restored", accounts=len(account_ids), operator=operator)
    provider.store.forget_all()
    return len(account_ids)
