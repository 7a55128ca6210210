"""The draft of a second factor that is being enrolled: the chosen kind and what its module keeps meanwhile."""

from typing import Any

from idp.interaction import Interaction

from ..factors import Factor
from ..factors import of_kind

KEY = "second_factor"


def of(interaction: Interaction) -> dict[str, Any]:
    """The draft; an empty one as long as nothing is chosen."""
    draft: dict[str, Any] = interaction.answers.setdefault(KEY, {})
    return draft


def chosen(interaction: Interaction) -> Factor | None:
    """The factor the person has chosen to enrol."""
    return of_kind(interaction.answers.get(KEY, {}).get("kind", ""))


def forget(interaction: Interaction) -> None:
    """Begin the choice anew."""
    interaction.answers.pop(KEY, None)
