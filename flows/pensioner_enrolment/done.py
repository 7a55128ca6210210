"""«Vous avez réussi.» (pages.md E6)"""

from typing import Any

from idp.flow import Step
from idp.interaction import Interaction

from . import progress


class Done(Step):
    """Says that it worked, how to come back, and leads on to the portal."""

    name = "done"

    def is_due(self, interaction: Interaction) -> bool:
        return "finished" not in progress.of(interaction)

    def show(self, interaction: Interaction) -> dict[str, Any]:
        return {"email": progress.of(interaction)["email"]}

    def submit(self, interaction: Interaction, form: Any) -> None:
        progress.of(interaction)["finished"] = True

    def can_return(self, interaction: Interaction) -> bool:
        return False
