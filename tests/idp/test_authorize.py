"""The authorization endpoint: who is answered, who is asked, and what is checked again at the end."""

import json
import secrets
from typing import Any

import pytest
from addresses import VARIANTS
from flask import Flask
from flask.testing import FlaskClient
from oidc import CALLBACK
from oidc import a_client
from oidc import an_account
from oidc import answer
from oidc import authorize
from oidc import change
from oidc import code_for
from oidc import consent
from oidc import id_token_claims
from oidc import request_of
from oidc import sign_in
from oidc import tokens_for
from trips import Trips

from idp import assurance
from idp import interaction as interactions
from idp import session as sessions
from idp.assurance import Proof
from idp.clock import epoch
from idp.clock import now
from idp.db import db
from idp.decision import deny
from idp.decision import resume
from idp.models import Account
from idp.models import AuditEvent
from idp.models import Client
from idp.models import Consent
from idp.parameters import Parameters
from idp.provider import provider
from idp.request import parse
from idp.server import find_client


def stays(response: Any) -> bool:
    """Whether the browser was kept on a page of ours."""
    return response.status_code == 400 and "Location" not in response.headers and "text/html" in response.content_type


# Who must not be redirected anywhere


@pytest.mark.parametrize("uri", VARIANTS)
def test_no_variant_of_an_address_is_redirected_to(app: Flask, browser: FlaskClient, uri: str) -> None:
    """RFC 9700 §4.1.3; security row 2.1, CVE-2024-8883, CVE-2026-3872."""
    client = a_client()
    sign_in(browser, an_account())

    assert stays(authorize(browser, client, redirect_uri=uri))


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": None},
        {"scope": "unknown"},
        {"response_type": "foo"},
        {"response_type": "id_token"},
        {"response_type": None},
        {"client_id": "unknown"},
        {"client_id": None},
        {"code_challenge": "bad"},
        {"request": "garbage"},
        {"prompt": "none"},
        {"response_mode": "foo"},
    ],
)
def test_no_error_redirects_to_an_unregistered_address(
    app: Flask, browser: FlaskClient, changes: dict[str, str | None]
) -> None:
    """CVE-2026-44681; security row 2.3."""
    client = a_client()

    assert stays(authorize(browser, client, redirect_uri="https://evil.test", **changes))


def test_a_client_without_addresses_is_never_answered(app: Flask, browser: FlaskClient) -> None:
    """CVE-2024-52289: nothing is trusted on first use."""
    client = a_client(redirect_uris=[])
    sign_in(browser, an_account())

    response = browser.get("/authorize", query_string={**request_of(a_client("other")), "client_id": "portal"})

    assert stays(response)
    assert db.session.get(Client, client.client_id).redirect_uris == []


def test_a_disabled_client_is_answered_no_more(app: Flask, browser: FlaskClient) -> None:
    """Security row 2.70."""
    client = a_client()
    sign_in(browser, an_account())
    code_for(browser, client)

    change(client, disabled_at=now())

    assert stays(authorize(browser, client))


def test_a_request_that_is_not_utf_8_is_not_answered_by_redirect(app: Flask, browser: FlaskClient) -> None:
    a_client()

    assert stays(browser.get(f"/authorize?client_id=portal&redirect_uri={CALLBACK}&state=%ff"))


# Who is asked, and who is not


def test_without_a_session_a_page_is_due(app: Flask, browser: FlaskClient) -> None:
    response = authorize(browser, a_client())

    assert response.status_code == 303
    assert response.headers["Location"].startswith("/i/")


def test_a_signed_in_browser_is_answered_at_once(app: Flask, browser: FlaskClient) -> None:
    """Single sign-on: a new interaction starts with the session's proofs."""
    sign_in(browser, an_account())

    given = answer(authorize(browser, a_client()))

    assert set(given) == {"code", "state", "iss"}
    assert len(given["code"]) == 43


