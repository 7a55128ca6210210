"""Consents: what an account has allowed a client, asked once and remembered (decision 7)."""

import hashlib
import json
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete
from sqlalchemy import select

from . import audit
from . import authorization_details as details
from . import claims as claim_rules
from . import endings
from . import families
from .clock import now
from .db import db
from .db import transaction
from .db import upsert
from .interaction import Interaction
from .models import Client
from .models import Consent
from .models import ConsentDetail
from .provider import provider

PURPOSE = "authorization details"
KEY = "consent"
Details = Sequence[Mapping[str, Any]]


class NoConsent(LookupError):
    """The account has allowed this client nothing."""


def scope_of(scope: Sequence[str], claims: Mapping[str, Any] | None, client: Client) -> tuple[str, ...]:
    """All the person must allow: the scopes, and those whose claims are asked for one by one (OIDC Core §5.5).

    Else whoever asks by the claims parameter would be told what nobody has read on the page.
    """
    singly = claim_rules.scopes_of(claims)
    return (*scope, *(name for name in claim_rules.SCOPES if name in singly - {*scope} and name in client.scope))


def is_needed(client: Client, account_id: str, scope: Sequence[str], asked: Details = ()) -> bool:
    """Whether the person must be asked before this client gets these scopes and details."""
    if client.first_party:
        return False
    given = db.session.get(Consent, (account_id, client.client_id))
    if given is None or not set(scope) <= set(given.scope):
        return True
    return not all(_is_allowed(account_id, client.client_id, each) for each in asked)


def allow(client_id: str, account_id: str, scope: Sequence[str], asked: Details = ()) -> None:
    """Remember the consent, details to the letter (RFC 9396 §5); called inside a transaction."""
    given = db.session.get(Consent, (account_id, client_id))
    if given is None:
        given = Consent(account_id=account_id, client_id=client_id, scope=[])
        db.session.add(given)
    given.scope = sorted(set(given.scope) | set(scope))
    given.granted_at = now()
    for detail in asked:
        _keep(account_id, client_id, detail)
    types = {"details": " ".join(sorted({str(each["type"]) for each in asked}))} if asked else {}
    audit.record("consent", account_id=account_id, client_id=client_id, scope=" ".join(given.scope), **types)


def _keep(account_id: str, client_id: str, detail: Mapping[str, Any]) -> None:
    db.session.flush()  # what it belongs to comes first
    fingerprint = provider.vault.fingerprint(PURPOSE, details.spelling(detail))
    row = {"account_id": account_id, "client_id": client_id, "fingerprint": fingerprint}
    kept = upsert(db.session.connection().dialect, ConsentDetail).values(**row, type=detail["type"], granted_at=now())
    db.session.execute(kept.on_conflict_do_nothing(index_elements=list(row)))


def _is_allowed(account_id: str, client_id: str, detail: Mapping[str, Any]) -> bool:
    prints = provider.vault.fingerprints(PURPOSE, details.spelling(detail))
    keys = [(account_id, client_id, each) for each in prints]
    return any(db.session.get(ConsentDetail, key) is not None for key in keys)


def note(interaction: Interaction) -> None:
    """Note in a visit that this person has just allowed this request."""
    interaction.answers[KEY] = _allowed_here(interaction)


def is_noted(interaction: Interaction) -> bool:
    """Whether the person of this visit has allowed, in it, the request that it is about now (`prompt=consent`)."""
    return bool(interaction.answers.get(KEY) == _allowed_here(interaction))


def _allowed_here(interaction: Interaction) -> str:
    request = interaction.request.to_json() if interaction.request is not None else None
    return hashlib.sha256(json.dumps([interaction.account_id, request], sort_keys=True).encode()).hexdigest()


def of_account(account_id: str) -> Sequence[Consent]:
    """What an account has allowed, by client."""
    return db.session.scalars(select(Consent).where(Consent.account_id == account_id).order_by(Consent.client_id)).all()


def forget_client(client_id: str) -> None:
    """Forget what everybody has allowed a client. Called inside a transaction; its tokens: `endings`, `families`."""
    db.session.execute(delete(Consent).where(Consent.client_id == client_id))


def withdraw(client_id: str, account_id: str, *, operator: str, reason: str) -> None:
    """Take a consent back: the client's tokens of this person end, and the person is asked anew. Raises `NoConsent`."""
    if db.session.get(Consent, (account_id, client_id)) is None:
        raise NoConsent(client_id)
    endings.end_consent(account_id, client_id)
    with transaction() as session:
        session.execute(delete(Consent).where(Consent.account_id == account_id, Consent.client_id == client_id))
        families.end_granted(account_id, client_id, "consent_withdrawn")
        about = {"operator": operator, "reason": reason}
        audit.record("consent_withdrawn", account_id=account_id, client_id=client_id, **about)
