"""Another method: a person with several second factors chooses which one to use now (pages.md P7)."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from wtforms import Form
from wtforms.fields.choices import SelectChoice

from idp.flow import Step
from idp.interaction import Interaction
from idp.models import Account

from ..factors import of_kind
from . import selection
from .choose import MethodField


class Methods(Step):
    """Never asked by itself: «Utiliser une autre méthode» leads here, the usual factor is asked first."""

    name = "methods"
    template = "second_factor/methods.html"

    def __init__(self, account: Callable[[Interaction], Account | None]) -> None:
        self._account = account

    def is_due(self, interaction: Interaction) -> bool:
        return False

    def can_return(self, interaction: Interaction) -> bool:
        return len(selection.usable(self._account(interaction))) > 1

    def form(self, interaction: Interaction) -> type[Form]:
        choices = [
            SelectChoice(authenticator.id, factor.name(authenticator.data))
            for authenticator in selection.usable(self._account(interaction))
            if (factor := of_kind(authenticator.kind))
        ]

        class MethodsForm(Form):
            method = MethodField("tf.methods.h1", choices=choices, validate_choice=False)

        return MethodsForm

    def stored(self, interaction: Interaction) -> Mapping[str, Any]:
        return {}

    def submit(self, interaction: Interaction, form: Any) -> None:
        selection.choose(interaction, form.method.data)
