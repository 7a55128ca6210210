"""A second factor of a kind that nobody here can ask for: the person must call, and enrols no new one."""

from typing import Any
from typing import NoReturn

from flask import abort
from flask import make_response
from flask import render_template

from idp import audit
from idp.flow import Blocked
from idp.flow import Step
from idp.interaction import Interaction


class UnknownFactor(Step):
    """The end of the way (pages.md P9): else a password alone would add a factor to an account that has one."""

    name = "blocked"
    template = "blocked.html"

    def is_due(self, interaction: Interaction) -> bool:
        account = interaction.account
        return account is not None and bool(account.authenticators)

    def begin(self, interaction: Interaction) -> None:
        audit.record_alone("factor", "refused", account_id=interaction.account_id, reason="unknown kind")

    def show(self, interaction: Interaction) -> NoReturn:
        """The page of a blocked account, with its status."""
        abort(make_response(render_template("blocked.html"), 403))

    def submit(self, interaction: Interaction, form: Any) -> NoReturn:
        raise Blocked
