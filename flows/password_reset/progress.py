"""What a password reset has established so far."""

from typing import Any

from idp import accounts
from idp.interaction import Interaction
from idp.models import Account

NAME = "password"


def of(interaction: Interaction) -> dict[str, Any]:
    """The facts: who was named, whether the e-mail code and the second factor were right."""
    facts: dict[str, Any] = interaction.answers.setdefault(NAME, {})
    return facts


def named_account(interaction: Interaction) -> Account | None:
    """The account that was named, which may not exist; nothing about it may show on a page."""
    account_id = of(interaction).get("account_id")
    return accounts.by_id(account_id) if account_id else None


def proven_account(interaction: Interaction) -> Account | None:
    """The account, once its e-mail address has been proven."""
    return named_account(interaction) if of(interaction).get("email_code") else None
