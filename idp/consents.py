"""Consents: what an account has allowed a client, asked once and remembered (decision 7)."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from . import audit
from . import claims as claim_rules
from .clock import now
from .db import db
from .models import Client
from .models import Consent


def scope_of(scope: Sequence[str], claims: Mapping[str, Any] | None, client: Client) -> tuple[str, ...]:
    """All the person must allow: the scopes, and those whose claims are asked for one by one (OIDC Core §5.5).

    Else whoever asks by the claims parameter would be told what nobody has read on the page.
    """
    singly = claim_rules.scopes_of(claims)
    return (*scope, *(name for name in claim_rules.SCOPES if name in singly - {*scope} and name in client.scope))


def is_needed(client: Client, account_id: str, scope: Sequence[str]) -> bool:
    """Whether the person must be asked before this client gets these scopes."""
    if client.first_party:
        return False
    given = db.session.get(Consent, (account_id, client.client_id))
    return given is None or not set(scope) <= set(given.scope)


def allow(client_id: str, account_id: str, scope: Sequence[str]) -> None:
    """Remember the consent; called inside a transaction."""
    given = db.session.get(Consent, (account_id, client_id))
    if given is None:
        given = Consent(account_id=account_id, client_id=client_id, scope=[])
        db.session.add(given)
    given.scope = sorted(set(given.scope) | set(scope))
    given.granted_at = now()
    audit.record("consent", account_id=account_id, client_id=client_id, scope=" ".join(given.scope))