@pytest.mark.parametrize("prompt", ["login", "create", "select_account", "login consent"])
def test_a_prompt_asks_although_there_is_a_session(app: Flask, browser: FlaskClient, prompt: str) -> None:
    """OIDC Core §3.1.2.1; Initiating User Registration §4."""
    sign_in(browser, an_account())

    response = authorize(browser, a_client(), prompt=prompt)

    assert response.headers["Location"].startswith("/i/")
    assert ("/enrol/" in response.headers["Location"]) == (prompt == "create")


@pytest.mark.parametrize(("max_age", "is_asked"), [("0", True), ("30", True), ("90", False)])
def test_max_age_asks_when_the_proofs_are_too_old(
    app: Flask, browser: FlaskClient, max_age: str, is_asked: bool
) -> None:
    """OIDC Core §3.1.2.1"""
    sign_in(browser, an_account(), at=epoch() - 60)

    location = authorize(browser, a_client(), max_age=max_age).headers["Location"]

    assert location.startswith("/i/") == is_asked


def test_the_registered_max_age_asks_too(app: Flask, browser: FlaskClient) -> None:
    """OIDC Registration §2: default_max_age."""
    sign_in(browser, an_account(), at=epoch() - 60)

    assert authorize(browser, a_client(default_max_age=30)).headers["Location"].startswith("/i/")


def test_prompt_none_never_shows_a_page(app: Flask, browser: FlaskClient) -> None:
    """OIDC Core §3.1.2.6; security row 2.9."""
    client = a_client()

    signed_out = answer(authorize(browser, client, prompt="none"))
    sign_in(browser, an_account(), at=epoch() - 60)
    too_old = answer(authorize(browser, client, prompt="none", max_age="10"))
    young = answer(authorize(browser, client, prompt="none", max_age="10000"))

    assert signed_out["error"] == too_old["error"] == "login_required"
    assert signed_out["state"] == "state-1"
    assert "code" in young


def test_prompt_none_with_a_password_alone_is_not_enough(app: Flask, browser: FlaskClient) -> None:
    """Decision 8: a second factor is demanded of everybody; security row 2.10."""
    sign_in(browser, an_account(), "pwd")

    given = answer(authorize(browser, a_client(), prompt="none"))

    assert given["error"] in {"login_required", "interaction_required"}


def test_the_session_of_another_person_answers_no_hint(app: Flask, browser: FlaskClient) -> None:
    """OIDC Core §3.1.2.1; security row 2.11."""
    client = a_client()
    sign_in(browser, an_account("anna@example.ch"))
    hint = tokens_for(browser, client)["id_token"]
    sign_in(browser, an_account("berta@example.ch"))

    silent = answer(authorize(browser, client, prompt="none", id_token_hint=hint))
    shown = authorize(browser, client, id_token_hint=hint)

    assert silent["error"] == "login_required"
    assert shown.headers["Location"].startswith("/i/")


def test_a_hint_of_the_same_person_is_answered_silently(app: Flask, browser: FlaskClient) -> None:
    client = a_client()
    session = sign_in(browser, an_account(), at=epoch() - 60)
    hint = tokens_for(browser, client)["id_token"]

    given = answer(authorize(browser, client, prompt="none", max_age="10000", id_token_hint=hint))
    claims = id_token_claims(tokens_for(browser, client, id_token_hint=hint)["id_token"])

    assert "code" in given
    assert claims["auth_time"] == session.proofs[0].at
    assert claims["sub"] == session.account_id


def test_a_hint_must_be_an_id_token_of_this_client(app: Flask, browser: FlaskClient) -> None:
    """RFC 8725; security rows 2.23 and V16."""
    client, other = a_client(), a_client("other")
    sign_in(browser, an_account())
    given = tokens_for(browser, client)
    foreign = given["id_token"][:-6] + "AAAAAA"

    for hint in ("x", "a.b.c", foreign, given["access_token"], "eyJhbGciOiJub25lIn0.e30."):
        assert answer(authorize(browser, client, id_token_hint=hint))["error"] == "invalid_request"
    of_another = authorize(browser, other, id_token_hint=given["id_token"])
    assert answer(of_another)["error"] == "invalid_request"


