"""Refresh tokens: rotation, reuse, lives, and everything they stand on (decision 4)."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from authlib.oauth2.rfc6749 import InvalidGrantError
from flask import Flask
from flask.testing import FlaskClient
from oidc import a_client
from oidc import an_account
from oidc import basic
from oidc import change
from oidc import consent
from oidc import id_token_claims
from oidc import is_error
from oidc import refresh
from oidc import sign_in
from oidc import tokens_for
from oidc import userinfo
from sqlalchemy import select
from trips import Trips

from idp import endings
from idp import families
from idp.clock import epoch
from idp.clock import now
from idp.db import db
from idp.models import Account
from idp.models import AuditEvent
from idp.models import Client
from idp.models import Consent
from idp.models import OutboxMessage
from idp.models import RefreshFamily
from idp.provider import provider
from idp.session import Session
from idp.store import StoreUnavailable

SCOPE = "openid email offline_access"


@pytest.fixture
def client(app: Flask) -> Client:
    return a_client(post_logout_redirect_uris=["https://rp.example/bye"])


@pytest.fixture
def account(app: Flask) -> Account:
    return an_account()


@pytest.fixture
def session(browser: FlaskClient, account: Account) -> Session:
    return sign_in(browser, account, at=epoch() - 60)


@pytest.fixture
def first(browser: FlaskClient, client: Client, session: Session) -> dict[str, Any]:
    """The tokens of a sign-in with offline access."""
    return tokens_for(browser, client, scope=SCOPE)


def family() -> RefreshFamily:
    db.session.rollback()
    return db.session.query(RefreshFamily).one()


def events(name: str) -> list[AuditEvent]:
    db.session.rollback()
    return db.session.query(AuditEvent).filter_by(event=name).all()


def test_a_refresh_token_brings_new_tokens(browser: FlaskClient, first: dict[str, Any]) -> None:
    """RFC 6749 §6"""
    response = refresh(browser, first["refresh_token"])

    body = response.json
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert body["refresh_token"] != first["refresh_token"]
    assert body["access_token"] != first["access_token"]
    assert body["scope"] == SCOPE
    assert userinfo(browser, body["access_token"]).json["email"] == "anna@example.ch"


def test_the_refreshed_id_token_tells_of_the_same_sign_in(
    browser: FlaskClient, session: Session, first: dict[str, Any]
) -> None:
    """OIDC Core §12.2; Authlib gap 5."""
    before = id_token_claims(first["id_token"])

    after = id_token_claims(refresh(browser, first["refresh_token"]).json["id_token"])

    for name in ("iss", "sub", "aud", "auth_time", "acr", "amr", "sid"):
        assert after[name] == before[name]
    assert after["auth_time"] == session.proofs[0].at
    assert after["iat"] >= before["iat"]
    assert "nonce" not in after


def test_without_offline_access_there_is_no_refresh_token(
    browser: FlaskClient, client: Client, session: Session
) -> None:
    """OIDC Core §11"""
    assert "refresh_token" not in tokens_for(browser, client, scope="openid")


def test_only_hashes_are_kept(first: dict[str, Any]) -> None:
    secret = first["refresh_token"].split(".")[1]

    kept = str({key: str(value) for key, value in vars(family()).items()})

    assert secret not in kept
    assert first["refresh_token"] not in kept


# Rotation


def test_a_token_works_once_and_its_successor_next(browser: FlaskClient, first: dict[str, Any]) -> None:
    """RFC 9700 §4.14.2; security row 2.19."""
    token = first["refresh_token"]
    for _ in range(5):
        token = refresh(browser, token).json["refresh_token"]

    assert family().generation == 5
    assert families.is_current(family(), token)


def test_a_lost_answer_may_be_asked_for_once_more(browser: FlaskClient, first: dict[str, Any]) -> None:
    """Decision 4: once within 10 s; the first successor and its access token die."""
    lost = refresh(browser, first["refresh_token"]).json

    again = refresh(browser, first["refresh_token"])

    assert again.status_code == 200
    assert userinfo(browser, lost["access_token"]).status_code == 401
    assert userinfo(browser, again.json["access_token"]).status_code == 200
    assert refresh(browser, again.json["refresh_token"]).status_code == 200


def test_the_successor_that_was_replaced_ends_the_family(browser: FlaskClient, first: dict[str, Any]) -> None:
    lost = refresh(browser, first["refresh_token"]).json
    again = refresh(browser, first["refresh_token"]).json

    stale = refresh(browser, lost["refresh_token"])

    assert is_error(stale, "invalid_grant")
    assert is_error(refresh(browser, again["refresh_token"]), "invalid_grant")
    assert userinfo(browser, again["access_token"]).status_code == 401


def test_a_second_repetition_ends_the_family(browser: FlaskClient, account: Account, first: dict[str, Any]) -> None:
    """RFC 9700 §4.14.2; decision 4: it is told to the account."""
    refresh(browser, first["refresh_token"])
    second = refresh(browser, first["refresh_token"]).json

    third = refresh(browser, first["refresh_token"])

    assert is_error(third, "invalid_grant")
    assert is_error(refresh(browser, second["refresh_token"]), "invalid_grant")
    assert userinfo(browser, second["access_token"]).status_code == 401
    assert family().end_reason == "reuse"
    assert [event.account_id for event in events("refresh_token_reused")] == [account.id]


def test_reuse_is_told_to_the_account_once(browser: FlaskClient, account: Account, first: dict[str, Any]) -> None:
    """Decision 4: one mail for each family, however often somebody tries."""
    for _ in range(5):
        refresh(browser, first["refresh_token"])

    db.session.rollback()
    mails = db.session.scalars(select(OutboxMessage).where(OutboxMessage.name == "reused")).all()
    assert [mail.body["to"] for mail in mails] == [account.email]
    assert "portal" in mails[0].body["text"].lower()


def test_a_repetition_after_the_grace_period_ends_the_family(browser: FlaskClient, first: dict[str, Any]) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        second = refresh(browser, first["refresh_token"]).json
        clock.shift(11)

        late = refresh(browser, first["refresh_token"])

        assert is_error(late, "invalid_grant")
        assert is_error(refresh(browser, second["refresh_token"]), "invalid_grant")
        assert userinfo(browser, second["access_token"]).status_code == 401


def test_a_repetition_within_the_grace_period_is_forgiven_after_nine_seconds(
    browser: FlaskClient, first: dict[str, Any]
) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        refresh(browser, first["refresh_token"])
        clock.shift(9)

        assert refresh(browser, first["refresh_token"]).status_code == 200


def test_a_token_of_two_rotations_ago_ends_the_family(browser: FlaskClient, first: dict[str, Any]) -> None:
    second = refresh(browser, first["refresh_token"]).json
    third = refresh(browser, second["refresh_token"]).json

    old = refresh(browser, first["refresh_token"])

    assert is_error(old, "invalid_grant")
    assert is_error(refresh(browser, third["refresh_token"]), "invalid_grant")


def test_rotated_tokens_stay_dead_when_the_store_is_empty(browser: FlaskClient, first: dict[str, Any]) -> None:
    """CVE-2026-9802: state lost on restart; security row V13."""
    second = refresh(browser, first["refresh_token"]).json
    refresh(browser, second["refresh_token"])
    assert families.find(first["refresh_token"]) is not None

    assert is_error(refresh(browser, first["refresh_token"]), "invalid_grant")
    assert family().ended_at is not None


@pytest.mark.parametrize("number", [50])
def test_fifty_at_once_leave_at_most_one_living_successor(
    app: Flask, browser: FlaskClient, first: dict[str, Any], number: int
) -> None:
    """Decision 4; CVE-2026-1035; security row 2.19."""
    db.session.remove()
    start = threading.Barrier(number)

    def race(_number: int) -> tuple[int, dict[str, Any]]:
        mine = app.test_client()
        start.wait()
        response = refresh(mine, first["refresh_token"])
        return response.status_code, response.json

    with ThreadPoolExecutor(number) as pool:
        answers = list(pool.map(race, range(number)))

    won = [body for status, body in answers if status == 200]
    assert 1 <= len(won) <= 2
    assert {body["error"] for status, body in answers if status != 200} == {"invalid_grant"}
    db.session.rollback()
    living = [body for body in won if families.is_current(family(), body["refresh_token"])]
    assert len(living) <= 1
    assert family().ended_at is not None  # 48 came too often
    assert [userinfo(browser, body["access_token"]).status_code for body in won] == [401] * len(won)


def test_two_at_once_are_a_lost_answer(app: Flask, browser: FlaskClient, first: dict[str, Any]) -> None:
    db.session.remove()
    start = threading.Barrier(2)

    def race(_number: int) -> dict[str, Any]:
        mine = app.test_client()
        start.wait()
        response = refresh(mine, first["refresh_token"])
        assert response.status_code == 200, response.text
        return response.json

    with ThreadPoolExecutor(2) as pool:
        bodies = list(pool.map(race, range(2)))

    living = [body for body in bodies if families.is_current(family(), body["refresh_token"])]
    assert len(living) == 1
    assert userinfo(browser, living[0]["access_token"]).status_code == 200
    dead = next(body for body in bodies if body is not living[0])
    assert userinfo(browser, dead["access_token"]).status_code == 401


def test_who_comes_second_by_a_hair_leaves_nothing_behind(
    app: Flask, browser: FlaskClient, first: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decision 4: it is a lost answer all the same, and the access token made in vain is taken back."""
    trips, rotate, others = Trips(app, monkeypatch), families.rotate, []

    def late(rotation: families.Rotation) -> bool:
        monkeypatch.setattr(families, "rotate", rotate)
        others.append(refresh(app.test_client(), first["refresh_token"]).json)
        trips.forget()
        return rotate(rotation)

    monkeypatch.setattr(families, "rotate", late)

    mine = refresh(browser, first["refresh_token"])

    assert mine.status_code == 200, mine.text
    assert trips.store == ["delete access_token", "put access_token", "put ended_generation"]
    assert family().generation == 2
    assert userinfo(browser, mine.json["access_token"]).status_code == 200
    assert userinfo(browser, others[0]["access_token"]).status_code == 401


