"""Which entry of the fund's site do you want? Ours lead on, external ones away (pages.md P1)."""

from typing import Any

from wtforms import Form
from wtforms import StringField

from idp.flow import Step
from idp.interaction import Interaction
from idp.provider import provider

from ..fields import wrong

KEY = "audience"


class EntryField(StringField):
    """The pressed button."""

    def pre_validate(self, form: Any) -> None:
        if self.data not in _own_entries():
            raise wrong("start.err")


class ChoiceForm(Form):
    """One press."""

    entry = EntryField()


class Choice(Step):
    """Shows the configured entries."""

    name = "choice"

    def is_due(self, interaction: Interaction) -> bool:
        if len(provider.settings.audiences) < 2 or interaction.answers.get(KEY) or interaction.proofs:
            return False
        if "act" in interaction.answers:  # the letter says already who its reader is
            return False
        client = interaction.client
        return not (client and client.audience)

    def form(self, interaction: Interaction) -> type[Form]:
        return ChoiceForm

    def show(self, interaction: Interaction) -> dict[str, Any]:
        return {"entries": provider.settings.audiences}

    def submit(self, interaction: Interaction, form: Any) -> None:
        interaction.answers[KEY] = form.entry.data

    def can_return(self, interaction: Interaction) -> bool:
        return False


def _own_entries() -> set[str]:
    return {entry.name for entry in provider.settings.audiences if not entry.url}
