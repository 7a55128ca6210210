"""The test person of the official suite: signs in with a password alone and has every standard claim (OIDC Core §5.1).

There is one only under the profile `conformance`, which no issuer outside test hosts can have (`idp/settings.py`).
"""

from collections.abc import Collection
from collections.abc import Mapping
from typing import Any

import click
from sqlalchemy import delete

from idp import accounts
from idp import audit
from idp import passwords
from idp.claims_source import ClaimsSource
from idp.clock import now
from idp.db import db
from idp.db import transaction
from idp.models import Account
from idp.models import Authenticator
from idp.provider import provider

EMAIL = "alice@op.test"
PASSWORD = "correct-Horse-7-battery"
PHONE = "+41791234567"
CLAIMS: dict[str, Any] = {
    "name": "Alice Adams Muster",
    "given_name": "Alice",
    "family_name": "Muster",
    "middle_name": "Adams",
    "nickname": "Ali",
    "preferred_username": "alice",
    "profile": "https://op.test/people/alice",
    "picture": "https://op.test/people/alice.png",
    "website": "https://op.test/",
    "gender": "female",
    "birthdate": "1948-03-27",
    "zoneinfo": "Europe/Zurich",
    "locale": "en",
    "updated_at": 1763942400,
    "person_number": "20001",
    "entitlement": "retirement",
    "address": {
        "formatted": "Dorfstrasse 1\n4001 Basel\nSwitzerland",
        "street_address": "Dorfstrasse 1",
        "locality": "Basel",
        "region": "BS",
        "postal_code": "4001",
        "country": "CH",
    },
}


class WithTestPerson:
    """A source of claims that knows the test person beside everybody else."""

    def __init__(self, source: ClaimsSource) -> None:
        self._source = source

    @property
    def names(self) -> frozenset[str]:
        """Those of the test person, too."""
        return self._source.names | CLAIMS.keys()

    def claims(self, account: Account, wanted: Collection[str]) -> Mapping[str, Any]:
        """Every standard claim for the test person; for others what the source says."""
        return CLAIMS if account.email == EMAIL else self._source.claims(account, wanted)


@click.group(hidden=True)
def conformance() -> None:
    """What the official suite needs; only under IDP_PROFILE=conformance."""


@conformance.command()
def account() -> None:
    """Make the test person anew, and say how it signs in."""
    if not provider.settings.conformance:
        raise click.ClickException("IDP_PROFILE: this exists under the profile conformance only")
    moment = now()
    with transaction():
        prints = provider.vault.fingerprints("email", EMAIL)
        db.session.execute(delete(Account).where(Account.email_fingerprint.in_(prints)))
        made = Account(
            email=EMAIL,
            email_fingerprint=accounts.email_fingerprint(EMAIL),
            email_verified_at=moment,
            password_hash=passwords.hash(PASSWORD),
            language="en",
            terms_version=provider.settings.terms_version,
            terms_accepted_at=moment,
        )
        db.session.add(made)
        db.session.flush()
        db.session.add(Authenticator(account_id=made.id, kind="sms", data={"phone": PHONE}))
        audit.record("account_added", account_id=made.id)
    click.echo(f"{EMAIL} {PASSWORD}")
