"""The device grant: a code typed in a browser lets another device in (RFC 8628)."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from oidc import Configure
from oidc import a_client
from oidc import an_account
from oidc import basic
from oidc import change
from oidc import is_error
from oidc import sign_in
from proofs import dpop
from proofs import presented
from visitor import Browser
from visitor import Page
from visitor import Visitor
from werkzeug.test import TestResponse

from idp import decoupled
from idp import endings
from idp import subjects
from idp.clock import now
from idp.details_type import DetailsType
from idp.models import Client
from idp.protected_resource import ProtectedResource
from idp.provider import provider

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def a_device(**values: Any) -> Client:
    given = {"grant_types": [GRANT, "refresh_token"], "response_types": [], "redirect_uris": []}
    return a_client("television", **{**given, **values})


def begin(browser: Browser, **more: str) -> dict[str, Any]:
    form = {"scope": "openid email", **more}
    response = browser.post("/device_authorization", data=form, headers=basic("television"))
    assert response.status_code == 200, response.text
    return dict(response.json or {})


def poll(browser: Browser, begun: dict[str, Any], client_id: str = "television") -> TestResponse:
    form = {"grant_type": GRANT, "device_code": begun["device_code"]}
    return browser.post("/token", data=form, headers=basic(client_id))


def later(begun: dict[str, Any]) -> None:
    """As if the device had waited between two questions."""
    provider.store.delete("decoupled_question", decoupled._name(begun["device_code"]))


def visit_of(page: Page) -> str:
    """The address of the visit that a page belongs to."""
    return page.url.rsplit("/", 2)[0]


def allow(visitor: Visitor, begun: dict[str, Any]) -> None:
    page = visitor.answer(visitor.open("/device"), user_code=begun["user_code"])
    page = visitor.answer(page)
    assert page.says("device.done.h1")


def test_a_device_waits_and_gets_tokens_once(app: Flask, visitor: Visitor) -> None:
    client, account = a_device(), an_account()
    device = Browser(app)
    begun = begin(device)

    assert begun["verification_uri"].endswith("/device")
    assert poll(device, begun).json["error"] == "authorization_pending"
    sign_in(visitor.browser, account)
    allow(visitor, begun)
    later(begun)
    first = poll(device, begun)
    later(begun)

    assert first.status_code == 200
    assert set(first.json) >= {"access_token", "id_token", "token_type"}
    userinfo = device.get("/userinfo", headers={"Authorization": f"Bearer {first.json['access_token']}"})
    assert userinfo.json["sub"] == subjects.of(account.id, client)
    assert poll(device, begun).json["error"] == "invalid_grant"


def test_signing_out_of_the_browser_leaves_the_device_its_answer(app: Flask, visitor: Visitor) -> None:
    """The person allows a device and signs out of the computer at which that was done: the device goes on."""
    a_device()
    device = Browser(app)
    begun = begin(device)
    session = sign_in(visitor.browser, an_account())
    allow(visitor, begun)
    endings.end_session(session.sid)
    later(begun)

    token = poll(device, begun).json["access_token"]

    assert device.get("/userinfo", headers={"Authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize("seconds", [10, decoupled.SECONDS - 60])
def test_a_consent_that_was_withdrawn_leaves_the_device_nothing(app: Flask, visitor: Visitor, seconds: int) -> None:
    """RFC 8628 §3.5: it may fetch its answer for longer than an access token lives."""
    a_device()
    device, account = Browser(app), an_account()
    begun = begin(device)
    sign_in(visitor.browser, account)
    allow(visitor, begun)
    endings.end_consent(account.id, "television")

    with time_machine.travel(now() + timedelta(seconds=seconds)):
        assert poll(device, begun).json["error"] == "invalid_grant"


def test_only_the_device_that_asked_gets_an_answer(app: Flask, visitor: Visitor) -> None:
    a_device()
    a_client("other", grant_types=[GRANT])
    device = Browser(app)
    begun = begin(device)

    assert poll(device, begun, "other").json["error"] == "invalid_grant"
    assert poll(device, {"device_code": "A" * 43}).json["error"] == "invalid_grant"
    assert device.post("/token", data={"grant_type": GRANT}, headers=basic("television")).json["error"] == (
        "invalid_request"
    )


def test_a_device_that_asks_too_often_is_told_to_slow_down(app: Flask) -> None:
    """RFC 8628 §3.5; Authlib gap 14."""
    a_device()
    device = Browser(app)
    begun = begin(device)

    assert [poll(device, begun).json["error"] for _ in range(3)] == ["authorization_pending", "slow_down", "slow_down"]


def test_the_interval_grows_with_each_question_that_comes_too_soon(app: Flask) -> None:
    """RFC 8628 §3.5: five seconds more, for this and all later ones; who keeps the first interval never waits."""
    if provider.settings.redis_url:
        pytest.skip("Redis has a clock of its own")
    a_device()
    device = Browser(app)
    begun, moment, said = begin(device), now(), {}

    for second in (0, 5, 10, 11, 16, 31):
        with time_machine.travel(moment + timedelta(seconds=second), tick=False):
            said[second] = poll(device, begun).json["error"]

    assert [second for second, error in said.items() if error == "slow_down"] == [11, 16]
    assert said[31] == "authorization_pending"


def test_a_question_that_asks_for_too_much_spends_nothing(app: Flask, visitor: Visitor) -> None:
    a_device()
    device = Browser(app)
    begun = begin(device)
    sign_in(visitor.browser, an_account())
    allow(visitor, begun)

    form = {"grant_type": GRANT, "device_code": begun["device_code"], "resource": "https://other.example"}
    assert device.post("/token", data=form, headers=basic("television")).json["error"] == "invalid_target"
    assert poll(device, begun).status_code == 200


def test_a_question_spends_nothing_while_the_client_has_no_key(app: Flask, visitor: Visitor) -> None:
    """RFC 9110 §15.6.4: an ID token that cannot be encrypted for now is no fault of the question."""
    client = a_device(id_token_encrypted_response_alg="ECDH-ES")
    device = Browser(app)
    begun = begin(device)
    sign_in(visitor.browser, an_account())
    allow(visitor, begun)

    assert is_error(poll(device, begun), "server_error", 503)
    change(client, id_token_encrypted_response_alg=None)
    assert poll(device, begun).status_code == 200


def test_whoever_knows_the_name_of_a_client_cannot_fill_the_store(app: Flask) -> None:
    a_device(token_endpoint_auth_method="none")
    device = Browser(app)
    form = {"scope": "openid", "client_id": "television"}

    answers = [device.post("/device_authorization", data=form) for _ in range(62)]

    assert [each.status_code for each in answers] == [200] * 60 + [429] * 2
    assert answers[-1].json == {"error": "temporarily_unavailable"}
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 3600


def test_a_request_expires(app: Flask) -> None:
    a_device()
    device = Browser(app)
    begun = begin(device)
    name = decoupled._name(begun["device_code"])
    kept = provider.store.get("decoupled", name)
    assert kept
    provider.store.put("decoupled", name, {**kept, "ends_at": 1}, 60)

    assert poll(device, begun).json["error"] == "expired_token"
    assert decoupled.find_by_user_code(begun["user_code"]) is None


@pytest.mark.parametrize(
    "spell", [str.lower, lambda code: code.replace("-", " "), lambda code: f"  {code[:2]} {code[2:]}"]
)
def test_a_code_may_be_spelled_in_any_way(app: Flask, visitor: Visitor, spell: Callable[[str], str]) -> None:
    a_device()
    begun = begin(Browser(app))

    page = visitor.answer(visitor.open("/device"), user_code=spell(begun["user_code"]))

    assert page.url.endswith("/sign_in/credentials")


@pytest.mark.parametrize("typed", ["", "BCDF", "BCDF-GHJK", "x" * 500, "<script>", "\x00", "１２３"])
def test_a_wrong_code_is_said_at_its_field(app: Flask, visitor: Visitor, typed: str) -> None:
    page = visitor.answer(visitor.open("/device"), user_code=typed)

    assert page.status == 422
    assert page.says("device.err.unknown") or page.says("device.err.empty")


def test_a_code_in_the_address_is_still_to_be_confirmed(app: Flask, visitor: Visitor) -> None:
    """RFC 8628 §3.3.1, §5.4."""
    a_device()
    begun = begin(Browser(app))

    page = visitor.open("/device", user_code=begun["user_code"])

    assert "user_code=" not in page.url
    assert f'value="{begun["user_code"]}"' in page.text


def test_a_person_who_refuses_tells_the_device(app: Flask, visitor: Visitor) -> None:
    a_device()
    device = Browser(app)
    begun = begin(device)
    sign_in(visitor.browser, an_account())
    asked = visitor.answer(visitor.open("/device"), user_code=begun["user_code"])
    assert asked.says("device.ask")
    assert f'formaction="{visit_of(asked)}/cancel"' in asked.text

    page = visitor.post(f"{visit_of(asked)}/cancel", **asked.form()[1])

    assert page.says("device.refused.h1")
    assert poll(device, begun).json["error"] == "access_denied"
    assert visitor.answer(asked).says("device.refused.h1"), "a later yes does not count, and is not said to"


def test_no_link_refuses_for_the_person(app: Flask, visitor: Visitor) -> None:
    """Decision 15: a GET changes nothing; «Annuler» asks, and the answer is a form of ours."""
    a_device()
    device = Browser(app)
    begun = begin(device)
    page = visitor.answer(visitor.open("/device"), user_code=begun["user_code"])

    asked = visitor.open(f"{visit_of(page)}/cancel")
    forged = visitor.post(f"{visit_of(page)}/cancel", csrf_token="0" * 64)

    assert forged.status == 400
    assert poll(device, begun).json["error"] == "authorization_pending"
    assert asked.says("device.cancel.h1")
    assert visitor.open(asked.link("/credentials")).status == 200
    assert visitor.answer(asked).says("device.refused.h1")
    later(begun)
    assert poll(device, begun).json["error"] == "access_denied"


def test_consent_is_asked_also_for_an_application_of_the_fund(app: Flask, visitor: Visitor) -> None:
    """RFC 8628 §5.4: who typed a stranger's code sees what would happen."""
    client = a_device(first_party=True)
    begun = begin(Browser(app))
    sign_in(visitor.browser, an_account())

    page = visitor.answer(visitor.open("/device"), user_code=begun["user_code"])

    assert page.url.endswith("/consent/agreement")
    assert client.client_name["en"] in page.text


