"""The authorization endpoint: rows 2.1 to 2.16; 2.3, 2.4 and 2.12 are V5, V6, V10 and V20, whose names they bear."""

import base64
import json
import re
import secrets
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from addresses import VARIANTS
from joserfc.jwk import OctKey
from oidc import CHALLENGE
from oidc import VERIFIER
from proofs import ES256
from proofs import OTHER
from proofs import sign
from target import CALLBACK
from target import WAIT
from target import Browser
from target import Target
from target import answer

from idp.clock import epoch

STRONG = "urn:vpk:acr:phishing-resistant"
TWO = "urn:vpk:acr:two-factor"


def stays(response: requests.Response) -> bool:
    """A page on our own origin that carries the browser nowhere."""
    return response.status_code == 400 and "Location" not in response.headers and "<h1" in response.text


def error(target: Target, browser: Browser, client: str = "web", **changes: str | None) -> str:
    """The error that the client is told; an answer without one is empty."""
    return answer(target.authorize(browser, client, **changes)).get("error", "")


def asks(response: requests.Response) -> bool:
    """Whether a page of ours is due instead of an answer."""
    return response.status_code == 303 and response.headers["Location"].startswith("/i/")


def test_2_01_only_the_registered_address_is_answered(target: Target) -> None:
    """RFC 9700 §4.1, V10.4.1: 44 variants, as an array, twice, empty and left out."""
    browser = target.signed_in()
    for uri in (*VARIANTS, "", "https://rp.example/cb,https://rp.example/cb"):
        assert stays(target.authorize(browser, redirect_uri=uri)), uri
    twice = f"{target.issuer}/authorize?{requests.compat.urlencode(target.request_of())}&redirect_uri={CALLBACK}"
    assert stays(browser.look(twice))
    assert stays(target.authorize(browser, redirect_uri=None, **{"redirect_uri[]": CALLBACK}))
    assert stays(target.authorize(browser, redirect_uri=None))

    assert "code" in answer(target.authorize(browser))


def test_2_02_only_a_native_client_chooses_a_port_of_the_loopback_address(target: Target) -> None:
    """RFC 8252 §7.3."""
    browser = target.signed_in()
    for right in ("http://127.0.0.1:49152/cb", "http://[::1]:5000/cb", "http://127.0.0.1/cb"):
        assert "code" in answer(target.authorize(browser, "native", redirect_uri=right)), right
    hosts = ("localhost", "127.1", "2130706433", "0x7f.1", "127.0.0.2", "127.0.0.1.evil.test", "127.0.0.1@evil.test")
    for host in (*hosts, "[::ffff:127.0.0.1]", "0.0.0.0"):
        assert stays(target.authorize(browser, "native", redirect_uri=f"http://{host}:49152/cb")), host
    for wrong in ("https://127.0.0.1:49152/cb", "http://127.0.0.1:49152/cb?x=1", "http://127.0.0.1:99999/cb"):
        assert stays(target.authorize(browser, "native", redirect_uri=wrong)), wrong
    for other in ("http://127.0.0.1:49152/cb", "https://rp.example:8443/cb"):
        assert stays(target.authorize(browser, "web", redirect_uri=other)), other


def test_2_05_what_the_operator_does_not_offer_is_refused_and_not_promised(target: Target) -> None:
    """V10.4.4: implicit and hybrid are off by default, and no grant takes a password."""
    browser, metadata = target.signed_in(), discovery(target)
    for kind in (
        "token",
        "id_token",
        "id_token token",
        "code id_token",
        "code token",
        "code id_token token",
        "none",
        "",
    ):
        told = answer(target.authorize(browser, response_type=kind))
        assert told["error"] in {"unsupported_response_type", "unauthorized_client", "invalid_request"}, kind
        assert not {"code", "access_token", "id_token"} & told.keys()
    assert metadata["response_types_supported"] == ["code"]
    assert not {"password", "implicit"} & set(metadata["grant_types_supported"])
    assert "none" not in metadata["id_token_signing_alg_values_supported"]
    for grant in ("password", "implicit", "urn:x", ""):
        refused = target.post("/token", "web", grant_type=grant, username="x", password="x")
        assert refused.json()["error"] in {"unsupported_grant_type", "invalid_request", "unauthorized_client"}, grant
    for mode in ("web_message", "cookie", "jwt2"):
        assert error(target, browser, response_mode=mode) == "invalid_request", mode


