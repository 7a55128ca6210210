"""The keys of a client behind its `jwks_uri`: fetched, kept, rotated, and never fetched too often."""

import json
import threading
import time
from collections.abc import Iterator
from contextvars import Context
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jws
from joserfc.jwk import ECKey
from listener import Listener
from listener import certificate
from listener import listener
from oidc import Configure
from oidc import a_client
from oidc import is_error

from idp import client_keys
from idp import fetcher
from idp.clock import epoch
from idp.clock import now
from idp.db import db
from idp.models import Client
from idp.provider import provider
from keys import InvalidToken

ISSUER = "http://localhost:8400"
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
OLD, NEW = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")


@pytest.fixture
def server(app: Flask, configure: Configure) -> Iterator[Listener]:
    parts = app.extensions["idp"]
    configure(fetch_private_hosts=("localhost",), fetch_ca_file=certificate())
    parts.store.born()  # a store just emptied refuses assertions from before (decision 3)
    with listener() as server:
        publish(server, {"old": OLD})
        yield server


@pytest.fixture
def client(server: Listener) -> Client:
    return a_client(token_endpoint_auth_method="private_key_jwt", jwks_uri=f"{server.url}/keys")


def publish(server: Listener, keys: dict[str | None, ECKey], *, private: bool = False) -> None:
    shown = [{**key.as_dict(private=private), **({"kid": kid} if kid else {})} for kid, key in keys.items()]
    server.body = json.dumps({"keys": shown}).encode()


def signed(key: ECKey, kid: str | None, **claims: Any) -> str:
    header = {"alg": "ES256", **({"kid": kid} if kid else {})}
    return jws.serialize_compact(header, json.dumps(claims or {"a": 1}).encode(), key)


def proves(browser: FlaskClient, key: ECKey, kid: str | None) -> bool:
    stated = {"iss": "portal", "sub": "portal", "aud": ISSUER, "iat": epoch(), "exp": epoch() + 60, "jti": str(now())}
    form = {"client_assertion_type": TYPE, "client_assertion": signed(key, kid, **stated)}
    response = browser.post("/token", data={"grant_type": "authorization_code", "code": "x" * 43, **form})
    return response.status_code == 400 and is_error(response, "invalid_grant")


def fits(client: Client, key: ECKey, kid: str | None) -> bool:
    try:
        client_keys.verify(signed(key, kid), client, "ES256")
    except InvalidToken:
        return False
    return True


def test_a_published_key_proves_the_client(browser: FlaskClient, client: Client, server: Listener) -> None:
    """OIDC Core §9; many sign-ins make one fetch."""
    assert proves(browser, OLD, "old")
    assert proves(browser, OLD, "old")

    assert [seen.path for seen in server.seen] == ["/keys"]


def test_a_key_without_a_name_fits_by_its_signature(client: Client, server: Listener) -> None:
    publish(server, {None: OLD})

    assert fits(client, OLD, "whatever")
    assert fits(client, OLD, None)


def test_a_rotated_key_is_fetched_at_once(browser: FlaskClient, client: Client, server: Listener) -> None:
    """OIDC Core §10.1.1: an unknown kid is the sign to fetch again."""
    assert proves(browser, OLD, "old")
    publish(server, {"new": NEW})

    assert proves(browser, NEW, "new")
    assert not proves(browser, OLD, "old")


def test_a_rotated_key_without_a_name_is_fetched_too(client: Client, server: Listener) -> None:
    publish(server, {None: OLD})
    assert fits(client, OLD, None)
    publish(server, {None: NEW})

    assert fits(client, NEW, None)


def test_unknown_keys_make_one_fetch_a_minute(client: Client, server: Listener) -> None:
    with time_machine.travel(now(), tick=False) as clock:
        assert fits(client, OLD, "old")
        for number in range(5):
            assert not fits(client, NEW, f"unknown-{number}")
        assert len(server.seen) == 2
        clock.shift(61)
        assert not fits(client, NEW, "unknown")

    assert len(server.seen) == 3


def test_old_keys_are_fetched_anew(client: Client, server: Listener) -> None:
    """A key taken back by the client does not live for ever here."""
    assert fits(client, OLD, "old")
    publish(server, {"new": NEW})

    with time_machine.travel(now() + timedelta(seconds=client_keys.FRESH + 1)):
        assert not fits(client, OLD, "old")


