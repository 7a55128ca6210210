"""The strict front door: what an authorization request may say (idp/request.py, idp/request_rules.py)."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from authlib.oauth2.rfc6749 import InvalidRequestError
from flask import Flask
from oidc import CALLBACK
from oidc import CHALLENGE
from oidc import EVERY_SCOPE

from idp import profiles
from idp import request_rules
from idp.authorization_request import AuthorizationRequest
from idp.models import Client
from idp.parameters import Parameters
from idp.request import BadRequestPage
from idp.request import RefusedRequest
from idp.request import parse
from idp.settings import Settings
from idp.settings import load

GOOD = {
    "client_id": "portal",
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": "openid email",
    "state": "s",
    "nonce": "n",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@pytest.fixture(autouse=True)
def parts() -> Iterator[SimpleNamespace]:
    """All of a provider that the rules look at: its settings, and what it signs with."""
    keys = SimpleNamespace(algorithms=("RS256", "ES256"))
    app, known = Flask("rules"), SimpleNamespace(settings=settings(), keys=keys)
    app.extensions["idp"] = known
    with app.app_context():
        yield known


def settings(**values: Any) -> Settings:
    return load(issuer="http://localhost:8400", secret="0123456789abcdefghijklmnopqrstuvwxyz-_ABCDEFGH", **values)


def a_portal(**values: Any) -> Client:
    given = {
        "application_type": "web",
        "token_endpoint_auth_method": "client_secret_basic",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "scope": EVERY_SCOPE.split(),
        "require_pkce": True,
        "default_max_age": None,
        "id_token_signed_response_alg": "ES256",
        "profile": "standard",
    }
    return Client(client_id="portal", **{**given, **values})


def read(*extra: tuple[str, str], client: Client | None = None, **changes: str | None) -> AuthorizationRequest:
    known = client or a_portal()
    sent = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return parse(Parameters([*sent.items(), *extra]), lambda name: known if name == "portal" else None)


def error(*extra: tuple[str, str], **changes: Any) -> str:
    with pytest.raises(RefusedRequest) as refused:
        read(*extra, **changes)
    assert refused.value.address.redirect_uri == CALLBACK
    return str(refused.value.error.error)


def test_a_right_request_is_read_whole() -> None:
    request = read(
        prompt="login consent",
        max_age="300",
        acr_values="a b",
        login_hint="anna",
        ui_locales="fr de",
        response_mode="query",
    )

    assert request.scope == ("openid", "email")
    assert request.prompt == ("login", "consent")
    assert request.max_age == 300
    assert request.acr_values == ("a", "b")
    assert request.login_hint == "anna"
    assert request.ui_locales == ("fr", "de")
    assert (request.state, request.nonce, request.code_challenge) == ("s", "n", CHALLENGE)


def test_a_request_survives_its_way_through_the_store() -> None:
    request = read(claims='{"id_token": {"acr": {"essential": true, "values": ["x"]}}}', prompt="consent", max_age="0")

    assert AuthorizationRequest.from_json(json.loads(json.dumps(request.to_json()))) == request


def test_members_of_another_version_are_left_out_when_a_request_is_read_back() -> None:
    assert AuthorizationRequest.from_json({**read().to_json(), "of_tomorrow": 1}) == read()


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_whom_to_answer_must_be_certain_before_anybody_is_answered(name: str) -> None:
    """RFC 6749 §4.1.2.1: the user agent MUST NOT be redirected to an invalid redirection URI."""
    with pytest.raises(BadRequestPage):
        read(**{name: None})
    with pytest.raises(BadRequestPage):
        read((name, GOOD[name]))
    with pytest.raises(BadRequestPage):
        read(**{name: "other"})


def test_a_disabled_client_is_not_answered() -> None:
    from idp.clock import now

    with pytest.raises(BadRequestPage):
        read(client=a_portal(disabled_at=now()))


@pytest.mark.parametrize(
    "name", [*sorted(set(GOOD) - {"client_id", "redirect_uri"}), "prompt", "max_age", "request", "x"]
)
def test_a_parameter_sent_twice_is_refused(name: str) -> None:
    """RFC 6749 §3.1: parameters MUST NOT be included more than once (CVE-2026-9689)."""
    assert error((name, "1"), (name, "1")) == "invalid_request"


@pytest.mark.parametrize("name", ["scope[]", "state[0]", "nonce[a]"])
def test_an_array_is_a_repetition(name: str) -> None:
    assert error((name, "1")) == "invalid_request"


def test_a_doubled_state_is_not_sent_back() -> None:
    with pytest.raises(RefusedRequest) as refused:
        read(("state", "other"))

    assert refused.value.address.state is None


def test_an_empty_parameter_counts_as_left_out() -> None:
    """RFC 6749 §3.1: parameters sent without a value MUST be treated as if they were omitted."""
    request = read(state="", max_age="", prompt="", claims="")

    assert (request.state, request.max_age, request.prompt, request.claims) == (None, None, (), None)


def test_unknown_parameters_are_ignored() -> None:
    """OIDC Core §3.1.2.1: other parameters that are not understood MUST be ignored."""
    assert read(display="page", claims_locales="de", foo="bar") == read()


def test_a_missing_response_type_is_an_invalid_request() -> None:
    """RFC 6749 §3.1.1: if the parameter is missing, the server MUST return an error response."""
    assert error(response_type=None) == "invalid_request"


@pytest.mark.parametrize("kind", ["token", "id_token", "code id_token", "id_token token", "foo", "code code", "CODE"])
def test_only_the_response_type_code_is_supported(kind: str) -> None:
    assert error(response_type=kind) == "unsupported_response_type"


@pytest.mark.parametrize("values", [{"response_types": []}, {"grant_types": ["refresh_token"]}])
def test_a_client_needs_to_be_registered_for_codes(values: dict[str, Any]) -> None:
    assert error(client=a_portal(**values)) == "unauthorized_client"


@pytest.mark.parametrize("mode", ["web_message", "QUERY", "query.fragment", ".jwt", "jwt.jwt"])
def test_a_response_mode_must_suit_the_response_type(mode: str) -> None:
    assert error(response_mode=mode) == "invalid_request"


def test_the_default_response_mode_of_a_code_is_the_query() -> None:
    assert read().response_mode == "query"
    assert read(response_mode="form_post").response_mode == "form_post"


def test_a_signed_answer_travels_as_an_unsigned_one_would() -> None:
    """JARM §2.3."""
    assert read(response_mode="jwt").response_mode == "query.jwt"
    assert read(response_mode="form_post.jwt").response_mode == "form_post.jwt"


@pytest.mark.parametrize("profile", ["fapi1_advanced", "fapi2_message_signing"])
def test_some_profiles_want_every_code_in_a_signed_answer(profile: str) -> None:
    """FAPI 1.0 Advanced §5.2.2-2, FAPI 2.0 Message Signing §5.4."""
    client = a_portal(profile=profile)

    with pytest.raises(InvalidRequestError, match="signed answer"):
        request_rules.response_mode(Parameters([]), "code", client)
    assert request_rules.response_mode(Parameters([("response_mode", "jwt")]), "code", client) == "query.jwt"


def test_an_answer_is_signed_as_registered_or_as_the_specification_says(parts: SimpleNamespace) -> None:
    """JARM §3: RS256 where nothing is registered; unless the profile forbids it, or there is no such key."""
    assert read(response_mode="jwt").signed_with == "RS256"
    assert read(client=a_portal(authorization_signed_response_alg="PS256")).signed_with == "PS256"
    assert profiles.usual_algorithm(a_portal(profile="fapi2"), parts.keys.algorithms) == "ES256"
    assert profiles.usual_algorithm(a_portal(), ("ES256",)) == "ES256"


BROWSER_TYPES = ["id_token", "id_token token", "code id_token", "code token", "code id_token token"]


def of_every_type(**values: Any) -> Client:
    return a_portal(
        response_types=["code", *BROWSER_TYPES],
        grant_types=["authorization_code", "implicit"],
        **values,
    )


@pytest.mark.parametrize("kind", [*BROWSER_TYPES, "token id_token", "token code id_token"])
def test_tokens_in_the_address_are_there_where_the_operator_wants_them(parts: SimpleNamespace, kind: str) -> None:
    assert error(client=of_every_type(), response_type=kind) == "unsupported_response_type"

    parts.settings = settings(implicit=True)
    request = read(client=of_every_type(), response_type=kind)

    assert request.response_mode == "fragment"
    assert sorted(request.response_type.split()) == sorted(kind.split())
    assert request.response_type in BROWSER_TYPES
    assert error(response_type=kind) == "unauthorized_client"


@pytest.mark.parametrize("kind", BROWSER_TYPES)
@pytest.mark.parametrize("mode", ["query", "query.jwt"])
def test_tokens_never_travel_in_a_query(parts: SimpleNamespace, kind: str, mode: str) -> None:
    """OAuth 2.0 Multiple Response Types §3.0, §5; the refusal does not either."""
    parts.settings = settings(implicit=True)

    with pytest.raises(RefusedRequest) as refused:
        read(client=of_every_type(), response_type=kind, response_mode=mode)

    assert refused.value.error.error == "invalid_request"
    assert refused.value.address.response_mode == "fragment"


@pytest.mark.parametrize("kind", [kind for kind in BROWSER_TYPES if "id_token" in kind])
def test_an_id_token_in_the_address_needs_a_nonce(parts: SimpleNamespace, kind: str) -> None:
    """OIDC Core §3.2.2.1, §3.3.2.11."""
    parts.settings = settings(implicit=True)

    assert error(client=of_every_type(), response_type=kind, nonce=None) == "invalid_request"


def test_without_a_code_there_is_nothing_for_pkce_to_protect(parts: SimpleNamespace) -> None:
    parts.settings = settings(implicit=True)
    without = {"code_challenge": None, "code_challenge_method": None}

    assert read(client=of_every_type(), response_type="id_token token", **without).code_challenge is None
    assert error(client=of_every_type(), response_type="code id_token", **without) == "invalid_request"


def test_a_token_that_must_be_bound_never_travels_in_an_address(parts: SimpleNamespace) -> None:
    """RFC 9449 §5: there is no proof at the authorization endpoint to bind it to."""
    parts.settings = settings(implicit=True)
    client = of_every_type(dpop_bound_access_tokens=True)

    assert error(client=client, response_type="id_token token") == "unauthorized_client"
    assert read(client=client, response_type="code id_token").response_type == "code id_token"


def test_registered_classes_count_where_the_request_names_none() -> None:
    """OIDC Registration §2: default_acr_values."""
    client = a_portal(default_acr_values=["urn:vpk:acr:two-factor"])

    assert read(client=client).acr_values == ("urn:vpk:acr:two-factor",)
    assert read(client=client, acr_values="other").acr_values == ("other",)


def test_the_official_suite_is_let_in_without_pkce_and_nonce(parts: SimpleNamespace) -> None:
    """Decision 2; a client of a security profile is held to it there, too."""
    without = {"code_challenge": None, "code_challenge_method": None, "nonce": None}
    assert error(**without) == "invalid_request"

    parts.settings = settings(profile="conformance")

    assert read(**without).nonce is None
    assert error(client=a_portal(profile="fapi2"), **without) == "invalid_request"


def test_an_error_travels_in_the_mode_that_was_asked_for() -> None:
    with pytest.raises(RefusedRequest) as refused:
        read(response_mode="form_post", scope="email")

    assert refused.value.address.response_mode == "form_post"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("request", "invalid_request_object"),
        ("request_uri", "invalid_request_uri"),
        ("registration", "registration_not_supported"),
    ],
)
def test_what_is_not_offered_or_not_genuine_is_named(name: str, wanted: str) -> None:
    """OIDC Core §3.1.2.6"""
    assert error(**{name: "x"}) == wanted


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge": None},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": "s256"},
        {"code_challenge": CHALLENGE[:-1]},
        {"code_challenge": CHALLENGE + "A"},
        {"code_challenge": "A" * 129},
        {"code_challenge": CHALLENGE[:-1] + "="},
        {"code_challenge": CHALLENGE[:-1] + "~"},
        {"code_challenge": CHALLENGE[:-1] + "\n"},
    ],
)
def test_pkce_with_s256_is_demanded_of_every_client(changes: dict[str, str | None]) -> None:
    """RFC 9700 §2.1.1; CVE-2023-48228, CVE-2024-23647"""
    assert error(**changes) == "invalid_request"
    assert error(client=a_portal(token_endpoint_auth_method="none"), **changes) == "invalid_request"


def test_an_exempt_client_may_leave_out_pkce_but_not_the_nonce() -> None:
    """Decision 2."""
    exempt = a_portal(require_pkce=False)
    without = {"code_challenge": None, "code_challenge_method": None}

    assert read(client=exempt, **without).code_challenge is None
    assert error(client=exempt, nonce=None, **without) == "invalid_request"
    assert read(client=exempt, nonce=None).code_challenge == CHALLENGE


def test_a_public_client_cannot_be_exempt_from_pkce() -> None:
    """RFC 7636, RFC 9700 §2.1.1: public clients MUST use PKCE."""
    public = a_portal(require_pkce=False, token_endpoint_auth_method="none")

    assert error(client=public, code_challenge=None, code_challenge_method=None) == "invalid_request"


def test_scopes_that_are_unknown_or_not_allowed_are_not_granted() -> None:
    """RFC 6749 §3.3; security row 2.33."""
    request = read(client=a_portal(scope=["openid", "email"]), scope="openid pension email admin offline_access")

    assert request.scope == ("openid", "email")


@pytest.mark.parametrize("scope", [None, "email", "OPENID", 'openid "x"', "openid\u00e9", "openid\\", "x" * 5000])
def test_the_scope_must_contain_openid_and_be_well_formed(scope: str | None) -> None:
    assert error(scope=scope) in {"invalid_scope", "invalid_request"}


def test_offline_access_needs_the_refresh_token_grant() -> None:
    """OIDC Core §11"""
    assert "offline_access" in read(scope="openid offline_access").scope
    assert (
        "offline_access"
        not in read(scope="openid offline_access", client=a_portal(grant_types=["authorization_code"])).scope
    )


@pytest.mark.parametrize(
    "prompt", ["none login", "none consent", "none create", "create login", "create select_account", "Login", "force"]
)
def test_prompts_that_exclude_each_other_are_refused(prompt: str) -> None:
    """OIDC Core §3.1.2.1: none with any other value is an error."""
    assert error(prompt=prompt) == "invalid_request"


@pytest.mark.parametrize(
    "prompt", ["none", "login", "consent", "select_account", "create", "login consent", "create consent"]
)
def test_prompts_are_read(prompt: str) -> None:
    assert read(prompt=prompt).prompt == tuple(prompt.split())


@pytest.mark.parametrize("max_age", ["-1", "1.5", "a", "1e3", "9" * 10, "\u0661", "+1", "0x1"])
def test_max_age_is_a_number_of_seconds(max_age: str) -> None:
    assert error(max_age=max_age) == "invalid_request"


def test_the_registered_max_age_counts_where_the_request_says_nothing() -> None:
    """OIDC Registration §2: default_max_age is overridden by the parameter."""
    assert read(client=a_portal(default_max_age=60)).max_age == 60
    assert read(client=a_portal(default_max_age=60), max_age="10").max_age == 10
    assert read(max_age="0").max_age == 0


@pytest.mark.parametrize("name", ["state", "nonce", "login_hint", "acr_values", "unknown"])
def test_a_parameter_of_more_than_4_kb_is_refused(name: str) -> None:
    """Security row 2.7."""
    assert error(**{name: "x" * 4097}) == "invalid_request"


def test_an_endless_list_of_words_is_refused() -> None:
    assert error(acr_values=" ".join(str(number) for number in range(100))) == "invalid_request"


@pytest.mark.parametrize(
    "claims",
    [
        *("[]", "5", '"x"', "null", "{", "\u0000", "[" * 100_000),
        *('{"userinfo": []}', '{"userinfo": 5}', '{"id_token": "x"}', '{"id_token": {"acr": 5}}'),
        *('{"id_token": {"acr": []}}', '{"id_token": {"acr": {"essential": "yes"}}}'),
        *('{"id_token": {"acr": {"values": "x"}}}', '{"userinfo": {"email": true}}'),
    ],
)
def test_a_claims_parameter_of_odd_shape_is_refused(claims: str) -> None:
    """OIDC Core §5.5; security row 2.33."""
    assert error(claims=claims) == "invalid_request"


def test_claims_that_nobody_knows_are_left_out() -> None:
    """OIDC Core §5.5: members that are not understood MUST be ignored."""
    request = read(claims='{"userinfo": {"email": null, "ahv": null}, "vc": {"x": 1}, "id_token": null}')

    assert request.claims == {"userinfo": {"email": {}}, "id_token": {}}


def test_an_essential_acr_is_what_must_be_reached() -> None:
    """OIDC Core §5.5.1.1"""
    voluntary = '{"id_token": {"acr": {"values": ["a"]}}}'
    essential = '{"id_token": {"acr": {"essential": true, "values": ["a", "b"]}}}'

    assert read().essential_acr is None
    assert read(claims=voluntary).essential_acr is None
    assert read(claims='{"id_token": {"acr": {"essential": true}}}').essential_acr is None
    assert read(claims=essential).essential_acr == ("a", "b")
    assert read(claims='{"id_token": {"acr": {"essential": true, "value": "c"}}}').essential_acr == ("c",)


def test_a_subject_named_in_the_claims_is_the_only_one() -> None:
    """OIDC Core §5.5.1"""
    assert read().subjects is None
    assert read(claims='{"id_token": {"sub": {"value": "anna"}}}').subjects == ("anna",)


def test_a_description_never_repeats_what_was_sent() -> None:
    """RFC 6749 §4.1.2.1: %x20-21 / %x23-5B / %x5D-7E only; CVE-2019-8400."""
    evil, told = '<script>"\\é\r\n', []
    for name in (*GOOD, "prompt", "max_age", "claims", "response_mode", "request", "acr_values"):
        try:
            read(**{name: evil})
        except RefusedRequest as refused:
            told.append(f"{refused.error.error} {refused.error.description}")
        except BadRequestPage as page:
            told.append(str(page))

    assert len(told) >= 8
    assert not [text for text in told if "script" in text]
    assert all(" " <= char <= "~" and char not in '"\\' for text in told for char in text)
