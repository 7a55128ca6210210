"""Step 2: e-mail address and password (pages.md E2)."""

from collections.abc import Mapping
from typing import Any

from wtforms import Form

from idp import passwords
from idp.flow import Step
from idp.interaction import Interaction

from ..passwords import rules
from . import progress
from .user_data_form import ChangeForm
from .user_data_form import UserDataForm


class UserData(Step):
    """Takes the e-mail address (proven in step 3) and the password (kept as a hash at once)."""

    name = "user-data"
    number = 2

    def is_due(self, interaction: Interaction) -> bool:
        return "email" not in progress.of(interaction)

    def form(self, interaction: Interaction) -> type[Form]:
        facts = progress.of(interaction)
        kind = ChangeForm if "password_hash" in facts else UserDataForm
        return kind.bound(facts)

    def stored(self, interaction: Interaction) -> Mapping[str, Any]:
        facts = progress.of(interaction)
        return {"email": facts.get("typed_email") or facts.get("suggested_email") or ""}

    def show(self, interaction: Interaction) -> dict[str, Any]:
        return {"rules": rules()}

    def submit(self, interaction: Interaction, form: Any) -> None:
        facts = progress.of(interaction)
        if form.password.data:
            facts["password_hash"] = passwords.hash(form.password.data)
        facts["email"], facts["typed_email"] = form.email.meant, form.email.data
        progress.keep_draft(interaction)
