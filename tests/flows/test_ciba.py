"""Backchannel authentication: a program asks, a mail brings a code, the person confirms (CIBA Core)."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from oidc import a_client
from oidc import an_account
from oidc import basic
from oidc import id_token_claims
from oidc import is_error
from oidc import sign_in
from sqlalchemy import select
from visitor import Browser
from visitor import Visitor
from visitor import messages
from visitor import names
from werkzeug.test import TestResponse

from idp import decoupled
from idp import subjects
from idp.channels.backchannel import Backchannel
from idp.clock import epoch
from idp.clock import now
from idp.db import db
from idp.fetcher import Fetched
from idp.message import Message
from idp.message import Permanent
from idp.message import Temporary
from idp.models import Account
from idp.models import Client
from idp.models import OutboxMessage
from idp.provider import provider
from keys import algorithms

GRANT = "urn:openid:params:grant-type:ciba"
EMAIL = "anna@example.ch"
KEY = algorithms.generate("ES256")


def a_program(**values: Any) -> Client:
    given = {
        "grant_types": [GRANT],
        "response_types": [],
        "redirect_uris": [],
        "client_name": {"fr": "Service téléphonique", "en": "Telephone service"},
        "backchannel_token_delivery_mode": "poll",
    }
    return a_client("desk", **{**given, **values})


def ask(browser: Browser, **more: str | None) -> TestResponse:
    form = {"scope": "openid", "login_hint": EMAIL, "binding_message": "W4-SC", **more}
    sent = {name: value for name, value in form.items() if value is not None}
    return browser.post("/bc-authorize", data=sent, headers=basic("desk"))


def poll(browser: Browser, begun: dict[str, Any]) -> TestResponse:
    provider.store.delete("decoupled_question", decoupled._name(begun["auth_req_id"]))
    form = {"grant_type": GRANT, "auth_req_id": begun["auth_req_id"]}
    return browser.post("/token", data=form, headers=basic("desk"))


def user_code() -> str:
    """As the person reads it in the mail."""
    text = messages(EMAIL)[0]["text"]
    return next(word for word in text.split() if len(word) == 9 and word[4] == "-" and word.isupper())


def confirm(visitor: Visitor, account: Account) -> None:
    sign_in(visitor.browser, account)
    page = visitor.answer(visitor.open("/device"), user_code=user_code())
    assert page.says("device.message", text="W4-SC")
    assert visitor.answer(page).says("device.done.h1")


def test_the_person_confirms_and_the_program_knows_who_it_is(app: Flask, visitor: Visitor) -> None:
    client, account = a_program(), an_account(EMAIL)
    desk = Browser(app)

    begun = ask(desk)
    assert begun.status_code == 200
    assert poll(desk, begun.json).json["error"] == "authorization_pending"
    assert names(EMAIL) == ["confirm"]
    assert "http" not in messages(EMAIL)[0]["text"]
    confirm(visitor, account)
    given = poll(desk, begun.json)

    assert given.status_code == 200
    userinfo = desk.get("/userinfo", headers={"Authorization": f"Bearer {given.json['access_token']}"})
    assert userinfo.json["sub"] == subjects.of(account.id, client)
    assert poll(desk, begun.json).json["error"] == "invalid_grant"


def test_what_waits_for_one_grant_is_no_answer_to_another(app: Flask, visitor: Visitor) -> None:
    """Security row V11: a client with both hands in one kind of handle as the other."""
    device = "urn:ietf:params:oauth:grant-type:device_code"
    a_program(grant_types=[GRANT, device])
    desk, account = Browser(app), an_account(EMAIL)
    begun = ask(desk).json
    confirm(visitor, account)

    form = {"grant_type": device, "device_code": begun["auth_req_id"]}
    assert is_error(desk.post("/token", data=form, headers=basic("desk")), "invalid_grant")

    assert poll(desk, begun).status_code == 200


def test_a_program_of_a_sector_may_name_the_person_by_an_id_token(app: Flask, visitor: Visitor) -> None:
    """CIBA Core §7.1, with the name that only its sector knows."""
    client, account = a_program(subject_type="pairwise"), an_account(EMAIL)
    desk = Browser(app)
    begun = ask(desk)
    confirm(visitor, account)
    token = poll(desk, begun.json).json["id_token"]

    again = ask(desk, login_hint=None, id_token_hint=token)

    assert again.status_code == 200
    assert len(messages(EMAIL)) == 2
    assert id_token_claims(token)["sub"] == subjects.of(account.id, client) != account.id


def test_a_profile_wants_to_be_told_what_it_is_about(app: Flask) -> None:
    """FAPI-CIBA §5.2.2; signed as the profile wants it."""
    keys = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [KEY.as_dict(private=False)]}}
    client = a_program(profile="fapi1_advanced", **keys)
    an_account(EMAIL)

    def asked(number: int, **more: str) -> TestResponse:
        proof = {"sub": client.client_id, "login_hint": None, "scope": None, "jti": f"proof-{number}"}
        form = {
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": signed(client, **proof),
            "request": signed(client, jti=f"request-{number}", **more),
        }
        return Browser(app).post("/bc-authorize", data=form)

    without = asked(1)

    assert without.status_code == 400
    assert without.json == {"error": "invalid_request", "error_description": "A binding_message is required."}
    assert asked(2, binding_message="W4-SC").status_code == 200


def test_nobody_is_flooded_with_mails(app: Flask) -> None:
    """A program asks one person ten times an hour, like every code by mail (decision 23); others are not hindered."""
    a_program()
    an_account(EMAIL)
    an_account("berta@example.ch")
    desk = Browser(app)

    answers = [ask(desk) for _ in range(12)]

    assert [each.status_code for each in answers] == [200] * 10 + [429] * 2
    assert answers[-1].json["error"] == "temporarily_unavailable"
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert len(messages(EMAIL)) == 10
    assert ask(desk, login_hint="berta@example.ch").status_code == 200


def test_a_program_cannot_try_out_who_is_a_member(app: Flask) -> None:
    """CIBA Core §13 lets it hear that nobody is meant; twenty times an hour, then members are not found either."""
    a_program()
    an_account(EMAIL)
    an_account("gone@example.ch", disabled_at=now())
    desk = Browser(app)

    first = [ask(desk, login_hint=f"nobody-{number}@example.ch") for number in range(19)]
    known = ask(desk)
    disabled = ask(desk, login_hint="gone@example.ch")
    after = [ask(desk), ask(desk, login_hint="nobody@example.ch")]

    assert {each.json["error"] for each in (*first, disabled)} == {"unknown_user_id"}
    assert known.status_code == 200
    assert [each.status_code for each in after] == [429, 429]
    assert after[0].json == after[1].json == {**after[0].json, "error": "temporarily_unavailable"}
    assert int(after[0].headers["Retry-After"]) > 0
    a_client("other", grant_types=[GRANT], response_types=[], redirect_uris=[], backchannel_token_delivery_mode="poll")
    form = {"scope": "openid", "login_hint": EMAIL}
    assert desk.post("/bc-authorize", data=form, headers=basic("other")).status_code == 200, "each counts alone"


def test_somebody_else_who_has_the_code_cannot_confirm(app: Flask, visitor: Visitor) -> None:
    a_program()
    an_account(EMAIL)
    desk = Browser(app)
    begun = ask(desk).json
    sign_in(visitor.browser, an_account("eve@example.ch"))

    page = visitor.answer(visitor.open("/device"), user_code=user_code())

    assert page.url.endswith("/sign_in/credentials")
    assert poll(desk, begun).json["error"] == "authorization_pending"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"login_hint": "nobody@example.ch"}, "unknown_user_id"),
        ({"login_hint": "x" * 300}, "unknown_user_id"),
        ({"login_hint": None}, "invalid_request"),
        ({"login_hint_token": "x"}, "invalid_request"),
        ({"login_hint": None, "id_token_hint": "x"}, "invalid_request"),
        ({"scope": "email"}, "invalid_scope"),
        ({"binding_message": "x" * 65}, "invalid_binding_message"),
        ({"binding_message": "a\nb"}, "invalid_binding_message"),
        ({"requested_expiry": "soon"}, "invalid_request"),
        ({"requested_expiry": "0"}, "invalid_request"),
    ],
)
def test_a_wrong_request_is_refused_and_nobody_is_written_to(
    app: Flask, changes: dict[str, str | None], error: str
) -> None:
    """CIBA Core §13."""
    a_program()
    an_account(EMAIL)

    response = ask(Browser(app), **changes)

    assert response.status_code == 400
    assert response.json["error"] == error
    assert names(EMAIL) == []


def test_only_a_client_with_the_grant_may_ask(app: Flask) -> None:
    a_program(grant_types=["authorization_code"])
    an_account(EMAIL)

    assert ask(Browser(app)).json["error"] == "unauthorized_client"


def signed(client: Client, *, key: Any = KEY, **changes: Any) -> str:
    claims = {
        "iss": client.client_id,
        "aud": provider.settings.issuer,
        "iat": epoch(),
        "nbf": epoch(),
        "exp": epoch() + 300,
        "jti": f"jti-{epoch()}",
        "scope": "openid",
        "login_hint": EMAIL,
        **changes,
    }
    kept = {name: value for name, value in claims.items() if value is not None}
    return algorithms.sign(kept, key, {"alg": "ES256", "kid": KEY.kid})


def a_signing_program() -> Client:
    jwks = {"keys": [KEY.as_dict(private=False)]}
    return a_program(jwks=jwks, backchannel_authentication_request_signing_alg="ES256")


def test_a_signed_request_is_believed_once(app: Flask) -> None:
    """CIBA Core §7.1.1."""
    client = a_signing_program()
    an_account(EMAIL)
    text = signed(client)
    given = {"scope": None, "login_hint": None, "binding_message": None}

    assert ask(Browser(app), request=text, **given).status_code == 200
    assert ask(Browser(app), request=text, **given).json["error"] == "invalid_request"


def test_a_signed_request_is_believed_once_until_nobody_would_believe_it(app: Flask) -> None:
    """CIBA Core §7.1.1: of the longest life, by a clock a minute ahead; one made with it shows how long that is."""
    client = a_signing_program()
    an_account(EMAIL)
    given = {"scope": None, "login_hint": None, "binding_message": None}
    with time_machine.travel(now() + timedelta(hours=1), tick=False) as clock:
        times = {"iat": epoch() + 60, "nbf": epoch() + 60, "exp": epoch() + 60 + 3600}
        once, unseen = (signed(client, jti=jti, **times) for jti in ("once", "unseen"))
        assert ask(Browser(app), request=once, **given).status_code == 200

        clock.shift(60 + 3600 + 59)

        assert ask(Browser(app), request=once, **given).json["error"] == "invalid_request"
        assert ask(Browser(app), request=unseen, **given).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [{"aud": "https://x.example"}, {"iss": "other"}, {"exp": 1}, {"jti": None}, {"iat": None}, {"nbf": None}],
)
def test_a_signed_request_says_for_whom_and_until_when(app: Flask, changes: dict[str, Any]) -> None:
    client = a_signing_program()
    an_account(EMAIL)

    response = ask(Browser(app), request=signed(client, **changes), scope=None, login_hint=None, binding_message=None)

    assert response.json["error"] == "invalid_request"


def test_a_signed_request_from_before_the_store_began_to_remember_is_refused(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decision 3: a store that came back empty does not know which requests it has seen."""
    client = a_signing_program()
    an_account(EMAIL)
    given = {"scope": None, "login_hint": None, "binding_message": None}
    text = signed(client)

    monkeypatch.setattr(provider.store, "born", lambda: now() + timedelta(seconds=2))
    assert ask(Browser(app), request=text, **given).json["error"] == "invalid_request"

    monkeypatch.undo()
    assert ask(Browser(app), request=text, **given).status_code == 200