def test_2_05_2_12_a_page_cannot_be_skipped_by_its_address(target: Target) -> None:
    """V10.6.1: the steps that come later, and the addresses of other flows, lead back to the one that is due."""
    browser = target.browser()
    begun = target.authorize(browser).headers["Location"]
    visit = begun.split("/")[2]
    for path in (
        "two_factor/code",
        "consent/agreement",
        "enrol/done",
        "password/new",
        "two_factor_enrolment/second-factor",
    ):
        led = browser.look(f"/i/{visit}/{path}")
        assert led.status_code in {303, 404}, path
        assert led.headers.get("Location", begun) == begun, path
        posted = browser.post(f"{target.issuer}/i/{visit}/{path}", data={"code": "000000"}, allow_redirects=False)
        assert posted.status_code in {400, 404}, path


@pytest.mark.parametrize(
    "mode", ["query", "fragment", "form_post", "query.jwt", "fragment.jwt", "form_post.jwt", "jwt"]
)
def test_2_06_every_answer_names_the_issuer(target: Target, mode: str) -> None:
    """RFC 9207: successes and errors, in every response mode, byte for byte."""
    browser, metadata = target.signed_in(), discovery(target)
    assert metadata["authorization_response_iss_parameter_supported"] is True

    for changes in ({}, {"prompt": "none login"}, {"response_type": "token"}):
        told = answered(target, target.authorize(browser, response_mode=mode, **changes))
        assert told["iss"] == metadata["issuer"] == target.issuer
        assert told["state"] == "state-1"
        assert ("code" in told) is (not changes)


def answered(target: Target, response: requests.Response) -> dict[str, Any]:
    """What the client reads, whichever way it came."""
    told: dict[str, Any] = answer(response)
    if not told:
        told = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', response.text))
    return target.verified(told["response"]) if "response" in told else told


@pytest.mark.parametrize(
    "word", ["x" * 2000, "é ü 漢字 🙂", "a\r\nSet-Cookie: x=1", "'\"<script>alert(1)</script>", "%0d%0a", "a+b c&d=e#f"]
)
def test_2_07_state_comes_back_as_it_was_sent(target: Target, word: str) -> None:
    browser = target.signed_in()
    response = target.authorize(browser, state=word, nonce=word)
    told = answer(response)
    if "error" in told:  # characters that no parameter may have (RFC 6749 appendix A)
        assert told["error"] == "invalid_request"
    else:
        assert told["state"] == word
        tokens = target.redeem(told["code"]).json()
        assert target.verified(tokens["id_token"])["nonce"] == word
    assert "Set-Cookie" not in response.headers or "x=1" not in response.headers["Set-Cookie"]
    raw = response.headers["Location"]
    assert not set(raw) & set("\r\n<>\"' ")


def test_2_07_what_is_too_long_is_refused(target: Target) -> None:
    browser = target.signed_in()
    for name in ("state", "nonce", "login_hint", "scope"):
        response = target.authorize(browser, **{name: "x" * 5000})
        assert response.status_code in {303, 400}, name
        assert answer(response).get("error", "invalid_request") == "invalid_request", name


def test_2_08_every_client_needs_a_challenge_by_s256(target: Target) -> None:
    """RFC 9700 §2.1.1, V10.4.6; `exempt` is decision 2's older software."""
    wrong: list[dict[str, str | None]] = [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge": None},
        {"code_challenge_method": "plain", "code_challenge": VERIFIER},
        {"code_challenge_method": None},
        {"code_challenge_method": "s256"},
        {"code_challenge_method": "S512"},
        {"code_challenge": CHALLENGE[:-1]},
        {"code_challenge": CHALLENGE + "A"},
        {"code_challenge": "x" * 129},
        {"code_challenge": CHALLENGE[:-1] + "="},
        {"code_challenge": CHALLENGE[:-1] + "é"},
        {"code_challenge": ""},
    ]
    browser = target.signed_in()
    for changes in wrong:
        for client in ("web", "native", "keyed"):
            assert error(target, browser, client, **changes) == "invalid_request", (client, changes)
    assert "code" in answer(target.authorize(browser, "exempt", code_challenge=None, code_challenge_method=None))


