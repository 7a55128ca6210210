"""Step 4a: which second factor do you prefer?"""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from wtforms import Form
from wtforms import RadioField
from wtforms.fields.choices import SelectChoice

from idp.flow import Step
from idp.interaction import Interaction

from ..factors import Factor
from ..fields import wrong
from . import draft


class MethodField(RadioField):
    """One of the offered factors; none is chosen beforehand."""

    def pre_validate(self, form: Any) -> None:
        if self.data not in {choice.value for choice in self.iter_choices()}:
            raise wrong("e4.err")


class Choose(Step):
    """Offers the factors of this provider."""

    name = "second-factor"
    template = "second_factor/choose.html"
    number = 4

    def __init__(self, factors: Sequence[Factor]) -> None:
        self.factors = tuple(factors)

    def is_due(self, interaction: Interaction) -> bool:
        return draft.chosen(interaction) is None

    def form(self, interaction: Interaction) -> type[Form]:
        choices = [SelectChoice(factor.kind, factor.choice) for factor in self.factors]

        class MethodForm(Form):
            method = MethodField("e4.legend", choices=choices, validate_choice=False)

        return MethodForm

    def stored(self, interaction: Interaction) -> Mapping[str, Any]:
        factor = draft.chosen(interaction)
        return {"method": factor.kind} if factor else {}

    def show(self, interaction: Interaction) -> dict[str, Any]:
        return {"hints": {factor.kind: factor.choice_hint for factor in self.factors}}

    def submit(self, interaction: Interaction, form: Any) -> None:
        draft.of(interaction)["kind"] = form.method.data

    def undo(self, interaction: Interaction) -> None:
        draft.forget(interaction)