@pytest.mark.parametrize("kind", ["garbage", "none", "another's"])
def test_a_request_that_is_not_signed_by_its_client_is_no_request(app: Flask, kind: str) -> None:
    """CIBA Core §13 has one word for it."""
    client = a_signing_program()
    an_account(EMAIL)
    claims = signed(client).split(".")[1]
    unsigned = base64.urlsafe_b64encode(b'{"alg": "none"}').decode().rstrip("=")
    text = {
        "garbage": "garbage",
        "none": f"{unsigned}.{claims}.",
        "another's": signed(client, key=algorithms.generate("ES256")),
    }[kind]

    response = ask(Browser(app), request=text, scope=None, login_hint=None, binding_message=None)

    assert (response.status_code, response.json["error"]) == (400, "invalid_request")
    assert names(EMAIL) == []


def test_a_client_that_signs_cannot_leave_it_out(app: Flask) -> None:
    a_signing_program()
    an_account(EMAIL)

    assert ask(Browser(app)).json["error"] == "invalid_request"


def test_in_ping_mode_the_program_is_told(app: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIBA Core §10.2."""
    a_program(
        backchannel_token_delivery_mode="ping", backchannel_client_notification_endpoint="https://desk.example/ping"
    )
    account, desk = an_account(EMAIL), Browser(app)
    assert ask(desk).json["error"] == "invalid_request"
    begun = ask(desk, client_notification_token="a-token-of-the-program").json
    confirm(visitor, account)
    db.session.rollback()
    row = db.session.scalars(select(OutboxMessage).where(OutboxMessage.medium == "ping")).one()
    sent: list[tuple[str, Any, dict[str, str]]] = []

    def post(url: str, body: bytes, kind: str, *, headers: dict[str, str]) -> Fetched:
        sent.append((url, json.loads(body), headers))
        return Fetched(204, "", b"")

    monkeypatch.setattr("idp.fetcher.post", post)
    channel = Backchannel(provider.settings)
    channel.send(Message(row.id, "ping", row.name, "https://desk.example/ping", "", row.body["text"]))

    assert sent == [
        (
            "https://desk.example/ping",
            {"auth_req_id": begun["auth_req_id"]},
            {"Authorization": "Bearer a-token-of-the-program"},
        )
    ]
    assert poll(desk, begun).status_code == 200


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404])
def test_a_program_that_refuses_a_ping_is_not_told_again(
    app: Flask, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """CIBA Core §10.2: no redirects, and who answers that it will not is left alone; a fault is tried again."""
    answers = [status, 503]
    monkeypatch.setattr("idp.fetcher.post", lambda *_, **__: Fetched(answers.pop(0), "", b""))
    text = json.dumps({"auth_req_id": "x", "token": "y"})
    message = Message("1", "ping", "desk", "https://desk.example/ping", "", text)
    channel = Backchannel(provider.settings)

    with pytest.raises(Permanent):
        channel.send(message)
    with pytest.raises(Temporary):
        channel.send(message)


@pytest.mark.parametrize("status", [408, 429])
def test_a_program_that_is_busy_is_pinged_again(app: Flask, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """RFC 6585 §4: when it says itself, if it does."""
    monkeypatch.setattr("idp.fetcher.post", lambda *_, **__: Fetched(status, "", b"", retry_after=17))
    message = Message("1", "ping", "desk", "https://desk.example/ping", "", '{"auth_req_id": "x", "token": "y"}')

    with pytest.raises(Temporary) as busy:
        Backchannel(provider.settings).send(message)

    assert busy.value.after == 17
