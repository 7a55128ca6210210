"""What the register knows of an account (OIDC Core §5.1 and the scope `pension`); never the AHV number."""

from typing import Any

from sqlalchemy import select

from idp.db import db
from idp.models import Account

from .models import Pensioner

LOCALES = {"de": "de-CH", "fr": "fr-CH", "it": "it-CH", "en": "en"}


class PensionerClaims:
    """The fund's source of claims (`idp/claims.py`, decision 12)."""

    def claims(self, account: Account) -> dict[str, Any]:
        """Every claim the register can supply for this account, in one query; `idp` gives out what a scope allows."""
        query = select(
            Pensioner.person_number,
            Pensioner.first_name,
            Pensioner.last_name,
            Pensioner.entitlement,
            Pensioner.enrolled_at,
            Pensioner.updated_at,
        ).where(Pensioner.account_id == account.id)
        person = db.session.execute(query).one_or_none()
        if person is None:
            return {}
        found = {
            "name": f"{person.first_name} {person.last_name}",
            "given_name": person.first_name,
            "family_name": person.last_name,
            "locale": LOCALES.get(account.language),
            "updated_at": int(person.updated_at.timestamp()),
            "person_number": person.person_number,
            "entitlement": person.entitlement or None,
            "enrolled_at": int(person.enrolled_at.timestamp()) if person.enrolled_at else None,
        }
        return {claim: value for claim, value in found.items() if value is not None}