def test_a_subject_demanded_by_the_claims_parameter_is_obeyed(app: Flask, browser: FlaskClient) -> None:
    """OIDC Core §3.1.2.2: a positive response only if that end-user has an active session."""
    client, account = a_client(), an_account()
    sign_in(browser, account)

    def ask(sub: str) -> dict[str, str]:
        claims = json.dumps({"id_token": {"sub": {"value": sub}}})
        return answer(authorize(browser, client, prompt="none", claims=claims))

    assert "code" in ask(account.id)
    assert ask("somebody-else")["error"] == "login_required"


# POST


def test_a_posted_request_is_answered_after_a_get(app: Flask, browser: FlaskClient) -> None:
    """OIDC Core §3.1.2.1: POST MUST be supported; decision 10."""
    client, state = a_client(), 'a b"<é%&+'
    sign_in(browser, an_account())

    posted = browser.post("/authorize", data=request_of(client, state=state))
    followed = browser.get(posted.headers["Location"])

    assert posted.status_code == 303
    assert posted.headers["Location"].startswith("/authorize?posted_request=")
    assert "Set-Cookie" not in posted.headers
    assert answer(followed)["state"] == state
    assert "code" in answer(followed)


def test_a_posted_request_is_kept_where_nobody_can_read_it(app: Flask, browser: FlaskClient) -> None:
    """A login hint may be an AHV number or an address."""
    posted = browser.post("/authorize", data=request_of(a_client(), login_hint="7569217076985"))
    handle = posted.headers["Location"].partition("posted_request=")[2]

    kept = provider.store.get("posted_authorization", handle)

    assert "7569217076985" not in json.dumps(kept)


def test_a_bad_posted_request_is_refused_at_once(app: Flask, browser: FlaskClient) -> None:
    client = a_client()

    assert answer(browser.post("/authorize", data=request_of(client, scope="email")))["error"] == "invalid_scope"
    assert stays(browser.post("/authorize", data=request_of(client, redirect_uri="https://evil.test")))
    assert stays(browser.post("/authorize?state=x", data=request_of(client)))
    assert stays(browser.post("/authorize", json=request_of(client)))


def test_head_is_safe_and_not_for_what_acts(app: Flask, browser: FlaskClient) -> None:
    """RFC 9110 §9.2.1: who asks what a link is like signs nobody in."""
    sign_in(browser, an_account())

    response = browser.head("/authorize", query_string=request_of(a_client()))

    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"GET", "POST"}


def test_a_handle_that_never_was_is_not_answered(app: Flask, browser: FlaskClient) -> None:
    assert stays(browser.get("/authorize?posted_request=" + secrets.token_urlsafe(16)))
    assert stays(browser.get("/authorize?posted_request=" + "x" * 5000))


# The decision: what the flows propose is checked again


def interaction_of(client: Client, account: Account, *proofs: Proof, **changes: Any) -> interactions.Interaction:
    params = Parameters(request_of(client, **changes).items())
    request = parse(params, find_client)
    interaction = interactions.begin("sign_in", request=request, client_id=client.client_id, session=None)
    interaction.account_id, interaction.proofs = account.id, list(proofs)
    interaction.proven_at = {proof.method: float(proof.at) for proof in proofs}
    return interaction


def both(at: int | None = None) -> tuple[Proof, Proof]:
    moment = epoch() if at is None else at
    return Proof("pwd", moment), Proof("sms", moment)


def decided(app: Flask, interaction: interactions.Interaction) -> dict[str, str]:
    with app.test_request_context():
        return answer(resume(interaction))  # type: ignore[arg-type]


def test_enough_proofs_bring_a_code(app: Flask) -> None:
    assert "code" in decided(app, interaction_of(a_client(), an_account(), *both()))


