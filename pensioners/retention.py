"""What is forgotten of the letters, and when.

A code that is no use any more is forgotten 30 days after it ended: until then whoever types it is told why it is
refused (decision 18). One that opened an account is kept with the account, whose holder it still leads to the sign-in.
The row stays for the count of its campaign: who had a letter, when, and what became of it.
"""

from datetime import timedelta

from sqlalchemy import and_
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy import update

from idp.clock import now
from idp.db import own_transaction

from .models import ActivationCode
from .models import Pensioner

KEPT = timedelta(days=30)


def forget_codes() -> int:
    """Forget every code that ended long enough ago; how many."""
    long_ago = now() - KEPT
    lives = select(Pensioner.id).where(Pensioner.id == ActivationCode.pensioner_id, Pensioner.account_id.is_not(None))
    ended = or_(
        and_(ActivationCode.used_at.is_(None), ActivationCode.replaced_at < long_ago),
        and_(ActivationCode.used_at.is_(None), ActivationCode.expires_at < long_ago),
        and_(ActivationCode.used_at < long_ago, ~lives.exists()),
    )
    known = ActivationCode.code_fingerprint.is_not(None)
    with own_transaction() as connection:
        forgotten = connection.execute(update(ActivationCode).where(known, ended).values(code_fingerprint=None))
    return int(forgotten.rowcount)
