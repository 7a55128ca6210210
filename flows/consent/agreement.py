"""May this application have these data? (pages.md C1)"""

from typing import Any

from idp import consents
from idp.clock import epoch
from idp.db import transaction
from idp.flow import Step
from idp.interaction import Interaction
from idp.provider import provider

KEY = "consent"
SHOWN = ("openid", "profile", "email", "phone", "pension", "offline_access")


class Agreement(Step):
    """Lists what will be sent, with the values; «Refuser» answers the client with access_denied."""

    name = "agreement"

    def is_due(self, interaction: Interaction) -> bool:
        client, request = interaction.client, interaction.request
        if client is None or request is None or interaction.account_id is None or interaction.answers.get(KEY):
            return False
        again = "consent" in request.prompt
        return again or consents.is_needed(client, interaction.account_id, request.scope)

    def show(self, interaction: Interaction) -> dict[str, Any]:
        account, request = interaction.account, interaction.request
        if account is None or request is None:
            return {}
        claims = provider.claims_source.claims(account)
        values = {"profile": claims.get("name"), "email": account.email}
        return {"items": [(scope, values.get(scope)) for scope in SHOWN if scope in request.scope]}

    def submit(self, interaction: Interaction, form: Any) -> None:
        client_id, request, account_id = interaction.client_id, interaction.request, interaction.account_id
        if client_id is None or request is None or account_id is None:
            return
        with transaction():
            consents.allow(client_id, account_id, request.scope)
        interaction.answers[KEY] = epoch()

    def can_return(self, interaction: Interaction) -> bool:
        return False