@pytest.mark.parametrize(
    ("proofs", "error"),
    [
        ((), "login_required"),
        ((Proof("pwd", epoch() + 10**6),), "unmet_authentication_requirements"),
        ((Proof("sms", epoch() + 10**6),), "unmet_authentication_requirements"),
        ((Proof("email", epoch() + 10**6), Proof("pwd", epoch() + 10**6)), "unmet_authentication_requirements"),
    ],
)
def test_too_few_proofs_bring_none(app: Flask, proofs: tuple[Proof, ...], error: str) -> None:
    """The flows propose, the authorize endpoint decides; security row 2.10, decision 25."""
    given = decided(app, interaction_of(a_client(), an_account(), *proofs))

    assert given["error"] == error
    assert given["state"] == "state-1"


def test_a_client_minimum_wins_over_the_request(app: Flask) -> None:
    """Security row 2.10."""
    client = a_client(minimum_acr=assurance.PHISHING_RESISTANT)
    account = an_account()

    weak = decided(app, interaction_of(client, account, *both(), acr_values=assurance.PASSWORD))
    strong = decided(app, interaction_of(client, account, Proof("hwk", epoch())))

    assert weak["error"] == "unmet_authentication_requirements"
    assert "code" in strong


@pytest.mark.parametrize("wanted", [assurance.PHISHING_RESISTANT, "urn:unknown", 1, {"a": "b"}, "x" * 300])
def test_an_essential_acr_that_was_not_reached_is_an_error(app: Flask, wanted: str) -> None:
    """OIDC Core §5.5.1.1: the authentication attempt is treated as failed."""
    claims = json.dumps({"id_token": {"acr": {"essential": True, "values": [wanted]}}})

    given = decided(app, interaction_of(a_client(), an_account(), *both(), claims=claims))

    assert given["error"] == "unmet_authentication_requirements"


@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": "30"}, {"prompt": "select_account"}])
def test_old_proofs_do_not_pass_for_a_fresh_sign_in(app: Flask, changes: dict[str, str]) -> None:
    """OIDC Core §3.1.2.1: re-authentication cannot be skipped; security row 2.9."""
    old = interaction_of(a_client(), an_account(), *both(epoch() - 60), **changes)

    assert decided(app, old)["error"] == "login_required"


def test_an_expected_person_must_be_the_one(app: Flask) -> None:
    """Security row 2.11: no code for B where A was hinted at."""
    anna, berta = an_account("anna@example.ch"), an_account("berta@example.ch")
    client = a_client()
    claims = json.dumps({"id_token": {"sub": {"value": anna.id}}})

    assert "code" in decided(app, interaction_of(client, anna, *both(), claims=claims))
    assert decided(app, interaction_of(client, berta, *both(), claims=claims))["error"] == "login_required"


def test_a_disabled_account_gets_no_code(app: Flask) -> None:
    """CVE-2025-29928; security row V29."""
    account = an_account(disabled_at=now())

    assert decided(app, interaction_of(a_client(), account, *both()))["error"] == "access_denied"


def test_proofs_from_before_an_end_all_do_not_count(app: Flask) -> None:
    """Decision 11; security row 2.40."""
    account = an_account()
    interaction = interaction_of(a_client(), account, *both(epoch() - 5))

    change(account, sessions_valid_after=now())

    assert decided(app, interaction)["error"] == "login_required"


def test_proofs_of_a_session_that_was_signed_out_meanwhile_do_not_count(app: Flask) -> None:
    """Security row 2.36."""
    interaction = interaction_of(a_client(), an_account(), *both(epoch() - 5))
    interaction.sid, interaction.proven_at = "the-session-they-came-from", {}

    assert decided(app, interaction)["error"] == "login_required"


def test_a_client_disabled_meanwhile_is_not_answered(app: Flask) -> None:
    """Security row 2.70."""
    client = a_client()
    interaction = interaction_of(client, an_account(), *both())

    change(client, disabled_at=now())

    with app.test_request_context():
        assert stays(resume(interaction))


