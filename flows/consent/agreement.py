"""May this application have these data? (pages.md C1)"""

from datetime import UTC
from datetime import datetime
from typing import Any

from idp import claims
from idp import consents
from idp import pages
from idp.clock import epoch
from idp.db import transaction
from idp.flow import Step
from idp.interaction import Interaction
from idp.provider import provider

from .. import masked

KEY = "consent"
SHOWN = ("openid", "profile", "email", "address", "phone", "pension", "offline_access")


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
        account, client, request = interaction.account, interaction.client, interaction.request
        if account is None or client is None or request is None:
            return {}
        values = _values(claims.for_userinfo(account, client, request.scope, None))
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


def _values(sent: dict[str, Any]) -> dict[str, str]:
    """What the client will receive, by scope, as a page may show it: address and number masked."""
    values = {"profile": sent.get("name", ""), "pension": _pension(sent)}
    if "email" in sent:
        values["email"] = masked.email(sent["email"])
    if "phone_number" in sent:
        values["phone"] = masked.phone(sent["phone_number"])
    return values


def _pension(sent: dict[str, Any]) -> str:
    """Person number, entitlement and day of registration, in the order in which the page names them."""
    since = datetime.fromtimestamp(sent["enrolled_at"], UTC) if "enrolled_at" in sent else None
    day = provider.texts.date(pages.language(), since) if since else None
    return ", ".join(value for value in (sent.get("person_number"), sent.get("entitlement"), day) if value)
