"""Requests meant for somebody else: refused where the name is known, whatever the way (security row V26)."""

import secrets
from collections.abc import Callable
from typing import Any

import pytest
from application import make_app
from flask import Flask
from flask.testing import FlaskClient

ISSUER = "https://login.fund.example"
PATHS = ("/.well-known/openid-configuration", "/jwks", "/signin", "/authorize", "/nowhere")


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., FlaskClient]:
    """A provider as in production: https, one proxy in front."""
    folder, secret = tmp_path_factory.mktemp("hosts"), secrets.token_urlsafe(48)

    def make(**settings: Any) -> FlaskClient:
        production = {"environment": "production", "mail_channel": "smtp", "smtp_host": "mail.fund.example"}
        sms = {"sms_channel": "smpp", "smpp_host": "sms.fund.example", "smpp_system_id": "x", "smpp_password": "x"}
        url = f"sqlite:///{folder / 'idp.sqlite'}"
        app: Flask = make_app(issuer=ISSUER, database_url=url, secret=secret, **{**production, **sms, **settings})
        with app.app_context():
            app.extensions["idp"].keys.ensure()
        return app.test_client()

    return make


def status(browser: FlaskClient, path: str, **headers: str) -> int:
    return browser.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()}).status_code


def test_our_own_name_is_answered_in_every_spelling(secured: Callable[..., FlaskClient]) -> None:
    browser = secured()

    for host in ("login.fund.example", "login.fund.example:443", "LOGIN.fund.example", "login.fund.example.:8443"):
        assert status(browser, "/jwks", Host=host) == 200


@pytest.mark.parametrize("path", PATHS)
def test_another_name_is_refused(secured: Callable[..., FlaskClient], path: str) -> None:
    browser = secured()

    for host in (
        "evil.test",
        "login.fund.example.evil.test",
        "evil.test:443",
        "127.0.0.1",
        "[::1]:8400",
        "a b",
        "[",
        "@",
    ):
        answer = browser.get(path, headers={"Host": host})
        assert answer.status_code == 421, host
        assert "evil" not in answer.text
        assert "Set-Cookie" not in answer.headers
    assert browser.post("/token", data={}, headers={"Host": "evil.test"}).status_code == 421


def test_what_a_trusted_proxy_passes_on_counts(secured: Callable[..., FlaskClient]) -> None:
    alone, behind = secured(), secured(trusted_proxies=1)
    inside = {"Host": "127.0.0.1:8400", "X_Forwarded_Host": "login.fund.example"}

    assert status(alone, "/jwks", **inside) == 421
    assert status(behind, "/jwks", **inside) == 200
    assert status(behind, "/jwks", Host="login.fund.example", X_Forwarded_Host="evil.test") == 421


def test_the_name_for_certificates_is_ours_too(secured: Callable[..., FlaskClient]) -> None:
    browser = secured(
        trusted_proxies=1, client_certificate_header="X-Client-Cert", mtls_base="https://mtls.login.fund.example"
    )

    assert status(browser, "/jwks", Host="mtls.login.fund.example") == 200


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_an_orchestrator_asks_for_health_by_any_name(secured: Callable[..., FlaskClient], path: str) -> None:
    assert status(secured(), path, Host="10.0.0.7:8400") != 421


def test_an_operator_may_do_without(secured: Callable[..., FlaskClient]) -> None:
    assert status(secured(check_host=False), "/jwks", Host="127.0.0.1") == 200


def test_without_tls_there_are_only_names_of_this_machine(app: Flask, browser: FlaskClient) -> None:
    assert status(browser, "/jwks", Host="127.0.0.1:8400") == 200
