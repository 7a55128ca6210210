"""What the register tells of an account."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from idp.db import db
from idp.models import Account
from keys import Vault
from pensioners.claims import PensionerClaims

pytestmark = pytest.mark.usefixtures("app")

EVERYTHING = PensionerClaims.names


@pytest.fixture
def account(load: Callable[..., Any], claire: dict[str, str], account_of: Callable[..., str]) -> Account:
    load(claire)
    return db.session.get_one(Account, account_of())


def test_the_register_supplies_name_and_pension(account: Account) -> None:
    claims = PensionerClaims().claims(account, EVERYTHING)

    assert {name: claims[name] for name in ("name", "given_name", "family_name", "locale")} == {
        "name": "Claire Exemple",
        "given_name": "Claire",
        "family_name": "Exemple",
        "locale": "fr-CH",
    }
    assert (claims["person_number"], claims["entitlement"]) == ("10001", "retirement")


def test_moments_are_seconds_since_1970(account: Account) -> None:
    """OIDC Core §5.1: updated_at is a JSON number of seconds."""
    claims = PensionerClaims().claims(account, EVERYTHING)

    assert isinstance(claims["enrolled_at"], int)
    assert isinstance(claims["updated_at"], int)


def test_the_address_is_told_in_lines_and_in_parts(account: Account) -> None:
    """OIDC Core §5.1.1."""
    assert PensionerClaims().claims(account, {"address"})["address"] == {
        "formatted": "Rue de la Fiction 12\n1202 Genève",
        "street_address": "Rue de la Fiction 12",
        "postal_code": "1202",
        "locality": "Genève",
        "country": "CH",
    }


def test_a_country_abroad_is_named_in_the_accounts_language(
    load: Callable[..., Any], claire: dict[str, str], account_of: Callable[..., str]
) -> None:
    load({**claire, "street": "Beispielstrasse 5", "postcode": "79576", "town": "Weil am Rhein", "country": "DE"})
    account = db.session.get_one(Account, account_of(language="it"))

    address = PensionerClaims().claims(account, {"address"})["address"]

    assert address["formatted"] == "Beispielstrasse 5\n79576 Weil am Rhein\nGERMANIA"
    assert address["country"] == "DE"


def test_what_the_register_does_not_hold_is_no_part(
    load: Callable[..., Any], claire: dict[str, str], account_of: Callable[..., str]
) -> None:
    load({**claire, "street": ""})
    account = db.session.get_one(Account, account_of())

    address = PensionerClaims().claims(account, {"address"})["address"]

    assert address["formatted"] == "1202 Genève"
    assert "street_address" not in address


def test_the_street_is_opened_only_where_it_is_wanted(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    unseal = Vault.open

    def noted(self: Vault, sealed: bytes, context: str) -> Any:
        opened.append(context)
        return unseal(self, sealed, context)

    monkeypatch.setattr(Vault, "open", noted)

    assert "address" not in PensionerClaims().claims(account, {"name", "person_number"})
    assert opened == []
    PensionerClaims().claims(account, {"address"})
    assert len(opened) == 1
    assert "street" in opened[0]


def test_it_tells_what_it_says_it_can(account: Account) -> None:
    assert PensionerClaims().claims(account, EVERYTHING).keys() == EVERYTHING


def test_the_ahv_number_and_birth_date_are_never_a_claim(account: Account, claire: dict[str, str]) -> None:
    told = PensionerClaims().claims(account, EVERYTHING)
    texts = json.dumps([value for value in told.values() if not isinstance(value, int)])  # moments may hold any digits

    assert claire["birth_date"] == "27.03.1948"
    assert "756" not in texts
    assert "1948" not in texts
    assert not any(str(value).startswith(("756", "1948")) for value in told.values())


def test_all_of_it_is_one_query(account: Account) -> None:
    asked: list[str] = []
    _ = account.id

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        asked.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    PensionerClaims().claims(account, EVERYTHING)
    event.remove(db.engine, "before_cursor_execute", note)

    assert len(asked) == 1


def test_of_an_account_without_a_person_nothing_is_known(make_account: Callable[..., Account]) -> None:
    assert PensionerClaims().claims(make_account(), EVERYTHING) == {}
