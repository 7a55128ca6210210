"""What the register knows of an account (OIDC Core §5.1 and the scope `pension`); never the AHV number."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import select

from idp.db import db
from idp.models import Account

from . import postal_address
from .models import Pensioner

PARTS = {"street_address": "street", "postal_code": "postcode", "locality": "town", "country": "country"}
LOCALES = {"de": "de-CH", "fr": "fr-CH", "it": "it-CH", "en": "en"}


class PensionerClaims:
    """The fund's source of claims (`idp/claims_source.py`, decision 12)."""

    names = frozenset(
        {
            *("name", "given_name", "family_name", "locale", "updated_at"),
            *("address", "person_number", "entitlement", "enrolled_at"),
        }
    )

    def claims(self, account: Account, wanted: Collection[str]) -> dict[str, Any]:
        """What the register says of this account, in one query; the street is opened only where it is wanted."""
        person = db.session.scalar(select(Pensioner).where(Pensioner.account_id == account.id))
        if person is None:
            return {}
        found = {
            "name": f"{person.first_name} {person.last_name}",
            "given_name": person.first_name,
            "family_name": person.last_name,
            "locale": LOCALES.get(account.language),
            "updated_at": int(person.updated_at.timestamp()),
            "address": _address(person, account.language) if "address" in wanted else None,
            "person_number": person.person_number,
            "entitlement": person.entitlement or None,
            "enrolled_at": int(person.enrolled_at.timestamp()) if person.enrolled_at else None,
        }
        return {claim: value for claim, value in found.items() if value is not None}


def _address(person: Pensioner, language: str) -> dict[str, str] | None:
    """Line by line and in parts (OIDC Core §5.1.1); the country as in the register, ISO 3166-1 alpha-2."""
    place = {"street": person.street, "postcode": person.postcode, "town": person.town, "country": person.country}
    lines = postal_address.lines(**place, language=language)
    parts = {"formatted": "\n".join(lines), **{name: place[part] for name, part in PARTS.items()}}
    return {name: part for name, part in parts.items() if part} if lines else None
