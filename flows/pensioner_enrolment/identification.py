"""Step 1: AHV number (or e-mail), date of birth, activation code, terms (pages.md E1)."""

from collections.abc import Mapping
from typing import Any

from wtforms import Form

from idp import throttle
from idp.clock import now
from idp.flow import Refused
from idp.flow import Step
from idp.interaction import Interaction
from idp.provider import provider
from idp.texts import Text
from pensioners import activation
from pensioners.activation import CodeExpired
from pensioners.activation import CodeReplaced
from pensioners.activation import CodeUsed
from pensioners.activation import NoMatch

from ..fields import AcceptField
from ..fields import ActivationCodeField
from ..fields import AhvNumberField
from ..fields import BirthDateField
from ..fields import IdentifierField
from . import progress
from .attempt import tell_holder

FROM_ONE_ADDRESS = ("enrolment", 60, 600)

IDENTIFIER = {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
BIRTH_DATE = {"autocomplete": "bday", "inputmode": "numeric", "spellcheck": "false"}
CODE = {"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}


class IdentificationForm(Form):
    """The paper's three fields and the terms."""

    id = IdentifierField(
        "e1.user",
        description="e1.ahv_hint",
        empty="e1.err.user_empty",
        render_kw={**IDENTIFIER, "inputmode": "email"},
    )
    dob = BirthDateField("e1.dob", description="e1.dob_hint", render_kw=BIRTH_DATE)
    act = ActivationCodeField("e1.act", description="e1.act_hint", render_kw=CODE)
    terms = AcceptField("e1.terms", refused="terms.err")


class AhvOnlyForm(IdentificationForm):
    """The same where the operator accepts the AHV number alone (`IDP_ENROL_IDENTIFIER=ahv`)."""

    id = AhvNumberField(
        "e1.ahv",
        description="e1.ahv_hint",
        render_kw={**IDENTIFIER, "inputmode": "numeric"},
    )


class Identification(Step):
    """Finds the person; says no more than "no match" unless all three fit (decision 18)."""

    name = "identification"
    number = 1

    def is_due(self, interaction: Interaction) -> bool:
        return "pensioner_id" not in progress.of(interaction) and "exists" not in progress.of(interaction)

    def form(self, interaction: Interaction) -> type[Form]:
        ahv_only = provider.settings.enrol_identifier == "ahv"
        return AhvOnlyForm if ahv_only else IdentificationForm

    def stored(self, interaction: Interaction) -> Mapping[str, Any]:
        facts = progress.of(interaction)
        typed = {name: facts.get(f"typed_{name}", "") for name in ("id", "dob", "act")}
        return {**typed, "act": typed["act"] or interaction.answers.get("act", ""), "terms": "terms_at" in facts}

    def submit(self, interaction: Interaction, form: Any) -> None:
        throttle.per_address(*FROM_ONE_ADDRESS)
        try:
            match = activation.identify(form.id.meant, form.dob.meant, form.act.meant)
        except NoMatch:
            raise Refused("e1.err.nomatch", field="id") from None
        except (CodeReplaced, CodeExpired):
            raise Refused("e1.err.code_old", field="act") from None
        except CodeUsed as used:
            tell_holder(used.account_id)
            interaction.answers[progress.NAME] = {"exists": True}
            return
        interaction.language = match.language
        identified = {
            "pensioner_id": match.pensioner_id,
            "activation_code_id": match.activation_code_id,
            "suggested_email": match.email,
            "typed_id": form.id.data,
            "typed_dob": form.dob.data,
            "typed_act": form.act.data,
            "terms_at": now().isoformat(),
            "terms_version": provider.settings.terms_version,
        }
        if progress.begin(interaction, identified):
            interaction.notify("info", Text("enrol.resume"))

    def can_return(self, interaction: Interaction) -> bool:
        return not {"confirmed", "exists"} & progress.of(interaction).keys()

    def undo(self, interaction: Interaction) -> None:
        person = progress.of(interaction).get("pensioner_id")
        if person:
            progress.drop_draft(person)
        interaction.answers.pop(progress.NAME, None)
