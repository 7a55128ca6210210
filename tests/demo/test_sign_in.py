"""The portal as a relying party: what it asks, and what it refuses to believe."""

from urllib.parse import parse_qsl
from urllib.parse import urlsplit

import pytest
from fake_provider import FakeProvider
from flask import Flask
from flask.testing import FlaskClient
from joserfc.jwk import ECKey
from werkzeug.test import TestResponse


def asked(answer: TestResponse) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(answer.location).query))


def come_back(browser: FlaskClient, provider: FakeProvider, **changes: str | None) -> TestResponse:
    return browser.get("/callback", query_string=provider.answer(browser.get("/login").location, **changes))


def is_signed_in(browser: FlaskClient) -> bool:
    return browser.get("/pension").status_code == 200


def test_a_sign_in_asks_for_a_code_with_pkce_state_and_nonce(browser: FlaskClient, provider: FakeProvider) -> None:
    answer = browser.get("/login")

    request = asked(answer)
    assert answer.location.startswith(f"{provider.issuer}/authorize?")
    assert request["response_type"] == "code"
    assert request["code_challenge_method"] == "S256"
    assert len(request["code_challenge"]) == 43
    assert len(request["state"]) >= 20
    assert len(request["nonce"]) >= 20
    assert request["redirect_uri"] == "http://localhost:8401/callback"
    assert request["scope"].split() == ["openid", "profile", "email", "phone", "pension"]
    assert "prompt" not in request


def test_every_sign_in_has_values_of_its_own(browser: FlaskClient) -> None:
    first, second = asked(browser.get("/login")), asked(browser.get("/login"))

    assert all(first[name] != second[name] for name in ("state", "nonce", "code_challenge"))


def test_registration_asks_the_provider_to_create_an_account(browser: FlaskClient) -> None:
    """OIDC Initiating User Registration §4: `prompt=create`."""
    assert asked(browser.get("/register"))["prompt"] == "create"


@pytest.mark.parametrize("language", ["de", "fr", "it", "en"])
def test_the_chosen_language_travels_along(browser: FlaskClient, language: str) -> None:
    browser.get("/", query_string={"lang": language})

    assert asked(browser.get("/login"))["ui_locales"] == language


def test_a_proven_person_reaches_the_pension_page(signed_in: FlaskClient) -> None:
    page = signed_in.get("/pension")

    assert page.status_code == 200
    assert "Élisabeth Rochat" in page.text


def test_the_verifier_that_is_sent_fits_the_challenge(signed_in: FlaskClient, provider: FakeProvider) -> None:
    """RFC 7636 §4.6: the fake provider computes the challenge and refuses any other verifier."""
    assert len(provider.token_requests) == 1
    assert len(provider.token_requests[0]["code_verifier"]) >= 43


def test_without_a_sign_in_the_pension_page_begins_one(browser: FlaskClient) -> None:
    answer = browser.get("/pension")

    assert (answer.status_code, answer.location) == (303, "/login")


def test_an_answer_with_an_unknown_state_is_refused(browser: FlaskClient, provider: FakeProvider) -> None:
    answer = come_back(browser, provider, state="somebody-elses")

    assert answer.status_code == 400
    assert not is_signed_in(browser)
    assert provider.token_requests == []


def test_an_answer_meant_for_another_browser_is_refused(portal: Flask, provider: FakeProvider) -> None:
    """RFC 9700 §4.7: a code injected by a link signs nobody in."""
    mine, theirs = portal.test_client(), portal.test_client()
    theirs.get("/login")

    answer = theirs.get("/callback", query_string=provider.answer(mine.get("/login").location))

    assert answer.status_code == 400
    assert not is_signed_in(theirs)


@pytest.mark.parametrize("issuer", [None, "https://evil.example", "http://localhost"])
def test_an_answer_must_name_the_issuer_that_was_asked(
    browser: FlaskClient, provider: FakeProvider, issuer: str | None
) -> None:
    """RFC 9207 §2.4."""
    answer = come_back(browser, provider, iss=issuer)

    assert answer.status_code == 400
    assert not is_signed_in(browser)
    assert provider.token_requests == []