def test_everything_that_would_be_allowed_is_shown(app: Flask, visitor: Visitor, configure: Configure) -> None:
    """The page is all that stands between a person and a stranger's code: for an application of the fund, too."""
    words = {language: f"{language}: change benefits" for language in ("de", "fr", "it", "en")}
    described = ProtectedResource(uri="https://api.fund.example", scopes=("change", "bare"), words={"change": words})
    configure(resources=(described,), authorization_details_types=(DetailsType(type="iban_change"),))
    a_device(first_party=True, scope=["openid", "change", "bare"], authorization_details_types=["iban_change"])
    begun = begin(Browser(app), scope="openid change bare")
    sign_in(visitor.browser, an_account())

    page = visitor.answer(visitor.open("/device"), user_code=begun["user_code"])

    assert re.findall(r"<li>([^<]*)</li>", page.response.text)[-2:] == ["fr: change benefits", "bare"]
    form = {"scope": "openid", "authorization_details": '[{"type": "iban_change", "iban": "CH00"}]'}
    refused = Browser(app).post("/device_authorization", data=form, headers=basic("television"))
    assert refused.status_code == 400
    assert refused.json["error"] == "invalid_authorization_details"


def test_the_first_answer_counts(app: Flask, visitor: Visitor, another: Callable[[], Visitor]) -> None:
    a_device()
    device = Browser(app)
    begun = begin(device)
    account = an_account()
    sign_in(visitor.browser, account)
    second = another()
    sign_in(second.browser, account)
    one = visitor.answer(visitor.open("/device"), user_code=begun["user_code"])
    two = second.answer(second.open("/device"), user_code=begun["user_code"])

    second.post(f"{visit_of(two)}/cancel", **two.form()[1])

    assert visitor.answer(one).says("device.refused.h1")
    assert poll(device, begun).json["error"] == "access_denied"