def test_an_address_withdrawn_meanwhile_is_not_answered(app: Flask) -> None:
    """Security row 2.70."""
    client = a_client()
    interaction = interaction_of(client, an_account(), *both())

    change(client, redirect_uris=["https://rp.example/other"])

    with app.test_request_context():
        assert stays(resume(interaction))


@pytest.mark.parametrize("change_to", [{"redirect_uris": ["https://rp.example/other"]}, {"disabled_at": now()}])
def test_no_error_goes_to_an_address_withdrawn_meanwhile_either(
    app: Flask, browser: FlaskClient, change_to: dict[str, Any]
) -> None:
    """Security row 2.70: «Annuler», and a posted request of which the browser comes back later."""
    client = a_client()
    interaction = interaction_of(client, an_account())
    posted = browser.post("/authorize", data=request_of(client, prompt="none")).headers["Location"]

    change(client, **change_to)

    with app.test_request_context():
        assert stays(deny(interaction))
    assert stays(browser.get(posted))


def test_other_peoples_applications_need_a_consent(app: Flask) -> None:
    """Decision 7; security row 2.34."""
    client, account = a_client(first_party=False), an_account()

    def ask(scope: str) -> dict[str, str]:
        return decided(app, interaction_of(client, account, *both(), scope=scope))

    unasked = ask("openid email")
    consent(account, client, "openid email")

    assert unasked["error"] == "consent_required"
    assert "code" in ask("openid email")
    assert ask("openid email profile")["error"] == "consent_required"


@pytest.mark.parametrize("member", ["userinfo", "id_token"])
def test_claims_asked_for_one_by_one_need_a_consent_too(app: Flask, member: str) -> None:
    """OIDC Core §5.5: the claims parameter is no way around the page that names what will be sent."""
    client, account = a_client(first_party=False), an_account()
    asked = json.dumps({member: {"phone_number": None}})
    consent(account, client, "openid")

    unasked = decided(app, interaction_of(client, account, *both(), claims=asked))
    change(db.session.get(Consent, (account.id, client.client_id)), scope=["openid", "phone"])

    assert unasked["error"] == "consent_required"
    assert "code" in decided(app, interaction_of(client, account, *both(), claims=asked))


def test_no_means_access_denied(app: Flask) -> None:
    """RFC 6749 §4.1.2.1"""
    interaction = interaction_of(a_client(), an_account())

    with app.test_request_context():
        given = answer(deny(interaction))  # type: ignore[arg-type]

    assert given["error"] == "access_denied"
    assert given["state"] == "state-1"


# The session


def test_a_sign_in_begins_a_session_under_a_new_id(app: Flask, browser: FlaskClient) -> None:
    """ASVS V7.2.4; security row 2.44: a planted id never becomes signed in."""
    client, account = a_client(), an_account()
    browser.set_cookie("idp_session", "planted-by-somebody-else")

    with app.test_request_context(headers={"Cookie": "idp_session=planted-by-somebody-else"}):
        response = resume(interaction_of(client, account, *both()))

    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("idp_session=")
    assert "planted" not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert answer(authorize(browser, client, prompt="none"))["error"] == "login_required"


def test_signing_in_again_keeps_the_name_of_the_session_and_retires_its_id(app: Flask, browser: FlaskClient) -> None:
    client, account = a_client(), an_account()
    before = sign_in(browser, account, at=epoch() - 60)
    old = browser.get_cookie("idp_session").value

    with app.test_request_context(headers={"Cookie": f"idp_session={old}"}):
        response = resume(interaction_of(client, account, *both()))
    new = response.headers["Set-Cookie"].partition("=")[2].partition(";")[0]

    with app.test_request_context(headers={"Cookie": f"idp_session={new}"}):
        session = sessions.current()
    with app.test_request_context(headers={"Cookie": f"idp_session={old}"}):
        assert sessions.current() is None
    assert session is not None
    assert session.sid == before.sid
    assert session.clients == ["portal"]
    assert session.proofs[0].at > before.proofs[0].at