def test_a_provider_without_rfc_9207_may_leave_the_issuer_out(browser: FlaskClient, provider: FakeProvider) -> None:
    provider.metadata = {"authorization_response_iss_parameter_supported": False}

    answer = come_back(browser, provider, iss=None)

    assert answer.status_code == 303
    assert is_signed_in(browser)


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", "https://evil.example"),
        ("aud", "another-client"),
        ("aud", None),
        ("nonce", "another-nonce"),
        ("nonce", None),
        ("exp", 1_000_000_000),
        ("sub", None),
        ("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"),
    ],
)
def test_a_doubtful_id_token_signs_nobody_in(
    browser: FlaskClient, provider: FakeProvider, claim: str, value: object
) -> None:
    """OIDC Core §3.1.3.7."""
    provider.id_token = {claim: value}

    answer = come_back(browser, provider)

    assert answer.status_code == 400
    assert not is_signed_in(browser)


def test_an_id_token_for_another_client_signs_nobody_in_even_if_it_names_us_too(
    browser: FlaskClient, provider: FakeProvider
) -> None:
    """OIDC Core §3.1.3.7, 3: our `client_id` must be an audience, whatever `azp` says."""
    provider.id_token = {"aud": "another-client", "azp": "demo"}

    assert come_back(browser, provider).status_code == 400
    assert not is_signed_in(browser)


def test_an_id_token_signed_by_somebody_else_signs_nobody_in(browser: FlaskClient, provider: FakeProvider) -> None:
    provider.signing_key = ECKey.generate_key("P-256", {"kid": "one"})

    answer = come_back(browser, provider)

    assert answer.status_code == 400
    assert not is_signed_in(browser)


def test_a_rotated_key_is_fetched_without_a_restart(portal: Flask, provider: FakeProvider) -> None:
    assert come_back(portal.test_client(), provider).status_code == 303
    provider.key = ECKey.generate_key("P-256", {"kid": "two", "use": "sig", "alg": "ES256"})

    answer = come_back(portal.test_client(), provider)

    assert answer.status_code == 303


def test_userinfo_of_somebody_else_signs_nobody_in(browser: FlaskClient, provider: FakeProvider) -> None:
    """OIDC Core §5.3.2: the `sub` of userinfo MUST be that of the ID token."""
    provider.person = {**provider.person, "sub": "somebody-else"}

    answer = come_back(browser, provider)

    assert answer.status_code == 400
    assert not is_signed_in(browser)


def test_a_discovery_document_of_another_issuer_is_not_believed(browser: FlaskClient, provider: FakeProvider) -> None:
    """OIDC Discovery §4.3."""
    provider.metadata = {"issuer": "https://evil.example"}
    assert browser.get("/login").status_code == 503

    provider.metadata = {}

    assert browser.get("/login").status_code == 302


def test_a_sign_in_gives_the_session_a_new_name(browser: FlaskClient, provider: FakeProvider) -> None:
    """A name that was known before the sign-in is worth nothing after it."""
    begun = browser.get("/login")
    before = browser.get_cookie("demo_session")

    browser.get("/callback", query_string=provider.answer(begun.location))

    after = browser.get_cookie("demo_session")
    assert before is not None
    assert after is not None
    assert before.value != after.value
    browser.set_cookie("demo_session", before.value)
    assert not is_signed_in(browser)


def test_the_cookie_is_small_and_holds_no_token(signed_in: FlaskClient) -> None:
    cookie = signed_in.get_cookie("demo_session")

    assert cookie is not None
    assert len(cookie.value) < 200
    assert "eyJ" not in cookie.value
    assert cookie.http_only
    assert cookie.same_site == "Lax"


def test_two_tabs_may_sign_in_side_by_side(browser: FlaskClient, provider: FakeProvider) -> None:
    first, second = browser.get("/login").location, browser.get("/login").location

    answers = [browser.get("/callback", query_string=provider.answer(each)) for each in (first, second)]

    assert [answer.location for answer in answers] == ["/pension", "/pension"]