def test_2_09_who_must_sign_in_anew_cannot_leave_it_out(target: Target) -> None:
    """OIDC Core §3.1.2.1."""
    person, browser = target.enrolled()
    old = target.verified(target.tokens(browser)["id_token"])["auth_time"]
    assert error(target, target.browser(), prompt="none") == "login_required"
    assert error(target, browser, prompt="none login") == "invalid_request"
    time.sleep(2)
    assert error(target, browser, prompt="none", max_age="1") == "login_required"

    begun = target.authorize(browser, prompt="login")
    assert asks(begun)
    for way_around in (
        begun.headers["Location"],
        f"{begun.headers['Location']}?prompt=none",
        begun.headers["Location"].rsplit("/", 2)[0],
    ):
        assert "code" not in answer(browser.look(way_around)), way_around
    page = browser.open(begun.headers["Location"])
    page = browser.answer(page, username=person.email, password=person.password)
    finished = browser.press(page, code=browser.factor_code(person))
    code = answer(finished)["code"]
    assert target.verified(target.redeem(code).json()["id_token"])["auth_time"] >= old + 2


def test_2_10_a_class_that_was_not_reached_is_never_claimed(target: Target) -> None:
    """OIDC Core §5.5.1.1: asked as essential it is an error, asked voluntarily the truth is told."""
    browser = target.signed_in()
    essential = json.dumps({"id_token": {"acr": {"essential": True, "values": [STRONG]}}})
    assert error(target, browser, claims=essential, prompt="none") in {
        "unmet_authentication_requirements",
        "interaction_required",
        "login_required",
    }
    stated = target.verified(target.tokens(browser, acr_values=STRONG)["id_token"])
    assert stated["acr"] == TWO
    assert set(stated["amr"]) == {"pwd", "otp", "mfa"}


def test_2_11_a_hint_of_another_person_brings_no_silent_code(target: Target) -> None:
    """OIDC Core §3.1.2.1, id_token_hint."""
    _, other = target.enrolled()
    hint = target.tokens(other)["id_token"]
    browser = target.signed_in()
    assert error(target, browser, id_token_hint=hint, prompt="none") == "login_required"
    assert asks(target.authorize(browser, id_token_hint=hint))
    own = target.tokens(browser)["id_token"]
    assert "code" in answer(target.authorize(browser, id_token_hint=own, prompt="none"))


def test_2_13_credentials_are_never_sent_on(target: Target) -> None:
    """RFC 9700 §4.12: after each form of a sign-in comes 303, whose next request has no body."""
    person, _ = target.enrolled()
    browser = target.browser()
    page = browser.open(target.authorize(browser).headers["Location"])
    first = browser.press(page, username=person.email, password=person.password)
    second = browser.press(browser.open(first.headers["Location"]), code=browser.factor_code(person))
    assert (first.status_code, second.status_code) == (303, 303)
    assert second.headers["Location"].startswith(CALLBACK)


def test_2_14_no_page_tells_others_where_the_person_was(target: Target) -> None:
    """No referrer, nothing from elsewhere, nothing kept."""
    browser = target.browser()
    begun = browser.open(target.authorize(browser).headers["Location"])
    wrong = browser.press(begun, username="nobody@example.org", password="x")
    pages = [begun.response, wrong, browser.look("/enrol?act=ABCD").next and browser.open("/enrol").response]
    pages += [target.authorize(browser, "third", redirect_uri="x"), browser.look("/i/none"), browser.look("/nowhere")]
    for page in pages:
        assert page is not None
        assert page.headers["Referrer-Policy"] == "no-referrer", page.url
        assert page.headers["Cache-Control"] == "no-store", page.url
        loaded = re.findall(r'(?:src|href|action)="(https?:)?//([^"/]+)', page.text)
        assert all(host == urlsplit(target.issuer).netloc for _, host in loaded), (page.url, loaded)


