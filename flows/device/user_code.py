"""The code that a device shows, or that a message brought: typed here, in any spelling."""

from collections.abc import Mapping
from typing import Any

from wtforms import Form
from wtforms import StringField

from idp import decoupled
from idp import subjects
from idp import throttle
from idp.authorization_request import AuthorizationRequest
from idp.flow import Refused
from idp.flow import Step
from idp.interaction import Interaction

from ..fields import wrong

CARRIED = "user_code"
FROM_ONE_ADDRESS = ("user_code", 30, 600)
"""Thirty tries against twenty letters to the power of eight (RFC 8628 §5.1)."""
LONGEST = 40


class UserCodeField(StringField):
    """Letters, in groups or not."""

    def pre_validate(self, form: Any) -> None:
        if not (self.data or "").strip() or len(self.data or "") > LONGEST:
            raise wrong("device.err.empty")


class UserCodeForm(Form):
    """One field."""

    user_code = UserCodeField(
        "device.f.code",
        description="device.f.hint",
        render_kw={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"},
    )


class UserCode(Step):
    """Finds the request; a code in the address is shown in the field, and still to be confirmed (RFC 8628 §3.3.1)."""

    name = "user-code"

    def is_due(self, interaction: Interaction) -> bool:
        return True

    def form(self, interaction: Interaction) -> type[Form]:
        return UserCodeForm

    def stored(self, interaction: Interaction) -> Mapping[str, Any]:
        return {"user_code": interaction.answers.get(CARRIED, "")}

    def submit(self, interaction: Interaction, form: Any) -> None:
        throttle.per_address(*FROM_ONE_ADDRESS)
        request = decoupled.find_by_user_code(form.user_code.data)
        if request is None:
            raise Refused("device.err.unknown", field="user_code")
        interaction.request, interaction.client_id, interaction.goal = request, request.client_id, "sign_in"
        if not _is_for(request, interaction):
            interaction.proofs, interaction.account_id, interaction.sid = [], None, None

    def can_return(self, interaction: Interaction) -> bool:
        return False


def _is_for(request: AuthorizationRequest, interaction: Interaction) -> bool:
    """Whether the person who is signed in here may be the one the program asks for."""
    client, account_id = interaction.client, interaction.account_id
    if request.subjects is None or client is None or account_id is None:
        return True
    return subjects.of(account_id, client) in request.subjects