def test_going_back_to_the_callback_shows_the_pension_page(browser: FlaskClient, provider: FakeProvider) -> None:
    told = provider.answer(browser.get("/login").location)
    browser.get("/callback", query_string=told)

    again = browser.get("/callback", query_string=told)

    assert (again.status_code, again.location) == (303, "/pension")
    assert len(provider.token_requests) == 1


def test_abandoned_sign_ins_are_forgotten_and_the_newest_still_works(
    browser: FlaskClient, provider: FakeProvider
) -> None:
    locations = [browser.get("/login").location for _ in range(30)]

    oldest = browser.get("/callback", query_string=provider.answer(locations[0]))
    newest = browser.get("/callback", query_string=provider.answer(locations[-1]))

    assert oldest.status_code == 400
    assert newest.status_code == 303


def test_a_cancelled_sign_in_gets_a_kind_page(browser: FlaskClient, provider: FakeProvider) -> None:
    answer = come_back(browser, provider, code=None, error="access_denied", error_description="<b>no</b>")

    assert answer.status_code == 403
    assert "Vous avez annulé la connexion" in answer.text
    assert "<b>no</b>" not in answer.text
    assert not is_signed_in(browser)


@pytest.mark.parametrize(
    ("error", "status"),
    [("server_error", 503), ("temporarily_unavailable", 503), ("invalid_scope", 400), ("<script>", 400), ("", 400)],
)
def test_every_error_of_the_provider_gets_a_page(
    browser: FlaskClient, provider: FakeProvider, error: str, status: int
) -> None:
    answer = come_back(browser, provider, code=None, error=error)

    assert answer.status_code == status
    assert "<h1>" in answer.text
    assert "<script" not in answer.text


def test_an_error_from_nowhere_changes_nothing(signed_in: FlaskClient, provider: FakeProvider) -> None:
    signed_in.get("/callback", query_string={"error": "access_denied", "iss": provider.issuer})

    assert is_signed_in(signed_in)


@pytest.mark.parametrize("query", ["", "code=x", "state=", "code=x&state=%FF%00", "state[]=1&code=%F0"])
def test_a_broken_answer_gets_a_page(browser: FlaskClient, query: str) -> None:
    assert browser.get(f"/callback?{query}").status_code == 400


def test_a_provider_that_refuses_the_code_is_no_crash(browser: FlaskClient, provider: FakeProvider) -> None:
    answer = come_back(browser, provider, code="no-such-code")

    assert answer.status_code == 400
    assert not is_signed_in(browser)


def test_others_may_begin_a_sign_in_with_a_hint(browser: FlaskClient, provider: FakeProvider) -> None:
    """OIDC Core §4: `initiate_login_uri` receives `iss` and `login_hint`."""
    answer = browser.get("/login", query_string={"iss": provider.issuer, "login_hint": "e.rochat@example.org"})

    assert asked(answer)["login_hint"] == "e.rochat@example.org"


def test_others_may_begin_it_with_a_form(browser: FlaskClient, provider: FakeProvider) -> None:
    """OIDC Core §4: the login initiation endpoint is reached by GET or POST."""
    answer = browser.post("/login", data={"iss": provider.issuer, "login_hint": "e.rochat@example.org"})
    assert answer.status_code == 303

    assert asked(browser.get(answer.location))["login_hint"] == "e.rochat@example.org"


def test_a_sign_in_at_a_foreign_issuer_is_not_begun(browser: FlaskClient) -> None:
    answer = browser.get("/login", query_string={"iss": "https://evil.example"})

    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_a_provider_that_does_not_answer_gets_a_page() -> None:
    from services import free_port

    from demo.portal import create_app
    from demo.settings import Settings

    browser = create_app(
        Settings(f"http://localhost:{free_port()}", "demo", "s", "http://localhost:8401")
    ).test_client()

    answer = browser.get("/login")

    assert answer.status_code == 503
    assert "momentanément indisponible" in answer.text
