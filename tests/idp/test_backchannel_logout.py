"""Back-channel logout: who is told of the end of a session, when, with what, and how often (security.md 2.39)."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from listener import Listener
from listener import certificate
from listener import listener
from oidc import Configure
from oidc import a_client
from oidc import an_account
from oidc import change
from oidc import id_token_claims
from oidc import sign_in
from oidc import tokens_for
from sqlalchemy import select

from idp import accounts
from idp import backchannel_logout
from idp import endings
from idp import id_token
from idp import registration
from idp import subjects
from idp.clock import epoch
from idp.clock import now
from idp.db import db
from idp.db import transaction
from idp.models import Account
from idp.models import AuditEvent
from idp.models import Client
from idp.models import OutboxMessage
from idp.models import SignedInClient
from idp.provider import provider
from idp.sender import Sender
from idp.session import Session
from keys import algorithms

EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def permitted(app: Flask, configure: Configure) -> None:
    configure(fetch_private_hosts=("localhost",), fetch_ca_file=certificate())


@pytest.fixture
def rp(permitted: None) -> Iterator[Listener]:
    with listener() as server:
        server.body = b""
        yield server


def a_told_client(server: Listener, client_id: str = "portal", **values: Any) -> Client:
    return a_client(client_id, backchannel_logout_uri=f"{server.url}/{client_id}?x=1", **values)


def remember(session: Session, *clients: Client) -> None:
    """What a sign-in to these clients writes down."""
    db.session.rollback()
    wanted = [client.client_id for client in clients if backchannel_logout.is_wanted(client)]
    with transaction():
        for client_id in wanted:
            backchannel_logout.remember(session, client_id)


def sign_out(browser: FlaskClient, client: Client) -> None:
    hint = tokens_for(browser, client)["id_token"]
    assert browser.get("/logout", query_string={"id_token_hint": hint}).status_code == 303


def deliver(app: Flask) -> int:
    db.session.rollback()
    return Sender(app).run_once()


def messages() -> list[OutboxMessage]:
    db.session.rollback()
    return list(db.session.scalars(select(OutboxMessage).order_by(OutboxMessage.name)))


def told(server: Listener) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """The path, header and verified claims of each logout token that arrived."""
    found = []
    for seen in server.seen:
        assert seen.headers["Content-Type"] == "application/x-www-form-urlencoded"
        form = parse_qs(seen.body.decode(), strict_parsing=True)
        assert list(form) == ["logout_token"]
        (token,) = form["logout_token"]
        found.append((seen.path, algorithms.read_header(token), id_token_claims(token)))
    return found


def test_a_sign_out_is_told_with_a_logout_token(app: Flask, browser: FlaskClient, rp: Listener) -> None:
    """OpenID Connect Back-Channel Logout §2.4, §2.5"""
    client, account = a_told_client(rp), an_account()
    session = sign_in(browser, account)
    account_id = account.id
    remember(session, client)

    sign_out(browser, client)
    assert deliver(app) == 1

    ((path, header, claims),) = told(rp)
    assert path == "/portal?x=1"
    assert (header["typ"], header["alg"]) == ("logout+jwt", "ES256")
    assert claims.pop("jti")
    moment = claims.pop("iat")
    assert abs(moment - epoch()) < 10
    assert claims == {
        "iss": provider.settings.issuer,
        "sub": account_id,
        "aud": "portal",
        "exp": moment + 120,
        "sid": session.sid,
        "events": {EVENT: {}},
    }


def test_sub_and_sid_are_those_of_the_id_token(app: Flask, browser: FlaskClient, rp: Listener) -> None:
    client = a_told_client(rp)
    remember(sign_in(browser, an_account()), client)
    stated = id_token_claims(tokens_for(browser, client)["id_token"])

    sign_out(browser, client)
    deliver(app)

    ((_, _, claims),) = told(rp)
    assert (claims["sub"], claims["sid"]) == (stated["sub"], stated["sid"])


def test_it_is_signed_like_the_id_tokens_of_the_client(app: Flask, browser: FlaskClient, rp: Listener) -> None:
    client = a_told_client(rp, id_token_signed_response_alg="RS256")
    remember(sign_in(browser, an_account()), client)

    sign_out(browser, client)
    deliver(app)

    assert told(rp)[0][1]["alg"] == "RS256"


def test_a_logout_token_passes_for_no_id_token(app: Flask, browser: FlaskClient, rp: Listener) -> None:
    """security.md 2.38"""
    client = a_told_client(rp)
    remember(sign_in(browser, an_account()), client)
    sign_out(browser, client)
    deliver(app)

    token = parse_qs(rp.seen[0].body.decode())["logout_token"][0]

    assert id_token.read(token) is None


def test_everybody_of_the_session_is_told_and_nobody_else(app: Flask, browser: FlaskClient, rp: Listener) -> None:
    first, second, silent = a_told_client(rp), a_told_client(rp, "second"), a_client("silent")
    session, other = sign_in(browser, an_account()), Session("", [], 0, 0)
    other.account_id = an_account("beat@example.ch").id
    remember(session, first, second, silent)
    remember(other, first)

    sign_out(browser, first)
    deliver(app)

    assert sorted(path for path, _, _ in told(rp)) == ["/portal?x=1", "/second?x=1"]
    assert {claims["sid"] for _, _, claims in told(rp)} == {session.sid}
    assert list(db.session.scalars(select(SignedInClient.sid))) == [other.sid]


def test_a_sign_in_is_remembered_once(app: Flask, browser: FlaskClient, rp: Listener) -> None:
    client, session = a_told_client(rp), sign_in(browser, an_account())
    for _ in range(3):
        remember(session, client)

    sign_out(browser, client)

    assert deliver(app) == 1


def test_the_end_of_everything_tells_the_clients_of_every_session(
    app: Flask, browser: FlaskClient, rp: Listener
) -> None:
    """A new password, an account closed: security.md 2.40, D2."""
    client, account = a_told_client(rp), an_account()
    account_id = account.id
    sids = {sign_in(browser, account).sid for _ in range(3)}
    for sid in sids:
        remember(Session(account_id, [], 0, 0, sid=sid), client)

    with transaction() as session:
        accounts.end_everything(session.get_one(Account, account_id))
    deliver(app)

    assert {claims["sid"] for _, _, claims in told(rp)} == sids
    assert len({claims["jti"] for _, _, claims in told(rp)}) == 3
    assert db.session.get_one(Account, account_id).sessions_valid_after > now() - timedelta(minutes=1)


def test_an_end_that_is_taken_back_tells_nobody(app: Flask, browser: FlaskClient, rp: Listener) -> None:
    client, session = a_told_client(rp), sign_in(browser, an_account())
    remember(session, client)

    def end_in_vain() -> None:
        with transaction():
            assert endings.tell_of_session(session.sid) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        end_in_vain()

    assert deliver(app) == 0
    assert rp.connections == 0
    assert db.session.scalar(select(SignedInClient.sid)) == session.sid


def test_who_becomes_another_client_is_told_by_the_old_names(app: Flask, browser: FlaskClient, rp: Listener) -> None:
    """OIDC Core §8.1: no logout token tells a client by which name another sector knows a person."""
    client, account = a_told_client(rp, subject_type="pairwise"), an_account()
    session = sign_in(browser, account)
    remember(session, client)
    names = subjects.of(account.id, client), subjects.session_name(session.sid, client)
    described = {"client_id": "portal", "subject_type": "pairwise", "backchannel_logout_uri": f"{rp.url}/portal"}

    registration.replace(client, {**described, "redirect_uris": ["https://victim.example/cb"]})
    with transaction():
        endings.tell_of_session(session.sid)
    deliver(app)

    ((_, _, claims),) = told(rp)
    assert (claims["sub"], claims["sid"]) == names


def test_an_end_is_told_once(app: Flask, browser: FlaskClient, rp: Listener) -> None:
    client, session = a_told_client(rp), sign_in(browser, an_account())
    remember(session, client)
    with transaction():
        assert endings.tell_of_session(session.sid) == 1

    with transaction():
        assert endings.tell_of_session(session.sid) == 0


def test_a_session_that_ended_by_itself_is_forgotten(app: Flask, browser: FlaskClient, rp: Listener) -> None:
    client, session = a_told_client(rp), sign_in(browser, an_account())
    remember(session, client)

    with time_machine.travel(now() + timedelta(seconds=provider.settings.session_absolute_seconds + 1)):
        with transaction():
            assert endings.tell_of_session(session.sid) == 0
        assert backchannel_logout.sweep() == 1


def test_nothing_is_remembered_where_the_operator_says_no(
    app: Flask, browser: FlaskClient, rp: Listener, configure: Configure
) -> None:
    configure(backchannel_logout=False)
    remember(sign_in(browser, an_account()), a_told_client(rp))

    assert db.session.scalar(select(SignedInClient.sid)) is None
    metadata = browser.get("/.well-known/openid-configuration").json
    assert metadata["backchannel_logout_supported"] is False


def test_discovery_says_that_it_is_done(browser: FlaskClient) -> None:
    metadata = browser.get("/.well-known/openid-configuration").json

    assert metadata["backchannel_logout_supported"] is True
    assert metadata["backchannel_logout_session_supported"] is True


@pytest.mark.parametrize(
    ("status", "state"),
    [
        *((200, "sent"), (204, "sent"), (400, "failed")),
        *((302, "pending"), (404, "pending"), (500, "pending"), (503, "pending"), (429, "pending")),
    ],
)
def test_what_the_application_answers_decides(
    app: Flask, browser: FlaskClient, rp: Listener, status: int, state: str
) -> None:
    """OpenID Connect Back-Channel Logout §2.8"""
    client = a_told_client(rp)
    remember(sign_in(browser, an_account()), client)
    sign_out(browser, client)
    rp.status = status

    deliver(app)

    (message,) = messages()
    assert message.state == state
    assert len(rp.seen) == 1


def test_a_failure_is_tried_again_with_a_new_token_and_not_for_ever(
    app: Flask, browser: FlaskClient, rp: Listener
) -> None:
    client = a_told_client(rp)
    remember(sign_in(browser, an_account()), client)
    sign_out(browser, client)
    rp.status = 500
    moment = now()

    for minutes in range(0, 180):
        with time_machine.travel(moment + timedelta(minutes=minutes), tick=False):
            deliver(app)

    assert 5 <= len(rp.seen) <= 12
    assert len({claims["jti"] for _, _, claims in told(rp)}) == len(rp.seen)
    (message,) = messages()
    assert (message.state, message.body_sealed) == ("expired", None)


def test_one_that_hangs_keeps_nobody_waiting(
    app: Flask, browser: FlaskClient, rp: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security.md 2.39: the person's sign-out is quick, and the others hear of it."""
    monkeypatch.setattr("idp.fetcher.SECONDS", 0.5)
    with listener() as hanging:
        hanging.act = lambda handler: hanging.stopped.wait(5) and None
        slow = [a_told_client(hanging, f"a-{number}") for number in range(6)]
        client = a_told_client(rp)
        session = sign_in(browser, an_account())
        remember(session, *slow, client)

        began = time.monotonic()
        sign_out(browser, client)
        assert time.monotonic() - began < 2
        began = time.monotonic()
        deliver(app)

        assert time.monotonic() - began < 2
        assert len(rp.seen) == 1
        assert hanging.connections == 1


