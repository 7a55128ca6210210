"""«Vous avez déjà un compte»: the letter's code has been used; sign in, or choose a new password."""

from typing import Any

from idp.flow import Step
from idp.interaction import Interaction

from . import progress


class AccountExists(Step):
    """Shown only to somebody who holds the very letter the account was made with (decision 18)."""

    name = "account-exists"

    def is_due(self, interaction: Interaction) -> bool:
        return "exists" in progress.of(interaction)

    def submit(self, interaction: Interaction, form: Any) -> None:
        """«Connexion»: leave the enrolment."""
        interaction.answers.pop(progress.NAME, None)
        interaction.goal = "sign_in"

    def can_return(self, interaction: Interaction) -> bool:
        return False
