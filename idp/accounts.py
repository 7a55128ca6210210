"""Accounts: how they are found, and the few things that happen to them as a whole."""

import hashlib
from typing import Any

from sqlalchemy import select

from . import endings
from . import outbox
from .clock import now
from .db import db
from .db import transaction
from .email_address import canonical as canonical_email
from .models import Account
from .provider import provider
from .throttle import Limit

WRONG_PASSWORDS = Limit("password", tries=10, window=3600, pause=900)
"""Of one account, or of one name that nobody has."""
WRONG_PASSWORDS_OF_KNOWN_DEVICES = Limit("password known device", tries=10, window=3600, pause=900)
"""Of one account, from browsers in which its person has signed in before: those of others do not use it up."""


def canonical(kind: str, name: str) -> str:
    """One spelling for all spellings of a user name, so that limits count the person and not the spelling."""
    return canonical_email(name) if kind == "email" else name


def email_fingerprint(email: str) -> str:
    """What an address is looked up by."""
    return provider.vault.fingerprint("email", canonical_email(email))


def by_id(account_id: str) -> Account | None:
    """The account with this id."""
    return db.session.get(Account, account_id)


def by_email(email: str) -> Account | None:
    """The account with this address; None as well when two people share it (decision 22)."""
    prints = provider.vault.fingerprints("email", canonical_email(email))
    found = db.session.scalars(select(Account).where(Account.email_fingerprint.in_(prints)).limit(2)).all()
    return found[0] if len(found) == 1 else None


def email_is_used(email: str, *, besides: str | None = None) -> bool:
    """Whether any account has this address, `besides` the one its person goes on with."""
    prints = provider.vault.fingerprints("email", canonical_email(email))
    query = select(Account.id).where(Account.email_fingerprint.in_(prints), Account.id != (besides or ""))
    return db.session.scalar(query.limit(1)) is not None


def open_again(account_id: str, **said: Any) -> Account:
    """An account that was shut goes on under its name, with what its person has just said and proven.

    What was given before stays over. Called inside a transaction.
    """
    account, moment = db.session.get_one(Account, account_id), now()
    for name, value in said.items():
        setattr(account, name, value)
    account.password_changed_at = account.factors_changed_at = account.sessions_valid_after = moment
    account.disabled_at = None
    return account


def end_everything(account: Account) -> None:
    """End all sessions and refresh tokens of the account; called inside a transaction."""
    endings.end_accounts([account.id], "account")


def tell_locked(account: Account | None, subject: str, language: str, seconds: int) -> None:
    """Tell the holder that sign-in pauses after too many wrong tries; for nobody the same work, and nothing is sent."""
    email, language = (account.email, account.language) if account else (nobody(subject), language)
    until = now().timestamp() + seconds
    with transaction():
        outbox.mail("locked", email, language, lives=seconds if account else 0, time=outbox.clock_time(until, language))


def nobody(subject: str) -> str:
    """An address for a name that nobody has: each has its own, as real ones do, and nothing is ever sent there."""
    return f"{hashlib.sha256(provider.vault.fingerprint('nobody', subject).encode()).hexdigest()[:32]}@invalid.invalid"
