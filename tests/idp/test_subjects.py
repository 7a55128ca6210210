"""Names of people: one for all public clients, another for each sector of pairwise ones (OIDC Core §8)."""

import threading

from flask import Flask
from flask.testing import FlaskClient
from oidc import a_client
from oidc import an_account
from oidc import answer
from oidc import authorize
from oidc import basic
from oidc import code_for
from oidc import id_token_claims
from oidc import redeem
from oidc import sign_in
from oidc import tokens_for

from idp import id_token
from idp import subjects
from idp.db import db
from idp.models import Account
from idp.provider import provider


def test_a_sector_has_names_of_its_own(app: Flask) -> None:
    account = an_account()
    one = a_client("one", subject_type="pairwise", redirect_uris=["https://one.example/cb"])
    beside = a_client("beside", subject_type="pairwise", redirect_uris=["https://one.example/other"])
    two = a_client("two", subject_type="pairwise", redirect_uris=["https://two.example/cb"])
    public = a_client("public")

    names = [subjects.of(account.id, client) for client in (one, beside, two, public)]

    assert names[0] == names[1] == subjects.of(account.id, one)
    assert len(set(names)) == 3
    assert names[3] == account.id
    db.session.rollback()  # another request: this one has read before the names were drawn
    assert subjects.account_of(names[0], one) == account.id
    assert subjects.account_of(names[0], two) is None
    assert subjects.account_of(account.id, one) is None


def test_the_sector_is_named_by_the_address_that_lists_its_clients(app: Flask) -> None:
    """OIDC Core §8.1."""
    account, shared = an_account(), "https://sector.example/clients.json"
    clients = [
        a_client(
            name, subject_type="pairwise", redirect_uris=[f"https://{name}.example/cb"], sector_identifier_uri=shared
        )
        for name in ("one", "two")
    ]

    assert len({subjects.of(account.id, client) for client in clients}) == 1


def test_everything_a_client_hears_has_the_same_name(app: Flask, browser: FlaskClient) -> None:
    client, account = a_client(subject_type="pairwise"), an_account()
    sign_in(browser, account)

    given = tokens_for(browser, client)
    stated = id_token.read(given["id_token"])
    told = browser.get("/userinfo", headers={"Authorization": f"Bearer {given['access_token']}"}).json

    assert stated
    assert stated["sub"] == told["sub"] == subjects.of(account.id, client) != account.id
    again = answer(authorize(browser, client, prompt="none", id_token_hint=given["id_token"]))
    assert "code" in again


def test_a_hint_of_another_person_is_not_answered(app: Flask, browser: FlaskClient) -> None:
    client = a_client(subject_type="pairwise")
    sign_in(browser, an_account())
    hint = tokens_for(browser, client)["id_token"]
    sign_in(browser, an_account("other@example.ch"))

    assert answer(authorize(browser, client, prompt="none", id_token_hint=hint))["error"] == "login_required"


def test_drawn_by_several_at_once_it_is_one(app: Flask) -> None:
    account_id = an_account().id
    a_client(subject_type="pairwise")
    found: list[str] = []
    barrier = threading.Barrier(6)

    def draw() -> None:
        with app.app_context():
            from idp.models import Client

            client = db.session.get_one(Client, "portal")
            barrier.wait()
            found.append(subjects.of(account_id, client))

    threads = [threading.Thread(target=draw) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 6
    assert len(set(found)) == 1


def test_it_goes_with_the_account(app: Flask) -> None:
    account, client = an_account(), a_client(subject_type="pairwise")
    name = subjects.of(account.id, client)
    db.session.rollback()
    db.session.delete(db.session.get_one(Account, account.id))
    db.session.commit()

    assert subjects.account_of(name, client) is None


def test_applications_on_peoples_own_machines_have_nothing_in_common(app: Flask) -> None:
    native = {"subject_type": "pairwise", "application_type": "native"}
    account = an_account()
    one = a_client("one", **native, redirect_uris=["http://127.0.0.1/cb"])
    two = a_client("two", **native, redirect_uris=["http://127.0.0.1/cb"])

    assert subjects.of(account.id, one) != subjects.of(account.id, two)


def test_sectors_cannot_compare_sessions(app: Flask, browser: FlaskClient) -> None:
    """The name of a session is a sector's own, too; by another's a client cannot end it."""
    account = an_account()
    sector, back = {"subject_type": "pairwise", "backchannel_logout_uri": "https://rp.example/out"}, "/signed-out"
    one = a_client("one", **sector, redirect_uris=["https://one.example/cb"])
    two = a_client("two", **sector, redirect_uris=["https://two.example/cb"])
    session = sign_in(browser, account)
    given = []
    for client in (one, two):
        uri = {"redirect_uri": client.redirect_uris[0]}
        answered = redeem(browser, code_for(browser, client, **uri), headers=basic(client.client_id), **uri)
        given.append(answered.json["id_token"])

    names = [id_token_claims(token)["sid"] for token in given]

    assert len({session.sid, *names}) == 3
    assert names == [subjects.session_name(session.sid, client) for client in (one, two)]
    foreign = provider.keys.sign({**id_token_claims(given[0]), "sid": names[1]}, alg="ES256")
    assert browser.get("/logout", query_string={"id_token_hint": foreign}).status_code == 200, "a page that asks"
    assert browser.get("/logout", query_string={"id_token_hint": given[0]}).headers["Location"] == back
