"""F2: the code that was sent to the e-mail address, if there is an account."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from wtforms import Form

from idp import accounts
from idp import audit
from idp import one_time_codes
from idp import outbox
from idp import pages
from idp.db import transaction
from idp.flow import Step
from idp.interaction import Interaction
from idp.one_time_codes import PASSWORD_RESET
from idp.texts import Text

from ..fields import CodeForm
from ..sent_codes import check
from ..sent_codes import permit
from . import progress


class EmailCode(Step):
    """Proves the e-mail address; it never counts as a second factor (decision 25)."""

    name = "code-by-email"

    def is_due(self, interaction: Interaction) -> bool:
        return "email_code" not in progress.of(interaction)

    def form(self, interaction: Interaction) -> type[Form]:
        return CodeForm

    def begin(self, interaction: Interaction) -> None:
        """Send the code, unless the one sent before is still good: whoever only looked back has it already."""
        if not one_time_codes.is_open(PASSWORD_RESET, interaction.id, _address(interaction)):
            self._send(interaction)

    def _send(self, interaction: Interaction) -> None:
        """Send the code; for nobody do the same work, and let the message expire unsent."""
        facts = progress.of(interaction)
        account, address = progress.named_account(interaction), _address(interaction)
        language = account.language if account else pages.language()
        permit(PASSWORD_RESET, interaction.id, address, person=facts["subject"])
        with transaction():
            code = one_time_codes.issue(PASSWORD_RESET, interaction.id, address)
            outbox.mail(
                "reset_code",
                address,
                language,
                lives=PASSWORD_RESET.seconds if account else 0,
                frame=outbox.UNASKED,
                code=code,
                minutes=PASSWORD_RESET.minutes,
            )
            audit.record("password_reset_asked", account_id=facts["account_id"])

    def show(self, interaction: Interaction) -> dict[str, Any]:
        return {"minutes": PASSWORD_RESET.minutes}

    def submit(self, interaction: Interaction, form: Any) -> None:
        facts = progress.of(interaction)
        account = progress.named_account(interaction)
        check(
            PASSWORD_RESET,
            interaction.id,
            _address(interaction),
            form.code.meant if account else "",
            person=facts["subject"],
            renew=lambda: self._send(interaction),
            renewed=Text("fp.code_expired"),
        )
        facts["email_code"] = True

    def can_return(self, interaction: Interaction) -> bool:
        return False

    @property
    def actions(self) -> Mapping[str, Callable[[Interaction], None]]:
        return {"resend": self.resend}

    def resend(self, interaction: Interaction) -> None:
        """«Envoyer un nouveau code»."""
        self._send(interaction)
        interaction.notify("ok", Text("fp.code_resent"))


def _address(interaction: Interaction) -> str:
    """Where the code goes: the address of the account, or one that stands for nobody."""
    account = progress.named_account(interaction)
    return account.email if account else accounts.nobody(progress.of(interaction)["subject"])
