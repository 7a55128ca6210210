"""Pushed authorization requests (RFC 9126)."""

import json
import threading
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from oidc import SECRET
from oidc import Configure
from oidc import a_client
from oidc import an_account
from oidc import answer
from oidc import authorize
from oidc import basic
from oidc import redeem
from oidc import request_of
from oidc import sign_in
from visitor import Page
from visitor import Visitor
from werkzeug.test import TestResponse

from idp.clock import epoch
from idp.models import Client
from idp.provider import provider
from keys import algorithms

PREFIX = "urn:ietf:params:oauth:request_uri:"


def push(browser: FlaskClient, client: Client, headers: dict[str, str] | None = None, **changes: Any) -> TestResponse:
    form = request_of(client, **changes)
    return browser.post("/par", data=form, headers=basic(client.client_id) if headers is None else headers)


def pushed(browser: FlaskClient, client: Client, **changes: Any) -> str:
    response = push(browser, client, **changes)
    assert response.status_code == 201, response.text
    return str(response.json["request_uri"])


def visit(browser: FlaskClient, reference: str, client_id: str = "portal", **more: str) -> TestResponse:
    return browser.get("/authorize", query_string={"client_id": client_id, "request_uri": reference, **more})


def cancel(visitor: Visitor, page: Page) -> Page:
    """«Refuser» on the page of consent."""
    return visitor.post(f"{page.url.rsplit('/', 2)[0]}/cancel", **page.form()[1])


def test_a_pushed_request_is_answered_as_it_was_pushed(app: Flask, browser: FlaskClient) -> None:
    """RFC 9126 §2.2, §4; what stands beside the reference does not count (RFC 9101 §5)."""
    client = a_client()
    sign_in(browser, an_account())
    response = push(browser, client, state="pushed")

    assert response.json["request_uri"].startswith(PREFIX)
    assert 5 < response.json["expires_in"] < 600
    assert response.headers["Cache-Control"] == "no-store"
    given = answer(visit(browser, response.json["request_uri"], state="outer", redirect_uri="https://evil.test"))
    assert given["state"] == "pushed"
    assert redeem(browser, given["code"]).status_code == 200


def test_a_pushed_request_is_answered_once(app: Flask, browser: FlaskClient) -> None:
    """RFC 9126 §7.3."""
    client = a_client()
    sign_in(browser, an_account())
    reference = pushed(browser, client)

    first, second = visit(browser, reference), visit(browser, reference)

    assert "code" in answer(first)
    assert second.status_code == 400
    assert "Location" not in second.headers


def test_looking_at_the_page_does_not_use_it_up(app: Flask, browser: FlaskClient) -> None:
    client = a_client()
    reference = pushed(browser, client)

    pages = [visit(browser, reference) for _ in range(3)]
    sign_in(browser, an_account())

    assert {page.status_code for page in pages} == {303}
    assert "code" in answer(visit(browser, reference))


def test_a_refusal_of_the_person_is_an_answer(app: Flask) -> None:
    """RFC 9126 §4, §7.3: one-time use; the client has been told of access_denied."""
    visitor = Visitor(app)
    client = a_client(first_party=False)
    sign_in(visitor.browser, an_account())
    query = {"client_id": "portal", "request_uri": pushed(visitor.browser, client)}
    page, other = visitor.open("/authorize", **query), visitor.open("/authorize", **query)

    refused = cancel(visitor, page)

    assert answer(refused.response)["error"] == "access_denied"
    assert visitor.open("/authorize", **query).status == 400
    agreed = visitor.answer(other)
    assert (agreed.status, agreed.location) == (400, "")


def test_two_tabs_of_one_request_refuse_it_once(app: Flask) -> None:
    """RFC 9126 §7.3: the client gets one answer, the second tab a page here."""
    visitor = Visitor(app)
    client = a_client(first_party=False)
    sign_in(visitor.browser, an_account())
    query = {"client_id": "portal", "request_uri": pushed(visitor.browser, client)}
    pages = [visitor.open("/authorize", **query) for _ in range(2)]

    first, second = [cancel(visitor, page) for page in pages]

    assert answer(first.response)["error"] == "access_denied"
    assert (second.status, second.location) == (400, "")


def test_an_error_without_a_page_is_an_answer(app: Flask, browser: FlaskClient) -> None:
    """RFC 9126 §4: prompt=none was pushed with it, so asking with a page needs another request."""
    client = a_client()
    reference = pushed(browser, client, prompt="none")

    first, second = visit(browser, reference), visit(browser, reference)

    assert answer(first)["error"] == "login_required"
    assert second.status_code == 400


def test_an_error_of_the_decision_is_an_answer(app: Flask, browser: FlaskClient) -> None:
    """RFC 9126 §4: a class that cannot be reached is told once."""
    claims = json.dumps({"id_token": {"acr": {"essential": True, "value": "urn:unknown"}}})
    sign_in(browser, an_account())
    reference = pushed(browser, a_client(), claims=claims)

    first, second = visit(browser, reference), visit(browser, reference)

    assert answer(first)["error"] == "unmet_authentication_requirements"
    assert second.status_code == 400


