"""Parameter pollution (row V6, CVE-2026-9689): what one part checks and another believes must be one value."""

from urllib.parse import urlencode

import pytest
import requests
from oidc import VERIFIER
from target import CALLBACK
from target import Browser
from target import Target
from target import answer

WAIT = 60
EVIL = "https://evil.test/cb"
EXTRAS = {
    "prompt": "login",
    "max_age": "1",
    "response_mode": "query",
    "claims": "{}",
    "ui_locales": "fr",
    "login_hint": "x",
    "acr_values": "urn:vpk:acr:password",
    "id_token_hint": "x",
    "request": "x",
    "request_uri": "https://evil.test/object",
    "dpop_jkt": "x",
}


def ask(target: Target, browser: Browser, pairs: list[tuple[str, str]]) -> requests.Response:
    return browser.get(f"{target.issuer}/authorize?{urlencode(pairs)}", allow_redirects=False, timeout=WAIT)


def brought_nothing(response: requests.Response) -> bool:
    """A page here, or an error at the registered address and nowhere else."""
    location = response.headers.get("Location", "")
    if not location:
        return response.status_code == 400
    given = answer(response)
    is_home = location.startswith(f"{CALLBACK}?") and "evil" not in location
    return is_home and given["error"].startswith("invalid_request") and "code" not in given


@pytest.mark.parametrize("order", ["before", "after"])
def test_v06_2_04_no_parameter_of_a_request_may_come_twice(target: Target, order: str) -> None:
    browser, right = target.signed_in(), target.request_of()

    for name, value in {**EXTRAS, **right}.items():
        for spelling in (name, f"{name}[]", f"{name}[0]"):
            second = EVIL if name == "redirect_uri" else "other" if name == "client_id" else value
            pairs = [*{**right, **{name: value}}.items()]
            twice = [(spelling, second), *pairs] if order == "before" else [*pairs, (spelling, second)]
            response = ask(target, browser, twice)
            assert brought_nothing(response), (twice, response.status_code, response.headers.get("Location"))


def test_v06_2_04_address_and_body_are_never_merged(target: Target) -> None:
    browser, right = target.signed_in(), target.request_of()

    for name, value in right.items():
        rest = {each: right[each] for each in right if each != name}
        for query, body in (({name: value}, right), ({name: value}, rest), (right, rest)):
            response = browser.post(
                f"{target.issuer}/authorize?{urlencode(query)}",
                data=body,
                headers={"Connection": "close"},  # a body that is refused unread may end the connection
                allow_redirects=False,
                timeout=WAIT,
            )
            assert response.status_code == 400, (query, body)
            assert "Location" not in response.headers


def test_v06_no_parameter_of_a_token_request_may_come_twice(target: Target) -> None:
    browser = target.signed_in()
    code = target.code(browser)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        "client_id": "web",
    }

    for name, value in form.items():
        for twice in ([(name, value)], [(name, "other")], [(f"{name}[]", value)]):
            response = requests.post(
                f"{target.issuer}/token", data=[*form.items(), *twice], timeout=WAIT, **target.auth("web")
            )
            assert response.status_code == 400, twice
            assert response.json()["error"] == "invalid_request", twice
        for body in (form, {each: form[each] for each in form if each != name}):
            response = target.post(f"/token?{urlencode({name: value})}", "web", **body)
            assert response.status_code == 400, name
            assert response.json()["error"] == "invalid_request"

    assert target.redeem(code).status_code == 200, "none of the refusals has spent the code"


@pytest.mark.parametrize("path", ["/introspect", "/revoke", "/par"])
def test_v06_nor_one_at_any_other_endpoint_of_clients(target: Target, path: str) -> None:
    token = target.tokens(target.signed_in())["access_token"]
    form = target.request_of() if path == "/par" else {"token": token, "token_type_hint": "access_token"}

    for name, value in form.items():
        for spelling in (name, f"{name}[]"):
            pairs = [*form.items(), (spelling, value)]
            response = requests.post(f"{target.issuer}{path}", data=pairs, timeout=WAIT, **target.auth("web"))
            assert response.status_code == 400, name
        assert target.post(f"{path}?{urlencode({name: value})}", "web", **form).status_code == 400

    assert target.is_active(token)


def test_v06_an_answer_has_each_of_its_words_once(target: Target) -> None:
    """Words of the answer inside the registered address are refused there, and a query of its own stays as it is."""
    response = target.authorize(target.signed_in(), "query")

    location = response.headers["Location"]
    assert location.startswith("https://rp.example/cb?tenant=1&")
    assert set(answer(response)) == {"tenant", "code", "state", "iss"}
    for word in ("code", "state", "iss", "error", "id_token", "access_token"):
        stolen = target.authorize(
            target.signed_in(), "query", redirect_uri=f"https://rp.example/cb?tenant=1&{word}=theirs"
        )
        assert stolen.status_code == 400
        added = target.register({"redirect_uris": [f"{CALLBACK}?{word}=theirs"]})
        assert (added.status_code, added.json()["error"]) == (400, "invalid_redirect_uri")
