"""Consent is asked once and remembered (decision 7); the choice page appears where there is a choice (decision 17)."""

import json
import re
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from application import make_app
from flask import Flask
from oidc import CALLBACK
from oidc import EVERY_SCOPE
from oidc import Configure
from oidc import a_client
from oidc import answer as answer_of
from oidc import basic
from oidc import change
from oidc import id_token_claims
from oidc import redeem
from oidc import request_of
from oidc import userinfo
from visitor import Page
from visitor import Visitor
from visitor import a_member
from walk import e164

from idp.clock import now
from idp.db import db
from idp.details_type import DetailsType
from idp.models import Client
from idp.models import Consent
from idp.models import ConsentDetail
from idp.provider import provider


def decline(visitor: Visitor, page: Page) -> Page:
    """«Refuser»: another button of the same form."""
    assert re.search(r'<button[^>]* formaction="/i/[^"]*/cancel"', page.text)
    return visitor.post(f"{page.url.rsplit('/', 2)[0]}/cancel", **page.form()[1])


def request(visitor: Visitor, client: Client, **changes: str) -> Page:
    return visitor.open("/authorize", **request_of(client, **changes))


def stranger() -> Client:
    return a_client("stranger", first_party=False)


def test_a_third_party_is_asked_about_once(visitor: Visitor) -> None:
    person, client = a_member(), stranger()
    page = visitor.sign_in(person, request(visitor, client, scope="openid email"))

    assert "consent/agreement" in page.url
    assert "stranger" in page.text
    assert db.session.query(Consent).count() == 0
    assert "code" in answer_of(visitor.answer(page).response)

    assert "code" in answer_of(request(visitor, client, scope="openid email").response)
    assert "consent/agreement" in request(visitor, client, scope="openid email phone").url
    assert "consent/agreement" in request(visitor, client, scope="openid", prompt="consent").url


def test_the_values_are_shown_address_and_number_masked(visitor: Visitor) -> None:
    """Pages.md C1."""
    person = a_member()

    page = visitor.sign_in(person, request(visitor, stranger(), scope=EVERY_SCOPE))

    assert "Odile Fictive" in page.text
    assert "votre adresse e-\u2060mail – <strong>o…\u2060@example.org</strong>" in page.text
    assert "votre numéro de mobile – <strong>…\u00a067</strong>" in page.text
    assert "votre adresse postale – <strong>Rue de la Fiction 12, 1202 Genève</strong>" in page.text
    since = provider.texts.date("fr", now())
    assert f"<strong>20001, retirement, {since}</strong>" in page.text
    assert person.email not in page.text
    assert e164(person.phone) not in page.text


def test_no_value_is_shown_that_is_not_sent(visitor: Visitor) -> None:
    page = visitor.sign_in(a_member(), request(visitor, stranger(), scope="openid email"))

    assert "Odile" not in page.text
    assert "20001" not in page.text
    assert "…\u00a067" not in page.text


@pytest.fixture
def paying(app: Flask, configure: Configure) -> Client:
    """Another party's application that may ask for payments."""
    described = DetailsType(
        type="payment",
        title={"de": "Zahlung", "fr": "Paiement", "it": "Pagamento", "en": "Payment"},
        fields={
            "amount.value": {"de": "Betrag", "fr": "Montant", "it": "Importo", "en": "Amount"},
            "to": {"de": "An", "fr": "Bénéficiaire", "it": "A", "en": "To"},
            "monthly": {"de": "Monatlich", "fr": "Mensuel", "it": "Mensile", "en": "Monthly"},
        },
    )
    configure(authorization_details_types=(described,))
    return a_client("stranger", first_party=False, authorization_details_types=["payment"])


def payment(value: str, to: str = "Club des aînés") -> str:
    return json.dumps([{"type": "payment", "to": to, "amount": {"value": value}, "monthly": False}])


def test_details_are_shown_as_text_and_asked_about_once(visitor: Visitor, paying: Client) -> None:
    """Issue 2, RFC 9396 §2: in the operator's words, in the person's language, and to the letter."""
    page = request(visitor, paying, authorization_details=payment("120.50", to="<b>Club</b>"))
    page = visitor.sign_in(a_member(), page)

    rows = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page.response.text)
    assert rows == [("Montant", "120.50"), ("Bénéficiaire", "&lt;b&gt;Club&lt;/b&gt;"), ("Mensuel", "non")]
    assert "<h2>Paiement</h2>" in page.text
    assert page.says("co.details", app="stranger")
    assert "<h2>Zahlung</h2>" in visitor.open(page.url, lang="de").text

    assert "code" in answer_of(visitor.answer(page).response)
    same = request(visitor, paying, authorization_details=payment("120.50", to="<b>Club</b>"))
    assert "code" in answer_of(same.response)
    assert "consent/agreement" in request(visitor, paying, authorization_details=payment("120.51")).url
    assert "code" in answer_of(request(visitor, paying).response)


def test_refused_details_are_not_remembered(visitor: Visitor, paying: Client) -> None:
    page = visitor.sign_in(a_member(), request(visitor, paying, authorization_details=payment("5")))

    assert answer_of(decline(visitor, page).response)["error"] == "access_denied"
    assert db.session.query(ConsentDetail).count() == 0


def test_without_details_the_page_speaks_of_none(visitor: Visitor, paying: Client) -> None:
    page = visitor.sign_in(a_member(), request(visitor, paying))

    assert "<dl" not in page.text
    assert not page.says("co.details", app="stranger")


