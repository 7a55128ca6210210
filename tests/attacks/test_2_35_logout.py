"""The end of a session: rows 2.35 to 2.38 and 2.40; 2.39 is in test_2_39_calling.py."""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
import requests
from addresses import VARIANTS
from live import Person
from live import node
from places import RETYPED
from target import WAIT
from target import Browser
from target import Target
from target import answer
from target import close
from target import leave

BACK = "https://rp.example/out"


def is_signed_in(target: Target, browser: Browser) -> bool:
    return "code" in answer(target.authorize(browser, prompt="none"))


def asks(response: requests.Response) -> bool:
    """The page that asks, which leads nowhere by itself."""
    return response.status_code == 200 and "Location" not in response.headers and 'name="csrf_token"' in response.text


@pytest.fixture(scope="module")
def hint(target: Target) -> str:
    """A genuine ID token of `web` for a session that is over already: it leads back without signing anybody out."""
    _, browser = target.enrolled()
    token = str(target.tokens(browser)["id_token"])
    assert browser.look("/logout", id_token_hint=token).status_code == 303
    return token


# --- 2.35: where it leads --------------------------------------------------------------------------------------------


def test_2_35_it_leads_only_to_the_registered_address(target: Target, hint: str) -> None:
    """OIDC RP-Initiated Logout §3: by GET and by POST."""
    wrong = [each.replace("/cb", "/out").replace("/%63b", "/%6fut").replace("/CB", "/OUT") for each in VARIANTS]
    assert (
        target.browser().look("/logout", id_token_hint=hint, post_logout_redirect_uri=BACK).headers["Location"] == BACK
    )

    for uri in (*wrong, "https://rp.example/cb", "https://other.example/cb", "https://rp.example", ""):
        sent = {"id_token_hint": hint, "post_logout_redirect_uri": uri}
        answers = [target.browser().look("/logout", **sent)]
        posted = target.browser().post(f"{target.issuer}/logout", data=sent, allow_redirects=False, timeout=WAIT)
        if posted.status_code == 303:
            answers.append(target.browser().look(posted.headers["Location"]))
        for answered in answers:
            assert answered.status_code in {303, 400}, uri
            assert answered.headers.get("Location", "/signed-out") == "/signed-out", uri


def test_2_35_without_the_hint_of_its_client_it_leads_nowhere(target: Target, hint: str) -> None:
    """No hint, another client's hint, another client's name beside a right one, twice the same name."""
    elsewhere = target.tokens(target.signed_in(), "other")["id_token"]
    wrong: list[dict[str, str]] = [
        {},
        {"client_id": "web"},
        {"id_token_hint": elsewhere},
        {"id_token_hint": elsewhere, "client_id": "web"},
        {"id_token_hint": hint, "client_id": "other"},
        {"id_token_hint": "x"},
        {"logout_hint": hint},
    ]

    for sent in wrong:
        answered = target.browser().look("/logout", post_logout_redirect_uri=BACK, **sent)
        assert answered.headers.get("Location") == "/signed-out", sent
        assert BACK not in answered.text
    twice = target.browser().look(
        f"{target.issuer}/logout?id_token_hint={hint}&post_logout_redirect_uri={BACK}&post_logout_redirect_uri=https://evil.test/"
    )
    assert twice.status_code == 400
    assert "Location" not in twice.headers


# --- 2.36: what is over ----------------------------------------------------------------------------------------------


def test_2_36_after_the_end_nothing_of_the_session_is_left(each_target: Target) -> None:
    """On the server: the stolen cookie, pending codes and visits, access tokens. Offline access goes on."""
    target = each_target
    person, browser = target.enrolled()
    thief, online = browser.twin(), target.tokens(browser, scope="openid")
    offline, code = target.tokens(browser), target.code(browser)
    page = browser.open("/signout")
    begun = target.authorize(browser, prompt="login").headers["Location"]

    assert browser.press(page).status_code == 303

    for copy in (thief, browser):
        assert answer(target.authorize(copy, prompt="none"))["error"] == "login_required"
        assert copy.look("/signout").headers["Location"] == "/signed-out"
    assert target.redeem(code).json()["error"] == "invalid_grant"
    for access in (online["access_token"], offline["access_token"]):
        assert target.userinfo(access).status_code == 401
        assert not target.is_active(access)
    renewed = target.refresh(offline["refresh_token"])
    assert renewed.status_code == 200, "OIDC Core §11: that is what offline_access is"
    assert "sid" in target.verified(renewed.json()["id_token"])
    back = browser.look(begun)
    assert person.first_name not in back.text
    for shown in (page.response, back, browser.look("/signed-out"), browser.look("/logout")):
        assert shown.headers["Cache-Control"] == "no-store", shown.url


# --- 2.37: who may end it --------------------------------------------------------------------------------------------


def test_2_37_no_other_site_signs_a_person_out(target: Target, hint: str) -> None:
    """V10.6.2: links and forms of others lead to a question, and the question's answer cannot be forged."""
    browser = target.signed_in()
    browser.headers["Origin"] = "https://evil.test"
    browser.headers["Sec-Fetch-Site"] = "cross-site"
    asked = ({}, {"id_token_hint": hint}, {"id_token_hint": hint, "post_logout_redirect_uri": BACK}, {"state": "x"})

    for sent in asked:
        assert asks(browser.look("/logout", **sent)), sent
        form = {"ui_locales": "fr", **sent}
        posted = browser.post(f"{target.issuer}/logout", data=form, allow_redirects=False, timeout=WAIT)
        assert posted.status_code == 303
        assert asks(browser.look(posted.headers["Location"])), sent
    other = target.enrolled()[1].look("/signout").text.split('name="csrf_token" value="')[1].split('"')[0]
    for token in ("", "x", other):
        form = {"csrf_token": token, "target": "https://evil.test/"}
        forged = browser.post(f"{target.issuer}/signout", data=form, allow_redirects=False, timeout=WAIT)
        assert forged.status_code == 400
        assert "evil.test" not in forged.text

    assert is_signed_in(target, browser)