def test_of_many_answers_at_once_one_is_given(app: Flask) -> None:
    client, account = a_client(), an_account()
    one = app.test_client()
    reference = pushed(one, client)
    answers: list[int] = []

    def visitor() -> None:
        with app.app_context():
            browser = app.test_client()
            sign_in(browser, account)
            barrier.wait()
            answers.append(visit(browser, reference).status_code)

    account_id = account.id
    assert account_id
    barrier = threading.Barrier(8)
    threads = [threading.Thread(target=visitor) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [303] + [400] * 7


def test_an_expired_one_is_unknown(app: Flask, browser: FlaskClient) -> None:
    client = a_client()
    sign_in(browser, an_account())
    reference = pushed(browser, client)

    provider.store.delete("pushed", reference.removeprefix(PREFIX))  # as every store does when its minute is over

    assert visit(browser, reference).status_code == 400


def test_it_belongs_to_the_client_that_pushed_it(app: Flask, browser: FlaskClient) -> None:
    reference = pushed(browser, a_client())
    a_client("other")
    sign_in(browser, an_account())

    for name in ("other", "unknown", ""):
        response = visit(browser, reference, client_id=name)
        assert response.status_code == 400
        assert "Location" not in response.headers


@pytest.mark.parametrize("reference", [PREFIX, PREFIX + "x", PREFIX + "A" * 300, PREFIX + "%00"])
def test_an_invented_reference_is_a_page_here(app: Flask, browser: FlaskClient, reference: str) -> None:
    a_client()

    assert visit(browser, reference).status_code == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": "https://evil.test"}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"scope": "email"}, "invalid_scope"),
        ({"response_type": "foo"}, "unsupported_response_type"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"request_uri": PREFIX + "x"}, "invalid_request"),
        ({"request": "garbage"}, "invalid_request_object"),
        ({"request": "garbage", "redirect_uri": None}, "invalid_request_object"),
        ({"client_id": "other"}, "invalid_client"),
    ],
)
def test_a_wrong_request_is_refused_at_once(
    app: Flask, browser: FlaskClient, changes: dict[str, Any], error: str
) -> None:
    """RFC 9126 §2.3."""
    response = push(browser, a_client(), **changes)

    assert response.status_code in {400, 401}
    assert response.json["error"] == error


def test_a_client_proves_who_it_is(app: Flask, browser: FlaskClient) -> None:
    """RFC 9126 §2.1."""
    client = a_client()

    assert push(browser, client, headers={}).status_code == 401
    assert push(browser, client, headers=basic(secret="wrong" * 9)).status_code == 401
    assert push(browser, client, headers={}, client_secret=SECRET).status_code == 401


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_requests_are_posted(app: Flask, browser: FlaskClient, method: str) -> None:
    assert getattr(browser, method)("/par").status_code == 405


@pytest.mark.parametrize("values", [{"require_pushed_authorization_requests": True}, {"profile": "fapi2"}])
def test_a_client_that_must_push_cannot_do_otherwise(app: Flask, browser: FlaskClient, values: dict[str, Any]) -> None:
    """RFC 9126 §6; FAPI 2.0 Security Profile §5.3.2.2."""
    client = a_client(**values)
    sign_in(browser, an_account())

    assert answer(authorize(browser, client))["error"] == "invalid_request"
    if client.profile == "standard":
        assert "code" in answer(visit(browser, pushed(browser, client)))


def test_a_pushed_request_survives_a_posted_visit(app: Flask, browser: FlaskClient) -> None:
    client = a_client()
    sign_in(browser, an_account())
    reference = pushed(browser, client)

    waiting = browser.post("/authorize", data={"client_id": "portal", "request_uri": reference})

    assert waiting.status_code == 303
    assert "code" in answer(browser.get(waiting.headers["Location"]))
    assert visit(browser, reference).status_code == 400


def test_a_posted_visit_does_not_lengthen_its_minute(app: Flask, browser: FlaskClient) -> None:
    """RFC 9126 §4: an expired request_uri is rejected as invalid, by whatever way the browser came."""
    client = a_client()
    sign_in(browser, an_account())
    reference = pushed(browser, client)
    waiting = browser.post("/authorize", data={"client_id": "portal", "request_uri": reference})

    provider.store.delete("pushed", reference.removeprefix(PREFIX))  # as every store does when its minute is over

    late = browser.get(waiting.headers["Location"])
    assert late.status_code == 400
    assert "Location" not in late.headers


def test_a_client_of_fapi_1_that_pushes_needs_pkce(app: Flask, browser: FlaskClient, configure: Configure) -> None:
    """FAPI 1.0 Advanced §5.2.2-18; one that sends its request by value is tied by the ID token's hashes."""
    configure(implicit=True)
    key = algorithms.generate("ES256")
    client = a_client(
        profile="fapi1_advanced",
        token_endpoint_auth_method="private_key_jwt",
        jwks={"keys": [key.as_dict(private=False)]},
        response_types=["code id_token"],
        grant_types=["authorization_code", "implicit"],
        require_pkce=False,
    )
    times = {"nbf": epoch(), "exp": epoch() + 60, "iat": epoch()}
    header = {"alg": "ES256", "kid": key.kid}
    issuer = provider.settings.issuer
    proof = {"iss": "portal", "sub": "portal", "aud": issuer, "jti": "one", **times}
    without = {"code_challenge": None, "code_challenge_method": None, "response_type": "code id_token"}
    asked = {**request_of(client, **without), "iss": "portal", "aud": issuer, **times}
    form = {
        "client_id": "portal",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": algorithms.sign(proof, key, header),
        "request": algorithms.sign(asked, key, header),
    }

    response = browser.post("/par", data=form)

    assert (response.status_code, response.json["error"]) == (400, "invalid_request")
    assert "PKCE" in response.json["error_description"]
