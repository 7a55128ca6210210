"""A sign-in as applications do it is remembered for its end."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from listener import Listener
from listener import certificate
from listener import listener
from oidc import Configure
from oidc import a_client
from oidc import an_account
from oidc import answer
from oidc import authorize
from oidc import sign_in
from oidc import tokens_for

from idp.db import db
from idp.sender import Sender


@pytest.fixture
def rp(app: Flask, configure: Configure) -> Iterator[Listener]:
    configure(fetch_private_hosts=("localhost",), fetch_ca_file=certificate(), session_management=True)
    with listener() as server:
        yield server


def test_whoever_signs_in_is_told_of_the_end(app: Flask, browser: FlaskClient, rp: Listener) -> None:
    client = a_client(backchannel_logout_uri=f"{rp.url}/bye")
    sign_in(browser, an_account())
    tokens = tokens_for(browser, client)
    tokens_for(browser, client)
    browser.get("/logout", query_string={"id_token_hint": tokens["id_token"]})
    db.session.rollback()
    assert Sender(app).run_once() == 1
    assert [seen.path for seen in rp.seen] == ["/bye"]


def test_an_answer_carries_the_session_state(app: Flask, browser: FlaskClient, rp: Listener) -> None:
    client = a_client()
    sign_in(browser, an_account())
    given = answer(authorize(browser, client))
    assert len(given["session_state"]) == 81
    assert browser.get_cookie("idp_browser_state") is not None
