"""Step 3: the code that was sent to the e-mail address (pages.md E3)."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from wtforms import Form

from idp import accounts
from idp import one_time_codes
from idp import outbox
from idp.db import transaction
from idp.flow import Step
from idp.interaction import Interaction
from idp.one_time_codes import ENROL_EMAIL
from idp.texts import Text
from pensioners import activation as letters

from ..sent_codes import SentCodeField
from ..sent_codes import check
from ..sent_codes import permit
from . import progress
from .activation import holder


class ConfirmEmailForm(Form):
    """Six digits."""

    code = SentCodeField("e3.code", paper="e3.err.paper")


class ConfirmEmail(Step):
    """Proves the address; one that belongs to an account gets another mail, and no code (pages.md 2.1.7)."""

    name = "confirm-email"
    number = 3

    def is_due(self, interaction: Interaction) -> bool:
        return not progress.is_proven(interaction)

    def form(self, interaction: Interaction) -> type[Form]:
        return ConfirmEmailForm

    def begin(self, interaction: Interaction) -> None:
        """Send the code, unless the one sent before is still good: whoever only looked back has it already."""
        if not one_time_codes.is_open(ENROL_EMAIL, interaction.id, progress.of(interaction)["email"]):
            self._send(interaction)

    def _send(self, interaction: Interaction) -> None:
        facts, person = progress.of(interaction), holder(interaction)
        email = facts["email"]
        permit(ENROL_EMAIL, interaction.id, email, person=person.person)
        used = accounts.email_is_used(email, besides=letters.former_account_id(facts["pensioner_id"]))
        with transaction():
            code = one_time_codes.issue(ENROL_EMAIL, interaction.id, email)
            if used:
                owner = accounts.by_email(email)
                outbox.mail("exists", email, owner.language if owner else person.language, lives=ENROL_EMAIL.seconds)
            else:
                outbox.mail(
                    "enrol_code",
                    email,
                    person.language,
                    lives=ENROL_EMAIL.seconds,
                    frame=outbox.UNASKED,
                    code=code,
                    minutes=ENROL_EMAIL.minutes,
                )

    def show(self, interaction: Interaction) -> dict[str, Any]:
        return {"email": progress.shown_email(interaction), "minutes": ENROL_EMAIL.minutes}

    def submit(self, interaction: Interaction, form: Any) -> None:
        facts = progress.of(interaction)
        check(
            ENROL_EMAIL,
            interaction.id,
            facts["email"],
            form.code.meant,
            person=holder(interaction).person,
            renew=lambda: self._send(interaction),
            renewed=Text("code.err.expired", {"target": progress.shown_email(interaction)}),
        )
        facts["confirmed"] = facts["email"]
        progress.keep_draft(interaction)

    def can_return(self, interaction: Interaction) -> bool:
        return False

    @property
    def actions(self) -> Mapping[str, Callable[[Interaction], None]]:
        return {"resend": self.resend}

    def resend(self, interaction: Interaction) -> None:
        """«Envoyer un nouveau code»."""
        self._send(interaction)
        interaction.notify("ok", Text("code.resent", {"target": progress.shown_email(interaction)}))
