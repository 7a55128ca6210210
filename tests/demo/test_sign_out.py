"""Déconnexion: here first, then at the provider, and an honest page afterwards."""

import re
from urllib.parse import parse_qsl
from urllib.parse import urlsplit

from fake_provider import FakeProvider
from flask.testing import FlaskClient
from werkzeug.test import TestResponse


def press_sign_out(browser: FlaskClient) -> TestResponse:
    found = re.search(r'name="csrf" value="([^"]+)"', browser.get("/pension").text)
    assert found
    return browser.post("/logout", data={"csrf": found[1]})


def asked(answer: TestResponse) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(answer.location).query))


def test_the_provider_is_asked_to_end_its_session_too(signed_in: FlaskClient, provider: FakeProvider) -> None:
    """OIDC RP-Initiated Logout §2."""
    answer = press_sign_out(signed_in)

    request = asked(answer)
    assert answer.location.startswith(f"{provider.issuer}/logout?")
    assert request["id_token_hint"].count(".") == 2
    assert request["post_logout_redirect_uri"] == "http://localhost:8401/"
    assert len(request["state"]) >= 20


def test_the_session_here_ends_at_once(signed_in: FlaskClient) -> None:
    cookie = signed_in.get_cookie("demo_session")
    assert cookie is not None

    press_sign_out(signed_in)

    assert signed_in.get("/pension").status_code == 303
    signed_in.set_cookie("demo_session", cookie.value)
    assert signed_in.get("/pension").status_code == 303


def test_the_answer_of_the_provider_says_that_it_worked(signed_in: FlaskClient) -> None:
    state = asked(press_sign_out(signed_in))["state"]

    page = signed_in.get("/", query_string={"state": state})

    assert "La déconnexion a réussi" in page.text


def test_nobody_else_can_make_the_portal_say_so(browser: FlaskClient) -> None:
    page = browser.get("/", query_string={"state": "invented"})

    assert "La déconnexion a réussi" not in page.text
    assert "Bienvenue" in page.text


def test_a_link_only_asks(signed_in: FlaskClient) -> None:
    page = signed_in.get("/logout")

    assert "Voulez-vous vous déconnecter" in page.text
    assert signed_in.get("/pension").status_code == 200


def test_a_form_without_our_secret_signs_nobody_out(signed_in: FlaskClient) -> None:
    for data in ({}, {"csrf": "guessed"}, {"csrf": "é"}):
        assert signed_in.post("/logout", data=data).status_code == 400

    assert signed_in.get("/pension").status_code == 200


def test_signing_out_twice_is_harmless(browser: FlaskClient) -> None:
    answer = browser.post("/logout")

    assert (answer.status_code, answer.location) == (303, "/")


def test_the_portal_signs_out_even_when_the_provider_is_away(signed_in: FlaskClient, provider: FakeProvider) -> None:
    provider.metadata = {"end_session_endpoint": None}

    press_sign_out(signed_in)

    assert signed_in.get("/pension").status_code == 303
