"""Step 5: confirm the second factor with its first code."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from wtforms import Form

from idp.flow import Step
from idp.interaction import Interaction
from idp.texts import Text

from ..factor import Holder
from ..factors import Enrolled
from . import draft


class Confirm(Step):
    """Confirms the chosen factor; what follows from it is the flow's business.

    `holder` says on whose behalf, `enrolled` keeps the confirmed factor (with the account, in one transaction),
    `is_done` whether that has happened.
    """

    name = "confirm-second-factor"
    template = "second_factor/confirm.html"
    number = 5

    def __init__(
        self,
        *,
        holder: Callable[[Interaction], Holder],
        enrolled: Callable[[Interaction, Enrolled], None],
        is_done: Callable[[Interaction], bool],
    ) -> None:
        self._holder = holder
        self._enrolled = enrolled
        self._is_done = is_done

    def is_due(self, interaction: Interaction) -> bool:
        return not self._is_done(interaction)

    def form(self, interaction: Interaction) -> type[Form]:
        factor = draft.chosen(interaction)
        return factor.enrolment if factor else Form

    def begin(self, interaction: Interaction) -> None:
        factor = draft.chosen(interaction)
        if factor is not None:
            factor.begin(draft.of(interaction), self._holder(interaction))

    def show(self, interaction: Interaction) -> dict[str, Any]:
        factor = draft.chosen(interaction)
        if factor is None:
            return {}
        kept = draft.of(interaction)
        return {"factor": factor, **factor.show_enrolment(kept, self._holder(interaction))}

    def submit(self, interaction: Interaction, form: Any) -> None:
        factor = draft.chosen(interaction)
        if factor is None:
            return
        confirmed = factor.enrol(draft.of(interaction), form, self._holder(interaction))
        self._enrolled(interaction, confirmed)

    def can_return(self, interaction: Interaction) -> bool:
        return False

    @property
    def actions(self) -> Mapping[str, Callable[[Interaction], None]]:
        return {"resend": self.resend}

    def resend(self, interaction: Interaction) -> None:
        """«Envoyer un nouveau code»."""
        factor, kept = draft.chosen(interaction), draft.of(interaction)
        if factor is not None and factor.resendable:
            factor.resend(kept, self._holder(interaction))
            interaction.notify("ok", Text("code.resent", {"target": kept.get("typed", "")}))