def test_another_person_gets_a_session_of_another_name(app: Flask, browser: FlaskClient) -> None:
    client = a_client()
    before = sign_in(browser, an_account("anna@example.ch"))
    old = browser.get_cookie("idp_session").value
    berta = an_account("berta@example.ch")

    with app.test_request_context(headers={"Cookie": f"idp_session={old}"}):
        response = resume(interaction_of(client, berta, *both()))
    new = response.headers["Set-Cookie"].partition("=")[2].partition(";")[0]

    with app.test_request_context(headers={"Cookie": f"idp_session={new}"}):
        session = sessions.current()
    assert session is not None
    assert session.account_id == berta.id
    assert session.sid != before.sid


def test_a_silent_sign_in_keeps_its_cookie(app: Flask, browser: FlaskClient) -> None:
    sign_in(browser, an_account())

    response = authorize(browser, a_client(), prompt="none")

    assert "idp_session" not in response.headers.get("Set-Cookie", "")


def test_a_session_ends_with_its_account(app: Flask, browser: FlaskClient) -> None:
    """Security row V29: within a second, whatever the store says."""
    client, account = a_client(), an_account()
    sign_in(browser, account)
    change(account, disabled_at=now())

    assert answer(authorize(browser, client, prompt="none"))["error"] == "login_required"


def test_a_sign_in_is_recorded_without_personal_data(app: Flask, browser: FlaskClient) -> None:
    account = an_account()
    sign_in(browser, account)

    code = code_for(browser, a_client())

    db.session.rollback()
    line = db.session.query(AuditEvent).filter_by(event="authorization").one()
    assert (line.account_id, line.client_id) == (account.id, "portal")
    assert code not in json.dumps([str(value) for value in vars(line).values()])


# A visit of our own


def a_visit(account: Account, *proofs: Proof) -> interactions.Interaction:
    interaction = interactions.begin("sign_in", request=None, client_id=None, session=None)
    interaction.account_id, interaction.proofs = account.id, list(proofs)
    return interaction


def test_a_visit_ends_at_the_default_application(app: Flask) -> None:
    """OIDC Core §4; decision 16."""
    a_client(is_default=True, initiate_login_uri="https://rp.example/login")

    with app.test_request_context():
        response = resume(a_visit(an_account(), *both()))

    assert response.headers["Location"] == "https://rp.example/login?iss=http%3A%2F%2Flocalhost%3A8400"
    assert "idp_session" in response.headers["Set-Cookie"]


def test_without_a_default_application_a_visit_ends_at_the_fund(app: Flask) -> None:
    with app.test_request_context():
        response = resume(a_visit(an_account(), *both()))

    assert response.headers["Location"] == provider.settings.fund_url


def test_a_visit_without_enough_proofs_begins_anew(app: Flask) -> None:
    for proofs in ((), (Proof("pwd", epoch()),)):
        with app.test_request_context():
            response = resume(a_visit(an_account(), *proofs))
        assert response.headers["Location"] == "/signin"
        assert "Set-Cookie" not in response.headers


# Round trips


def test_a_silent_sign_in_makes_few_round_trips(
    app: Flask, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Client, account, its factors and one audit row in SQL; the session read and the code written in the store."""
    sign_in(browser, an_account())
    params = request_of(a_client(), prompt="none")
    browser.get("/authorize", query_string=params)
    trips = Trips(app, monkeypatch)
    trips.forget()

    response = browser.get("/authorize", query_string=params)

    assert "code" in answer(response)
    assert trips.store == ["get session", "put code"]
    reads = [statement for statement in trips.sql if statement.startswith("SELECT")]
    writes = [statement for statement in trips.sql if statement.startswith(("INSERT", "UPDATE", "DELETE"))]
    assert len(reads) <= 4, reads
    assert len(writes) == 1, writes
