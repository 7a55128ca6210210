"""Closing an account for good: it was in wrong hands, or its person wants it.

The account goes with everything it could prove itself with. Its sessions and tokens end at once, its applications hear
of it, and its address is told, for whoever persuades the telephone service must not go unnoticed. The person keeps the
person number by which applications know them; a new letter opens a new account.
"""

from sqlalchemy import select

from idp import audit
from idp import endings
from idp import outbox
from idp.db import transaction
from idp.models import Account

from .models import Pensioner

TOLD_SECONDS = 7 * 86400


class NoAccount(LookupError):
    """There is no such person, or the person has no account."""


def close(person_number: str, *, operator: str, reason: str) -> None:
    """Remove the account of a person; the journal keeps who did it, and why. Raises `NoAccount`."""
    with transaction() as session:
        person = session.scalar(select(Pensioner).where(Pensioner.person_number == person_number))
        account_id = (person.account_id or person.former_account_id) if person is not None else None
        account = session.get(Account, account_id) if account_id else None
        if person is None or account is None:
            raise NoAccount(person_number)
        outbox.mail("closed", account.email, account.language, lives=TOLD_SECONDS, frame=outbox.UNASKED)
        endings.end_accounts([account.id], "closed")
        person.account_id = person.former_account_id = person.enrolled_at = None
        audit.record("account_closed", account_id=account.id, reason=reason, operator=operator, person=person.id)
        session.flush()
        session.delete(account)
