"""Whom a user name means: an e-mail address or an AHV number (`fields.py` tells which)."""

from idp import accounts
from idp.models import Account
from pensioners import activation


def find_account(kind: str, name: str) -> Account | None:
    """The account with this e-mail or AHV number."""
    if kind == "email":
        return accounts.by_email(name)
    account_id = activation.find_account_id(name)
    return accounts.by_id(account_id) if account_id else None
