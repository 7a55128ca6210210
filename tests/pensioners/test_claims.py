"""What the register tells of an account."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from idp.db import db
from idp.models import Account
from pensioners.claims import PensionerClaims

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def account(load: Callable[..., Any], claire: dict[str, str], account_of: Callable[..., str]) -> Account:
    load(claire)
    return db.session.get_one(Account, account_of())


def test_the_register_supplies_name_and_pension(account: Account) -> None:
    claims = PensionerClaims().claims(account)

    assert {name: claims[name] for name in ("name", "given_name", "family_name", "locale")} == {
        "name": "Claire Exemple",
        "given_name": "Claire",
        "family_name": "Exemple",
        "locale": "fr-CH",
    }
    assert (claims["person_number"], claims["entitlement"]) == ("10001", "retirement")


def test_moments_are_seconds_since_1970(account: Account) -> None:
    """OIDC Core §5.1: updated_at is a JSON number of seconds."""
    claims = PensionerClaims().claims(account)

    assert isinstance(claims["enrolled_at"], int)
    assert isinstance(claims["updated_at"], int)


def test_the_ahv_number_and_birth_date_are_never_a_claim(account: Account) -> None:
    told = json.dumps(PensionerClaims().claims(account))

    assert "756" not in told
    assert "1948" not in told


def test_all_of_it_is_one_query(account: Account) -> None:
    asked: list[str] = []
    _ = account.id

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        asked.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    PensionerClaims().claims(account)
    event.remove(db.engine, "before_cursor_execute", note)

    assert len(asked) == 1


def test_of_an_account_without_a_person_nothing_is_known(make_account: Callable[..., Account]) -> None:
    assert PensionerClaims().claims(make_account()) == {}