def test_2_15_a_request_object_is_believed_only_if_it_is_right(target: Target) -> None:
    """RFC 9101 §10.2, §10.8."""
    browser = target.signed_in()
    assert "code" in answer(target.authorize(browser, "keyed", request=signed(target)))
    public = OctKey.import_key(json.dumps(ES256.as_dict(private=False)).encode())
    wrong = {
        "foreign key": signed(target, key=OTHER),
        "HS256": signed(target, key=public, alg="HS256"),
        "none": f"{b64({'alg': 'none'})}.{b64(stated(target))}.",
        "aud": signed(target, aud="https://evil.test"),
        "expired": signed(target, exp=epoch() - 600),
        "from the future": signed(target, iat=epoch() + 600),
        "client_id": signed(target, client_id="web"),
        "iss": signed(target, iss="web"),
        "nested": signed(target, request=signed(target)),
        "request_uri inside": signed(target, request_uri="https://evil.test/x"),
        "cut": signed(target)[:-5],
        "no JWT": "x",
    }
    for name, token in wrong.items():
        told = answer(target.authorize(browser, "keyed", request=token))
        assert told.get("error") in {"invalid_request_object", "invalid_request"}, name
    for uri in ("https://evil.test/x", "http://127.0.0.1:9/x", "urn:x:y", "file:///etc/passwd"):
        told = answer(target.authorize(browser, "keyed", request_uri=uri))
        assert told.get("error") in {"invalid_request_uri", "invalid_request", "request_uri_not_supported"}, uri
    assert error(target, browser, request=signed(target)) in {"invalid_request_object", "request_not_supported"}, (
        "no keys"
    )


def test_2_16_a_pushed_request_is_its_clients_own_and_answered_once(target: Target) -> None:
    """RFC 9126 §7.3: what was pushed is neither in a cookie nor in the address."""
    browser = target.signed_in()
    secret_state = secrets.token_urlsafe(12)
    pushed = target.post("/par", "web", **target.request_of(state=secret_state)).json()
    handle, asked = pushed["request_uri"], {"client_id": "web", "request_uri": pushed["request_uri"]}
    assert pushed["expires_in"] <= 90
    assert stays(browser.look("/authorize", client_id="other", request_uri=handle))
    first_look = target.browser().look("/authorize", **asked)
    assert asks(first_look)
    assert secret_state not in first_look.headers["Location"] + first_look.headers["Set-Cookie"]

    assert answer(browser.look("/authorize", **asked))["state"] == secret_state
    again = browser.look("/authorize", **asked)
    assert "code" not in answer(again)
    assert "code" not in answer(browser.look("/authorize", client_id="web", request_uri=handle + "x"))
    refused = target.post("/par", "web", **target.request_of(redirect_uri="https://evil.test/cb"))
    assert refused.status_code == 400
    assert "request_uri" not in refused.json()


@pytest.mark.slow_attack
def test_2_16_a_pushed_request_ends_after_ninety_seconds(target: Target) -> None:
    handle = target.post("/par", "web", **target.request_of()).json()["request_uri"]
    time.sleep(91)
    assert "code" not in answer(target.signed_in().look("/authorize", client_id="web", request_uri=handle))


def discovery(target: Target) -> dict[str, Any]:
    return dict(requests.get(f"{target.issuer}/.well-known/openid-configuration", timeout=WAIT).json())


def stated(target: Target, **changes: Any) -> dict[str, Any]:
    """A right request as an object, but for the changes; None leaves a member out."""
    moment = epoch()
    times = {"iat": moment, "nbf": moment, "exp": moment + 120, "jti": secrets.token_urlsafe(8)}
    claims = {**target.request_of("keyed"), "iss": "keyed", "aud": target.issuer, **times, **changes}
    return {name: value for name, value in claims.items() if value is not None}


def signed(target: Target, *, key: Any = ES256, alg: str = "ES256", **changes: Any) -> str:
    return sign({"typ": "oauth-authz-req+jwt"}, json.dumps(stated(target, **changes)).encode(), key, alg)


def b64(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