def test_an_address_inside_is_never_reached(app: Flask, browser: FlaskClient) -> None:
    """security.md V30"""
    with listener() as server:
        client = a_told_client(server)
        remember(sign_in(browser, an_account()), client)
        sign_out(browser, client)

        deliver(app)

        assert server.connections == 0
    (message,) = messages()
    assert (message.state, message.last_error) == ("failed", "refused: address")


def test_a_client_that_left_the_register_is_not_told(app: Flask, browser: FlaskClient, rp: Listener) -> None:
    client = a_told_client(rp)
    remember(sign_in(browser, an_account()), client)
    change(client, backchannel_logout_uri=None, post_logout_redirect_uris=["https://rp.example/bye"])

    sign_out(browser, client)

    assert deliver(app) == 0


def test_logouts_are_no_mails_to_read_in_development(app: Flask, browser: FlaskClient, rp: Listener) -> None:
    client = a_told_client(rp)
    remember(sign_in(browser, an_account()), client)
    sign_out(browser, client)

    assert browser.get("/dev/outbox.json").json == []
    assert browser.get("/dev/outbox").status_code == 200


def test_the_journal_counts_who_was_told(app: Flask, browser: FlaskClient, rp: Listener) -> None:
    client = a_told_client(rp)
    remember(sign_in(browser, an_account()), client)
    sign_out(browser, client)

    event = db.session.scalar(select(AuditEvent).where(AuditEvent.event == "sign_out"))

    assert event is not None
    assert event.details["told"] == 1
