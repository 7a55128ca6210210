"""F1: whose password? The answer is the same whether the account exists or not."""

from collections.abc import Mapping
from typing import Any

from wtforms import Form

from idp import accounts
from idp import throttle
from idp.flow import Step
from idp.interaction import Interaction

from ..fields import USERNAME
from ..fields import IdentifierField
from ..second_factor import selection
from ..user_name import find_account
from . import progress

FROM_ONE_ADDRESS = ("password_reset", 30, 600)


class UsernameForm(Form):
    """The user name, as at sign-in."""

    username = IdentifierField(
        "signin.username",
        description="signin.username_hint",
        empty="signin.err.user_empty",
        render_kw=USERNAME,
    )


class Username(Step):
    """Names the account; the code goes out as the next page becomes due."""

    name = "forgot"

    def is_due(self, interaction: Interaction) -> bool:
        return "subject" not in progress.of(interaction)

    def form(self, interaction: Interaction) -> type[Form]:
        return UsernameForm

    def stored(self, interaction: Interaction) -> Mapping[str, Any]:
        return {"username": progress.of(interaction).get("typed", "")}

    def submit(self, interaction: Interaction, form: Any) -> None:
        throttle.per_address(*FROM_ONE_ADDRESS)
        kind, name = form.username.meant
        account = find_account(kind, name)
        # without a second factor a mailbox would be enough: answered like nobody (decision 25)
        active = account if account and account.is_active and selection.usable(account) else None
        interaction.answers[progress.NAME] = {
            "typed": form.username.data,
            "subject": f"account:{active.id}" if active else f"{kind}:{accounts.canonical(kind, name)}",
            "account_id": active.id if active else None,
        }

    def can_return(self, interaction: Interaction) -> bool:
        return "email_code" not in progress.of(interaction)

    def undo(self, interaction: Interaction) -> None:
        interaction.answers.pop(progress.NAME, None)
