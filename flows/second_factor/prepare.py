"""Step 4b: what the chosen factor must know first, such as the mobile number."""

from collections.abc import Mapping
from typing import Any

from wtforms import Form

from idp.flow import Step
from idp.interaction import Interaction

from . import draft


class Prepare(Step):
    """The preparation page of the chosen factor, if it has one."""

    name = "second-factor-details"
    template = "second_factor/prepare.html"
    number = 4

    def is_due(self, interaction: Interaction) -> bool:
        factor = draft.chosen(interaction)
        return factor is not None and not factor.is_prepared(draft.of(interaction))

    def form(self, interaction: Interaction) -> type[Form]:
        factor = draft.chosen(interaction)
        return factor.preparation if factor and factor.preparation else Form

    def stored(self, interaction: Interaction) -> Mapping[str, Any]:
        factor = draft.chosen(interaction)
        return factor.stored(draft.of(interaction)) if factor else {}

    def show(self, interaction: Interaction) -> dict[str, Any]:
        return {"factor": draft.chosen(interaction)}

    def submit(self, interaction: Interaction, form: Any) -> None:
        factor = draft.chosen(interaction)
        if factor is not None:
            factor.prepare(draft.of(interaction), form)

    def can_return(self, interaction: Interaction) -> bool:
        factor = draft.chosen(interaction)
        return factor is not None and factor.preparation is not None

    def undo(self, interaction: Interaction) -> None:
        kept = draft.of(interaction)
        interaction.answers[draft.KEY] = {"kind": kept["kind"]} if "kind" in kept else {}