def test_the_address_is_told_by_userinfo_and_by_no_id_token(visitor: Visitor) -> None:
    """Issue 2; OIDC Core §5.4: scopes open claims at the userinfo endpoint."""
    person, client = a_member(), a_client("stranger", first_party=False, scope=["openid", "address"])
    page = visitor.sign_in(person, request(visitor, client, scope="openid address"))
    assert page.says("co.address")

    code = answer_of(visitor.answer(page).response)["code"]
    given = redeem(visitor.browser, code, headers=basic("stranger")).json

    assert given["scope"] == "openid address"
    assert "Fiction" not in json.dumps(id_token_claims(given["id_token"]))
    told = userinfo(visitor.browser, given["access_token"]).json
    assert told["address"]["street_address"] == "Rue de la Fiction 12"
    assert told["address"]["postal_code"] == "1202"
    assert "name" not in told


def test_the_address_is_told_to_nobody_without_its_scope(visitor: Visitor) -> None:
    person, client = a_member(), a_client(scope=["openid", "profile"])
    claims = json.dumps({"userinfo": {"address": None}, "id_token": {"address": None}})
    page = visitor.sign_in(person, request(visitor, client, scope="openid profile address", claims=claims))
    given = redeem(visitor.browser, answer_of(page.response)["code"]).json

    assert given["scope"] == "openid profile"
    assert "address" not in id_token_claims(given["id_token"])
    assert "address" not in userinfo(visitor.browser, given["access_token"]).json


def test_what_is_asked_for_one_by_one_is_shown_and_remembered_too(visitor: Visitor) -> None:
    """OIDC Core §5.5: the claims parameter opens nothing that the page does not name."""
    client, claims = stranger(), json.dumps({"userinfo": {"phone_number": None}})
    page = visitor.sign_in(a_member(), request(visitor, client, claims=claims))

    assert "consent/agreement" in page.url
    assert "votre numéro de mobile – <strong>…\u00a067</strong>" in page.text
    assert "code" in answer_of(visitor.answer(page).response)
    assert db.session.query(Consent).one().scope == ["openid", "phone"]


def test_a_refusal_is_told_to_the_client_and_not_remembered(visitor: Visitor) -> None:
    person, client = a_member(), stranger()
    page = visitor.sign_in(person, request(visitor, client))

    refused = decline(visitor, page)

    assert refused.location.startswith(CALLBACK)
    given = answer_of(refused.response)
    assert given["error"] == "access_denied"
    assert given["state"] == "state-1"
    assert db.session.query(Consent).count() == 0


def test_an_application_of_the_fund_is_not_asked_about(visitor: Visitor) -> None:
    person, client = a_member(), a_client()

    page = visitor.sign_in(person, request(visitor, client))

    assert "code" in answer_of(page.response)


def test_consent_cannot_be_posted_before_the_sign_in(visitor: Visitor) -> None:
    page = request(visitor, stranger())
    action, fields = page.form()

    answered = visitor.post(action.replace("sign_in/credentials", "consent/agreement"), csrf_token=fields["csrf_token"])

    assert "sign_in/credentials" in answered.url
    assert db.session.query(Consent).count() == 0


@pytest.mark.parametrize(
    "changes", [{"client_name": {"fr": "Quelqu’un d’autre"}}, {"policy_uri": "https://other.example/"}]
)
def test_who_was_changed_while_the_page_was_read_is_asked_about_anew(visitor: Visitor, changes: dict[str, Any]) -> None:
    """RFC 7591 §5: the answer is to what was shown."""
    client = stranger()
    page = visitor.sign_in(a_member(), request(visitor, client))
    change(client, **changes)

    anew = visitor.answer(page)

    assert "consent/agreement" in anew.url
    assert db.session.query(Consent).count() == 0
    assert "code" in answer_of(visitor.answer(anew).response)


def test_one_persons_consent_is_not_anothers(visitor: Visitor, another: Callable[[], Visitor]) -> None:
    client = stranger()
    visitor.answer(visitor.sign_in(a_member(1), request(visitor, client)))
    other = another()

    assert "consent/agreement" in other.sign_in(a_member(2), request(other, client)).url


ENTRIES = ({"name": "member"}, {"name": "employer", "url": "https://employers.example"})


@pytest.fixture
def choosing(tmp_path: Path) -> Iterator[Flask]:
    app = make_app(database_url=f"sqlite:///{tmp_path / 'idp.sqlite'}", audiences=ENTRIES)
    with app.app_context():
        provider.keys.ensure()
        yield app


def test_two_entries_are_a_choice(choosing: Flask) -> None:
    visitor = Visitor(choosing)
    page = visitor.open("/signin")

    assert "audience/choice" in page.url
    assert "https://employers.example" in page.text
    assert visitor.answer(page, entry="employer").status == 422  # that one leads away and is no answer
    assert visitor.answer(page).status == 422
    assert "sign_in/credentials" in visitor.answer(page, entry="member").url


def test_a_client_may_name_its_entry(choosing: Flask) -> None:
    visitor, client = Visitor(choosing), a_client(audience="member")

    assert "sign_in/credentials" in request(visitor, client).url


def test_one_entry_is_no_choice(visitor: Visitor) -> None:
    assert "sign_in/credentials" in visitor.open("/signin").url