# What fails on our side costs nobody a session


def down(*_args: Any, **_kwargs: Any) -> None:
    raise StoreUnavailable("down")


@pytest.mark.parametrize("tries", [1, 3])
def test_a_refresh_that_failed_for_the_store_is_done_later(
    browser: FlaskClient, first: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tries: int
) -> None:
    """RFC 9110 §15.6.4: who is told to come again is not taken for a thief when it does."""
    with monkeypatch.context() as patch:
        patch.setattr(provider.store, "put", down)
        failed = [refresh(browser, first["refresh_token"]).status_code for _ in range(tries)]

    with time_machine.travel(now() + timedelta(seconds=30)):
        later = refresh(browser, first["refresh_token"])

    assert failed == [503] * tries
    assert later.status_code == 200, later.text
    assert family().end_reason is None


def test_a_repetition_that_failed_for_the_store_is_done_later(
    browser: FlaskClient, first: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decision 4: within the grace period."""
    refresh(browser, first["refresh_token"])
    with monkeypatch.context() as patch:
        patch.setattr(endings, "end_generation", down)
        failed = refresh(browser, first["refresh_token"])

    later = refresh(browser, first["refresh_token"])

    assert failed.status_code == 503
    assert later.status_code == 200, later.text


def test_a_refresh_that_failed_for_want_of_a_key_is_done_later(
    browser: FlaskClient, client: Client, first: dict[str, Any]
) -> None:
    """OIDC Core §10.2: the keys of the client could not be had for a while."""
    change(client, id_token_encrypted_response_alg="ECDH-ES", id_token_encrypted_response_enc="A128GCM")
    failed = refresh(browser, first["refresh_token"])
    change(client, id_token_encrypted_response_alg=None)

    with time_machine.travel(now() + timedelta(seconds=30)):
        later = refresh(browser, first["refresh_token"])

    assert is_error(failed, "server_error", 503)
    assert later.status_code == 200, later.text


# What was never ours harms nobody


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token.swapcase(),
        lambda token: token.rpartition(".")[0],
        lambda token: f"{token.split('.')[0]}.{'A' * 43}.{token.split('.')[2]}",
        lambda token: "x",
        lambda token: "..",
        lambda token: "\u00e9" * 20,
        lambda token: "\x00" + token,
        lambda token: "x" * 5000,
    ],
)
def test_a_mangled_token_is_refused_and_ends_nothing(browser: FlaskClient, first: dict[str, Any], change: Any) -> None:
    """CVE-2026-27840; security row 2.23."""
    assert is_error(refresh(browser, change(first["refresh_token"])), "invalid_grant")
    assert refresh(browser, first["refresh_token"]).status_code == 200


def test_other_tokens_are_no_refresh_tokens(browser: FlaskClient, first: dict[str, Any]) -> None:
    """Security row 2.23: only the intended cell of the matrix works."""
    for token in (first["access_token"], first["id_token"]):
        assert is_error(refresh(browser, token), "invalid_grant")
    assert userinfo(browser, first["refresh_token"]).status_code == 401


def test_a_missing_token_is_an_invalid_request(browser: FlaskClient, client: Client) -> None:
    assert is_error(browser.post("/token", data={"grant_type": "refresh_token"}, headers=basic()), "invalid_request")


# What it stands on


def test_a_token_is_for_its_client_only(browser: FlaskClient, first: dict[str, Any]) -> None:
    """CVE-2026-55672; security row V8: the owner's still works, and it is recorded."""
    a_client("thief")

    stolen = refresh(browser, first["refresh_token"], headers=basic("thief"))

    assert is_error(stolen, "invalid_grant")
    assert len(events("refresh_token_of_another_client")) == 1
    assert refresh(browser, first["refresh_token"]).status_code == 200


def test_client_authentication_is_needed(browser: FlaskClient, first: dict[str, Any]) -> None:
    """RFC 6749 §6"""
    assert is_error(refresh(browser, first["refresh_token"], headers={}), "invalid_client", 401)
    assert is_error(refresh(browser, first["refresh_token"], headers={}, client_id="portal"), "invalid_client", 401)


def test_the_scope_can_be_narrowed_and_is_whole_again_next_time(browser: FlaskClient, first: dict[str, Any]) -> None:
    """RFC 6749 §6"""
    narrowed = refresh(browser, first["refresh_token"], scope="openid").json
    whole = refresh(browser, narrowed["refresh_token"]).json

    assert narrowed["scope"] == "openid"
    assert "email" not in userinfo(browser, narrowed["access_token"]).json
    assert whole["scope"] == SCOPE


def test_the_scope_cannot_be_widened(browser: FlaskClient, first: dict[str, Any]) -> None:
    """RFC 6749 §6; security row 2.19. The token is not spent by the attempt."""
    wider = refresh(browser, first["refresh_token"], scope="openid email phone")

    assert is_error(wider, "invalid_scope")
    assert refresh(browser, first["refresh_token"]).status_code == 200


def test_a_scope_taken_from_the_client_is_not_renewed(
    browser: FlaskClient, client: Client, first: dict[str, Any]
) -> None:
    change(client, scope=["openid", "offline_access"])

    assert refresh(browser, first["refresh_token"]).json["scope"] == "openid offline_access"


def test_a_client_that_lost_the_grant_cannot_use_it(
    browser: FlaskClient, client: Client, first: dict[str, Any]
) -> None:
    change(client, grant_types=["authorization_code"])

    assert is_error(refresh(browser, first["refresh_token"]), "unauthorized_client")


def test_a_disabled_account_gets_nothing_more(browser: FlaskClient, account: Account, first: dict[str, Any]) -> None:
    """CVE-2025-14559; security row V29."""
    change(account, disabled_at=now())

    assert is_error(refresh(browser, first["refresh_token"]), "invalid_grant")
    assert userinfo(browser, first["access_token"]).status_code == 401


def test_end_all_ends_refresh_tokens_too(browser: FlaskClient, account: Account, first: dict[str, Any]) -> None:
    """Decision 11; security row 2.40."""
    change(account, sessions_valid_after=now())

    assert is_error(refresh(browser, first["refresh_token"]), "invalid_grant")
    assert userinfo(browser, first["access_token"]).status_code == 401


def test_a_disabled_client_gets_nothing_more(browser: FlaskClient, client: Client, first: dict[str, Any]) -> None:
    """CVE-2026-2733; security row 2.70."""
    change(client, disabled_at=now())

    assert is_error(refresh(browser, first["refresh_token"]), "invalid_client", 401)
    assert userinfo(browser, first["access_token"]).status_code == 401


def test_a_withdrawn_consent_ends_the_renewal(
    browser: FlaskClient, client: Client, account: Account, session: Session
) -> None:
    """ASVS V10.7; security row 2.34."""
    change(client, first_party=False)
    consent(account, client, SCOPE)
    token = tokens_for(browser, client, scope=SCOPE)["refresh_token"]
    token = refresh(browser, token).json["refresh_token"]

    db.session.rollback()
    db.session.query(Consent).delete()
    db.session.commit()

    assert is_error(refresh(browser, token), "invalid_grant")


def test_a_claim_that_the_client_may_ask_for_since_needs_a_consent(
    browser: FlaskClient, client: Client, account: Account, session: Session
) -> None:
    """OIDC Core §5.5; security row 2.34: what was asked for one by one and not allowed is not sent later either."""
    change(client, first_party=False, scope=["openid", "offline_access"])
    consent(account, client, "openid offline_access")
    asked = json.dumps({"userinfo": {"phone_number": None}})
    token = tokens_for(browser, client, scope="openid offline_access", claims=asked)["refresh_token"]
    token = refresh(browser, token).json["refresh_token"]

    change(client, scope=["openid", "phone", "offline_access"])

    assert is_error(refresh(browser, token), "invalid_grant")


def test_a_token_left_alone_for_too_long_dies(browser: FlaskClient, first: dict[str, Any]) -> None:
    """ASVS V10.4.8: idle life."""
    idle = provider.settings.refresh_idle_seconds
    with time_machine.travel(now() + timedelta(seconds=idle - 60)):
        token = refresh(browser, first["refresh_token"]).json["refresh_token"]
    with time_machine.travel(now() + timedelta(seconds=2 * idle)):
        assert is_error(refresh(browser, token), "invalid_grant")


def test_the_lives_of_a_family_are_those_of_the_settings(first: dict[str, Any]) -> None:
    settings, row = provider.settings, family()

    assert (row.idle_until - row.created_at).total_seconds() == settings.refresh_idle_seconds
    assert (row.expires_at - row.created_at).total_seconds() == settings.refresh_absolute_seconds


def test_no_renewal_outlives_the_absolute_life(browser: FlaskClient, first: dict[str, Any]) -> None:
    """ASVS V10.4.8: absolute life; security row 2.19."""
    row = family()
    change(row, expires_at=now() + timedelta(seconds=60))

    with time_machine.travel(now(), tick=False) as clock:
        clock.shift(30)
        token = refresh(browser, first["refresh_token"]).json["refresh_token"]
        clock.shift(31)

        assert is_error(refresh(browser, token), "invalid_grant")
    assert family().idle_until > now() + timedelta(days=1)


def test_signing_out_leaves_offline_access(browser: FlaskClient, first: dict[str, Any], session: Session) -> None:
    """OIDC Back-Channel Logout §2.7: refresh tokens with offline_access normally SHOULD NOT be revoked."""
    endings.end_session(session.sid)

    assert userinfo(browser, first["access_token"]).status_code == 401
    renewed = refresh(browser, first["refresh_token"])
    assert renewed.status_code == 200
    assert userinfo(browser, renewed.json["access_token"]).status_code == 200


def test_signing_out_ends_what_was_renewed_before(
    browser: FlaskClient, first: dict[str, Any], session: Session
) -> None:
    renewed = refresh(browser, first["refresh_token"]).json["access_token"]

    endings.end_session(session.sid)

    assert userinfo(browser, renewed).status_code == 401


def test_a_refresh_makes_few_round_trips(
    app: Flask, browser: FlaskClient, first: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Client, family and account are read, one row is written, one token is put."""
    token = refresh(browser, first["refresh_token"]).json["refresh_token"]
    trips = Trips(app, monkeypatch)
    trips.forget()

    assert refresh(browser, token).status_code == 200

    assert trips.store == ["put access_token"]
    assert len(trips.sql) == 4, trips.sql


def test_a_client_of_fapi_2_keeps_its_refresh_token(app: Flask, browser: FlaskClient) -> None:
    """FAPI 2.0 Security Profile §5.3.2.1: no rotation; ended, expired and foreign tokens are refused all the same."""
    client = a_client()
    sign_in(browser, an_account())
    token = tokens_for(browser, client, scope="openid offline_access")["refresh_token"]
    change(client, profile="fapi2")
    row = family()
    name = row.id

    first, second = families.use(row, token), families.use(row, token)

    assert first == second == 0
    with pytest.raises(InvalidGrantError):
        families.use(row, token[:-1] + ("A" if token[-1] != "A" else "B"))
    families.end(name, "revoked")
    with pytest.raises(InvalidGrantError):
        families.use(family(), token)


def test_a_family_is_forgotten_thirty_days_after_its_absolute_end(browser: FlaskClient, first: dict[str, Any]) -> None:
    """Security.md 4.2: kept so long, ended ones too, that a token used twice is still seen as one; then it is gone."""
    families.end(family().id, "revoked")
    change(family(), expires_at=now() - families.KEPT + timedelta(minutes=1))
    assert families.sweep() == 0
    assert family().ended_at is not None
    change(family(), expires_at=now() - families.KEPT - timedelta(minutes=1))

    assert families.sweep() == 1

    db.session.rollback()
    assert db.session.query(RefreshFamily).count() == 0
    assert is_error(refresh(browser, first["refresh_token"]), "invalid_grant")


def test_a_living_family_is_not_forgotten(first: dict[str, Any]) -> None:
    assert families.sweep() == 0
    assert family().ended_at is None