def test_a_second_yes_is_told_of_the_first(app: Flask, visitor: Visitor, another: Callable[[], Visitor]) -> None:
    a_device()
    device = Browser(app)
    begun = begin(device)
    account = an_account()
    second = another()
    sign_in(visitor.browser, account)
    sign_in(second.browser, account)
    one = visitor.answer(visitor.open("/device"), user_code=begun["user_code"])
    two = second.answer(second.open("/device"), user_code=begun["user_code"])

    visitor.answer(one)
    assert poll(device, begun).status_code == 200

    assert second.answer(two).says("device.done.h1")


def test_a_code_that_was_answered_is_over(app: Flask, visitor: Visitor, another: Callable[[], Visitor]) -> None:
    """Nobody else is led to a confirmation that could not count, and be told that it did (RFC 8628 §6.1)."""
    a_device()
    begun = begin(Browser(app))
    sign_in(visitor.browser, an_account())
    allow(visitor, begun)
    second = another()

    page = second.answer(second.open("/device"), user_code=begun["user_code"])

    assert page.status == 422
    assert page.says("device.err.unknown")


def test_who_confirms_too_late_is_not_told_that_it_is_confirmed(app: Flask, visitor: Visitor) -> None:
    a_device()
    device = Browser(app)
    begun = begin(device)
    sign_in(visitor.browser, an_account())
    page = visitor.answer(visitor.open("/device"), user_code=begun["user_code"])
    name = decoupled._name(begun["device_code"])
    kept = provider.store.get("decoupled", name)
    assert kept
    provider.store.put("decoupled", name, {**kept, "ends_at": 1}, 60)

    assert visitor.answer(page).says("device.refused.h1")
    assert poll(device, begun).json["error"] == "expired_token"


