"""Step 2 later on: the address that was given, «Modifier l'adresse e-mail», and after a pause the password."""

from typing import Any

from wtforms import Form

from idp import passwords
from idp.flow import Step
from idp.interaction import Interaction

from ..passwords import rules
from . import progress
from .user_data_form import PasswordForm


class KeptAddress(Step):
    """Asks for the password where the address came from a draft; once both are there it only shows them.

    «Modifier» and «Retour» are the same: the whole form of step 2 (pages.md 2.1.5).
    """

    name = "kept-address"
    number = 2

    def is_due(self, interaction: Interaction) -> bool:
        return "password_hash" not in progress.of(interaction)

    def form(self, interaction: Interaction) -> type[Form]:
        return PasswordForm.bound(progress.of(interaction)) if self.is_due(interaction) else Form

    def show(self, interaction: Interaction) -> dict[str, Any]:
        return {"email": progress.shown_email(interaction), "rules": rules(), "is_due": self.is_due(interaction)}

    def submit(self, interaction: Interaction, form: Any) -> None:
        if self.is_due(interaction):
            progress.of(interaction)["password_hash"] = passwords.hash(form.password.data)

    def can_return(self, interaction: Interaction) -> bool:
        return progress.is_proven(interaction)