def test_a_dead_address_is_asked_once_a_minute(client: Client, server: Listener) -> None:
    server.status = 500
    with time_machine.travel(now(), tick=False) as clock:
        for _ in range(4):
            assert not fits(client, OLD, "old")
        assert len(server.seen) == 1
        server.status = 200
        clock.shift(61)
        assert fits(client, OLD, "old")


def test_a_client_whose_address_is_dead_is_known_for_an_hour_by_its_last_keys(client: Client, server: Listener) -> None:
    """security.md F19"""
    began = now()
    assert fits(client, OLD, "old")
    server.status = 503

    with time_machine.travel(began + timedelta(minutes=30)):
        assert fits(client, OLD, "old")
    with time_machine.travel(began + timedelta(minutes=61)):
        assert not fits(client, OLD, "old")


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"null", b'{"keys": 1}', b'{"keys": [1, null, {"kty": NaN, "n": 1e999}]}', b"<html>"),
        *(b'{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}', b'{"keys": [{"kty": ["RSA"]}]}'),
        b'{"keys": [{"kty": "oct", "k": "AAAA"}]}',
    ],
)
def test_nonsense_proves_nobody_and_breaks_nothing(
    browser: FlaskClient, client: Client, server: Listener, body: bytes
) -> None:
    server.body = body

    assert not proves(browser, OLD, "old")


def test_a_private_key_published_by_mistake_is_not_kept(client: Client, server: Listener) -> None:
    publish(server, {"old": OLD}, private=True)

    assert fits(client, OLD, "old")
    assert [set(key) & {"d", "x"} for key in client_keys.client_keys(client)] == [{"x"}]


def test_twenty_at_once_make_one_fetch(app: Flask, client: Client, server: Listener) -> None:
    """At the first sight of a client, and at a rotation."""
    name = client.client_id

    def all_fit(key: ECKey, kid: str) -> bool:
        found: list[bool] = []

        def look() -> None:
            with app.app_context():
                mine = db.session.get(Client, name)
                assert mine is not None
                found.append(fits(mine, key, kid))

        threads = [threading.Thread(target=Context().run, args=(look,)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found == [True] * 20

    db.session.rollback()
    assert all_fit(OLD, "old")
    assert len(server.seen) == 1
    publish(server, {"new": NEW})
    assert all_fit(NEW, "new")
    assert len(server.seen) == 2


def test_a_hanging_address_holds_nobody_for_long(
    app: Flask, client: Client, server: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security.md F19: whoever waits for another's fetch goes on when that has failed."""
    monkeypatch.setattr("idp.fetcher.SECONDS", 0.5)
    server.act = lambda handler: server.stopped.wait(5) and None
    name, took = client.client_id, []

    def look() -> None:
        with app.app_context():
            mine = db.session.get(Client, name)
            assert mine is not None
            began = time.monotonic()
            assert not fits(mine, OLD, "old")
            took.append(time.monotonic() - began)

    db.session.rollback()
    threads = [threading.Thread(target=Context().run, args=(look,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(took) == 8
    assert max(took) < 2.5
    assert server.connections == 1


def test_registered_keys_fetch_nothing(client: Client, server: Listener) -> None:
    other = a_client("other", jwks={"keys": [OLD.as_dict(private=False)]})

    assert fits(other, OLD, None)
    assert not fits(other, NEW, None)
    assert len(list(client_keys.encryption_keys(other, ("EC",), "ECDH-ES"))) == 1
    assert not list(client_keys.encryption_keys(other, ("RSA",), "RSA-OAEP"))
    assert server.seen == []


def test_an_address_inside_is_not_fetched(app: Flask, browser: FlaskClient) -> None:
    """security.md V30"""
    with listener() as server:
        a_client(token_endpoint_auth_method="private_key_jwt", jwks_uri=server.url)

        assert not proves(browser, OLD, "old")
        assert server.connections == 0
    assert provider.settings.fetch_private_hosts == ()


def test_who_finds_no_place_goes_on_with_what_is_known(
    client: Client, server: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was tried: the next one tries, and is not kept from it for a minute."""

    def busy(*_: Any, **__: Any) -> None:
        raise fetcher.FetchBusy("too many wait")

    with monkeypatch.context() as patched:
        patched.setattr(fetcher, "get_keys", busy)
        assert not fits(client, OLD, "old")

    assert fits(client, OLD, "old")