def test_a_client_without_the_grant_gets_no_code(app: Flask) -> None:
    a_device(grant_types=["authorization_code"])

    response = Browser(app).post("/device_authorization", data={"scope": "openid"}, headers=basic("television"))

    assert response.json["error"] == "unauthorized_client"


def test_a_refresh_token_comes_with_offline_access(app: Flask, visitor: Visitor) -> None:
    a_device()
    device = Browser(app)
    begun = begin(device, scope="openid offline_access")
    sign_in(visitor.browser, an_account())
    allow(visitor, begun)

    given = poll(device, begun).json
    again = device.post(
        "/token",
        data={"grant_type": "refresh_token", "refresh_token": given["refresh_token"]},
        headers=basic("television"),
    )

    assert again.status_code == 200


def test_the_tokens_of_a_device_are_bound_to_its_key(app: Flask, visitor: Visitor) -> None:
    """RFC 9449 §5: any grant type."""
    a_device(dpop_bound_access_tokens=True)
    device = Browser(app)
    begun = begin(device)
    sign_in(visitor.browser, an_account())
    allow(visitor, begun)

    form = {"grant_type": GRANT, "device_code": begun["device_code"]}
    unbound = device.post("/token", data=form, headers=basic("television"))
    given = device.post("/token", data=form, headers={**basic("television"), **dpop()}).json

    assert unbound.json["error"] == "invalid_dpop_proof"
    assert given["token_type"] == "DPoP"
    stolen = device.get("/userinfo", headers={"Authorization": f"Bearer {given['access_token']}"})
    assert stolen.status_code == 401
    assert device.get("/userinfo", headers=presented(given["access_token"])).status_code == 200