# --- 2.38: what counts as a hint -------------------------------------------------------------------------------------


def test_2_38_only_an_id_token_of_ours_is_a_hint(target: Target) -> None:
    """Forged ones are in V16 and V17; here what is genuine and something else. Logout tokens: test_2_39_calling.py."""
    browser = target.signed_in()
    tokens, signed = target.tokens(browser), target.tokens(browser, "signed")
    head, body, signature = tokens["id_token"].split(".")
    wrong = {
        "access token": tokens["access_token"],
        "signed access token": signed["access_token"],
        "refresh token": tokens["refresh_token"],
        **dict(zip(RETYPED, target.retyped(tokens["id_token"], *RETYPED), strict=True)),
        "no signature": f"{head}.{body}.",
        "another's signature": f"{head}.{body}.{signed['id_token'].split('.')[2]}",
        "another's body": f"{head}.{signed['id_token'].split('.')[1]}.{signature}",
        "in JSON": f'{{"payload":"{body}","signatures":[{{"protected":"{head}","signature":"{signature}"}}]}}',
        "twice": f"{tokens['id_token']} {tokens['id_token']}",
        "with space": f" {tokens['id_token']}",
    }

    believed = [
        name
        for name, hint in wrong.items()
        if not asks(browser.look("/logout", id_token_hint=hint, post_logout_redirect_uri=BACK))
    ]

    assert believed == []
    assert is_signed_in(target, browser)
    (again,) = target.retyped(tokens["id_token"], "JWT")
    control = target.browser().look("/logout", id_token_hint=again, post_logout_redirect_uri=BACK)
    assert control.headers["Location"] == BACK, "of the right type it is a hint"


# --- 2.40: everywhere ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def second_node() -> Iterator[Callable[[Target], str]]:
    """The address of one more node of a target, started when first asked for."""
    known: dict[str, str] = {}
    with ExitStack() as stack:

        def of(target: Target) -> str:
            if target.issuer not in known:
                known[target.issuer] = stack.enter_context(node(target.live))
            return known[target.issuer]

        yield of


def new_password(target: Target, person: Person) -> None:
    """The person has forgotten it, or fears that somebody knows it."""
    browser = target.browser()
    before = len(target.live.messages(person.email))
    page = browser.answer(browser.open("/password/forgot"), username=person.email)
    page = browser.answer(page, code=target.live.code(person.email, after=before))
    page = browser.answer(page, code=browser.factor_code(person, after=2))
    person.password = "Neue-Worte 2027!"
    page = browser.answer(page, password=person.password, password2=person.password)
    assert page.status == 200, page.text[:500]


@pytest.mark.parametrize("end", [new_password, leave, close])
def test_2_40_everything_of_an_account_ends_on_all_nodes_at_once(
    each_target: Target, second_node: Callable[[Target], str], end: Callable[[Target, Person], None]
) -> None:
    """V7.4, decision 11: sessions, access and refresh tokens of two browsers; asked at the node that was not told."""
    target, elsewhere = each_target, second_node(each_target)
    person, first = target.enrolled("sms")
    second, page = target.at_second_factor(person)
    second.press(page, code=second.factor_code(person, after=1))
    given = [target.tokens(browser) for browser in (first, second)]
    host = {"Host": urlsplit(target.issuer).netloc}
    assert all(_lives(elsewhere, host, each["access_token"]) for each in given)
    assert all(_is_known(elsewhere, host, target, browser) for browser in (first, second))

    end(target, person)
    living = [_lives(elsewhere, host, each["access_token"]) for each in given]
    known = [_is_known(elsewhere, host, target, browser) for browser in (first, second)]
    refreshed = [_refreshes(elsewhere, host, target, each["refresh_token"]) for each in given]

    assert (living, known, refreshed) == ([False] * 2, [False] * 2, [False] * 2)
    assert not any(is_signed_in(target, browser) for browser in (first, second))
    assert not any(target.is_active(each["access_token"]) for each in given)


def _lives(node: str, host: dict[str, str], token: str) -> bool:
    headers = {**host, "Authorization": f"Bearer {token}"}
    return requests.get(f"{node}/userinfo", headers=headers, timeout=WAIT).status_code == 200


def _is_known(node: str, host: dict[str, str], target: Target, browser: Browser) -> bool:
    """Whether the session lives, asked of this node with the browser's cookie."""
    cookies = {"Cookie": f"idp_session={browser.cookies['idp_session']}"}
    sent = target.request_of(prompt="none")
    answered = requests.get(
        f"{node}/authorize", params=sent, headers={**host, **cookies}, allow_redirects=False, timeout=WAIT
    )
    return "code" in answer(answered)


def _refreshes(node: str, host: dict[str, str], target: Target, token: str) -> bool:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return (
        requests.post(f"{node}/token", data=form, headers=host, timeout=WAIT, **target.auth("web")).status_code == 200
    )
