"""The holder of an account is told when somebody tries to enrol again with their letter (decision 18)."""

from idp import accounts
from idp import audit
from idp import outbox
from idp.db import transaction


def tell_holder(account_id: str) -> None:
    """One mail to the account's address."""
    account = accounts.by_id(account_id)
    if account is None:
        return
    email, language = account.email, account.language
    with transaction():
        audit.record("enrolment_attempt", "refused", account_id=account_id, reason="account exists")
        outbox.mail("attempt", email, language, lives=86400, when=True)
