"""May this application have these data? (pages.md C1)"""

from datetime import UTC
from datetime import datetime
from typing import Any

from wtforms import Form
from wtforms import HiddenField

from idp import authorization_details as details
from idp import claims
from idp import client_identity
from idp import consents
from idp import pages
from idp import resources
from idp.authorization_request import AuthorizationRequest
from idp.db import db
from idp.db import transaction
from idp.flow import Step
from idp.interaction import Interaction
from idp.models import Client
from idp.provider import provider

from .. import masked

WORDS = {name: f"co.{name}" for name in ("openid", "profile", "email", "address", "phone", "pension")}
WORDS["offline_access"] = "co.offline"
"""What each scope of OpenID Connect says on the page, in this order; those of resources come after them."""


class AgreementForm(Form):
    """What the page was about, so that the answer is to it."""

    identity = HiddenField()
    """Of the client, as it was shown."""


class Agreement(Step):
    """Lists what will be sent, with the values; «Refuser» answers the client with access_denied."""

    name = "agreement"

    def is_due(self, interaction: Interaction) -> bool:
        client, request = interaction.client, interaction.request
        if client is None or request is None or interaction.account_id is None or consents.is_noted(interaction):
            return False
        again = "consent" in request.prompt
        scope, asked = _scope(request, client), request.authorization_details
        return again or consents.is_needed(client, interaction.account_id, scope, asked)

    def form(self, interaction: Interaction) -> type[Form]:
        return AgreementForm

    def show(self, interaction: Interaction) -> dict[str, Any]:
        account, client, request = interaction.account, interaction.client, interaction.request
        if account is None or client is None or request is None:
            return {}
        asked = _scope(request, client)
        values = _values(claims.for_userinfo(account, client, asked, None))
        return {
            "items": [(_words(scope), values.get(scope)) for scope in _in_order(asked)],
            "details": _details(request),
            "identity": client_identity.of(client),
        }

    def submit(self, interaction: Interaction, form: Any) -> None:
        client, request, account_id = interaction.client, interaction.request, interaction.account_id
        if client is None or request is None or account_id is None:
            return
        client_id, scope = client.client_id, _scope(request, client)
        with transaction():
            if not _is_as_shown(client_id, form.identity.data):
                return
            consents.allow(client_id, account_id, scope, request.authorization_details)
        consents.note(interaction)

    def can_return(self, interaction: Interaction) -> bool:
        return False


def _is_as_shown(client_id: str, identity: str | None) -> bool:
    """Whether the client is still the one that the person has read about; it stays so until the transaction is over."""
    kept = {"read": True, "key_share": True}
    client = db.session.get(Client, client_id, populate_existing=True, with_for_update=kept)
    return client is not None and client_identity.of(client) == identity


def _in_order(asked: tuple[str, ...]) -> list[str]:
    """Those of OpenID Connect as the page always has them, then everything else that will be allowed."""
    return [*(scope for scope in WORDS if scope in asked), *(scope for scope in asked if scope not in WORDS)]


def _words(scope: str) -> str:
    return pages.t(WORDS[scope]) if scope in WORDS else resources.words(scope, pages.language())


def _scope(request: AuthorizationRequest, client: Client) -> tuple[str, ...]:
    """What is asked, by scope and by single claims."""
    return consents.scope_of(request.scope, request.claims, client)


def _details(request: AuthorizationRequest) -> list[tuple[str, list[tuple[str, str]]]]:
    """What is asked in more words than a scope has: title, and its fields with what they hold (RFC 9396 §2)."""
    asked = [details.shown(each, pages.language()) for each in request.authorization_details]
    return [
        (title, [(name, ", ".join(_said(each) for each in held)) for name, held in rows])
        for title, rows in (each for each in asked if each is not None)
    ]


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return pages.t("co.yes_value" if value else "co.no_value")
    return str(value)


def _values(sent: dict[str, Any]) -> dict[str, str]:
    """What the client will receive, by scope, as a page may show it: address and number masked."""
    values = {"profile": sent.get("name", ""), "pension": _pension(sent)}
    if "email" in sent:
        values["email"] = masked.email(sent["email"])
    if "phone_number" in sent:
        values["phone"] = masked.phone(sent["phone_number"])
    if "address" in sent:
        values["address"] = ", ".join(sent["address"]["formatted"].splitlines())
    return values


def _pension(sent: dict[str, Any]) -> str:
    """Person number, entitlement and day of registration, in the order in which the page names them."""
    since = datetime.fromtimestamp(sent["enrolled_at"], UTC) if "enrolled_at" in sent else None
    day = provider.texts.date(pages.language(), since) if since else None
    return ", ".join(value for value in (sent.get("person_number"), sent.get("entitlement"), day) if value)
