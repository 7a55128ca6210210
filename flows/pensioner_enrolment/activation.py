"""The end of step 5: letter used up, account, second factor, journal and mail, all or nothing."""

from datetime import datetime
from typing import Any

from idp import accounts
from idp import audit
from idp import outbox
from idp.clock import now
from idp.db import transaction
from idp.interaction import Interaction
from idp.lease import lease
from idp.models import Account
from idp.models import Authenticator
from idp.texts import Text
from pensioners import activation as letters
from pensioners.activation import AlreadyUsed

from ..factor import Holder
from ..factors import Enrolled
from ..factors import of_kind
from ..language import spoken
from . import progress

CLAIM = "email_claim"
"""One activation with an address at a time: the database would let two have it (decision 22)."""


def holder(interaction: Interaction) -> Holder:
    """The pensioner, who has no account yet."""
    facts = progress.of(interaction)
    return Holder(
        interaction.id,
        f"pensioner:{facts['pensioner_id']}",
        spoken(interaction),
        account_name=progress.shown_email(interaction),
    )


def activate(interaction: Interaction, enrolled: Enrolled) -> None:
    """Make the account; of fifty that try with one letter, one succeeds and the others learn that it exists."""
    factor = of_kind(enrolled.kind)
    if factor is None:
        return
    facts = progress.of(interaction)
    person = facts["pensioner_id"]
    try:
        account_id = _create(interaction, enrolled)
    except AlreadyUsed:
        progress.drop_draft(person)
        if letters.has_account(person):
            interaction.answers[progress.NAME] = {"exists": True}
        else:  # replaced, expired, or no longer of the fund since step 1
            interaction.answers.pop(progress.NAME)
            interaction.notify("warn", Text("e1.err.code_old"))
        return
    except EmailTaken:
        progress.ask_another_email(interaction)
        interaction.notify("warn", Text("e2.err.taken"))
        return
    facts["account_id"] = account_id
    progress.drop_draft(person)
    interaction.prove("pwd", account_id)
    interaction.prove(factor.method, account_id)


class EmailTaken(Exception):
    """Somebody else has made an account with this address since step 3."""


def _create(interaction: Interaction, enrolled: Enrolled) -> str:
    facts, factor, moment = progress.of(interaction), of_kind(enrolled.kind), now()
    if facts["confirmed"] != facts["email"]:
        raise LookupError("An account is made with an unproven e-mail address.")
    with lease(CLAIM, accounts.email_fingerprint(facts["email"])), transaction() as session:
        former = letters.former_account_id(facts["pensioner_id"])
        taken = accounts.email_is_used(facts["email"], besides=former)
        if taken and not letters.has_account(facts["pensioner_id"]):
            raise EmailTaken
        said: dict[str, Any] = {
            "email": facts["email"],
            "email_fingerprint": accounts.email_fingerprint(facts["email"]),
            "email_verified_at": moment,
            "password_hash": facts["password_hash"],
            "language": spoken(interaction),
            "terms_version": facts["terms_version"],
            "terms_accepted_at": datetime.fromisoformat(facts["terms_at"]),
        }
        account = accounts.open_again(former, **said) if former else Account(**said)
        session.add(account)
        session.flush()
        letters.consume(session, facts["pensioner_id"], facts["activation_code_id"], account.id)
        added = Authenticator(account_id=account.id, kind=enrolled.kind, last_step=enrolled.last_step)
        added.data = dict(enrolled.data)
        session.add(added)
        audit.record("enrolled", account_id=account.id, client_id=interaction.client_id, kind=enrolled.kind)
        method = factor.name_in_mail(enrolled.data) if factor else ""
        outbox.mail("activated", facts["email"], account.language, lives=7 * 86400, method=method, email=facts["email"])
        return account.id
