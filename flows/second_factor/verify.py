"""The second factor at sign-in or before a new password: one code (pages.md P3, P4)."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from wtforms import Form

from idp import audit
from idp.clock import now
from idp.db import transaction
from idp.flow import Refused
from idp.flow import Step
from idp.interaction import Interaction
from idp.models import Account
from idp.models import Authenticator
from idp.texts import Text
from idp.throttle import Paused

from ..factor import Holder
from ..factors import Factor
from ..factors import of_kind
from ..language import spoken
from . import selection


class Verify(Step):
    """Asks the factor that `selection` names; `account` says whose, `proven` what follows."""

    name = "code"
    template = "second_factor/verify.html"

    def __init__(
        self,
        *,
        account: Callable[[Interaction], Account | None],
        proven: Callable[[Interaction, str], None],
        is_done: Callable[[Interaction], bool],
    ) -> None:
        self._account = account
        self._proven = proven
        self._is_done = is_done

    def is_due(self, interaction: Interaction) -> bool:
        return not self._is_done(interaction)

    def can_return(self, interaction: Interaction) -> bool:
        return False

    def form(self, interaction: Interaction) -> type[Form]:
        factor, _ = self._asked(interaction)
        return factor.answer

    def begin(self, interaction: Interaction) -> None:
        factor, authenticator = self._asked(interaction)
        factor.challenge(authenticator, self._holder(interaction))

    def show(self, interaction: Interaction) -> dict[str, Any]:
        factor, authenticator = self._asked(interaction)
        several = len(selection.usable(self._account(interaction))) > 1
        return {"factor": factor, "several": several, **factor.show(authenticator)}

    def submit(self, interaction: Interaction, form: Any) -> None:
        factor, authenticator = self._asked(interaction)
        account_id = authenticator.account_id
        try:
            factor.verify(authenticator, form, self._holder(interaction))
        except (Refused, Paused) as refusal:
            reason = "paused" if isinstance(refusal, Paused) else "wrong"
            audit.record_alone("factor", "refused", account_id=account_id, reason=reason, kind=factor.kind)
            raise
        with transaction() as session:
            used = session.get(Authenticator, authenticator.id)
            if used is not None:
                used.last_used_at = now()
            audit.record("factor", account_id=account_id, client_id=interaction.client_id, kind=factor.kind)
        self._proven(interaction, factor.method)

    @property
    def actions(self) -> Mapping[str, Callable[[Interaction], None]]:
        return {"resend": self.resend}

    def resend(self, interaction: Interaction) -> None:
        """«Envoyer un nouveau code»."""
        factor, authenticator = self._asked(interaction)
        factor.challenge(authenticator, self._holder(interaction))
        interaction.notify("ok", Text(f"tf.{factor.word}.resent", factor.hints(authenticator.data)))

    def _asked(self, interaction: Interaction) -> tuple[Factor, Authenticator]:
        authenticator = selection.asked(interaction, self._account(interaction))
        factor = of_kind(authenticator.kind) if authenticator else None
        if authenticator is None or factor is None:
            raise LookupError("A second factor is asked of an account that has none.")
        return factor, authenticator

    def _holder(self, interaction: Interaction) -> Holder:
        account = self._account(interaction)
        if account is None:
            raise LookupError("A second factor is asked of nobody.")
        return Holder(interaction.id, f"account:{account.id}", spoken(interaction))
