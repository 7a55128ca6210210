"""The token endpoint and tokens: rows 2.17 to 2.28, on both pairs of database and store.

What the rows V8 to V18 prove already (another client, PKCE, the matrix of 2.23, sizes) is in their files.
"""

import base64
import json
import statistics
import time
from collections.abc import Callable
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from oidc import VERIFIER
from proofs import assertion
from target import CALLBACK
from target import EVERY_SCOPE
from target import WAIT
from target import Target
from target import at_once
from target import new_letters
from target import toml

from keys.algorithms import left_half_hash

OFFLINE = "openid offline_access"


def refused(response: requests.Response, error: str = "invalid_grant") -> bool:
    return (response.status_code, response.json()["error"]) == (400, error)


def assert_dead(target: Target, tokens: dict[str, Any]) -> None:
    """Neither introspection nor userinfo nor a refresh knows them."""
    assert not target.is_active(tokens["access_token"])
    assert not target.is_active(tokens["refresh_token"])
    assert target.userinfo(tokens["access_token"]).status_code == 401
    assert refused(target.refresh(tokens["refresh_token"]))


# --- 2.17, 2.18: codes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, 1])
def test_2_17_a_code_presented_again_ends_what_the_first_one_got(each_target: Target, seconds: int) -> None:
    """RFC 6749 §4.1.2, V10.4.2: at once and a second later."""
    code = each_target.code(each_target.signed_in(), scope=OFFLINE)

    if seconds == 0:
        answers = at_once([lambda: each_target.redeem(code)] * 2)
    else:
        answers = [each_target.redeem(code)]
        assert each_target.is_active(answers[0].json()["access_token"])
        time.sleep(seconds)
        answers.append(each_target.redeem(code))

    assert sorted(each.status_code for each in answers) == [200, 400]
    first, second = sorted(answers, key=lambda each: each.status_code)
    assert second.json()["error"] == "invalid_grant"
    assert_dead(each_target, first.json())


@pytest.mark.slow_attack
def test_2_17_2_18_after_thirty_seconds_and_after_sixty(each_target: Target) -> None:
    """The mark of a used code outlives the code; one that nobody used ends after a minute."""
    browser = each_target.signed_in()
    used, unused = each_target.code(browser, scope=OFFLINE), each_target.code(browser, scope=OFFLINE)
    first = each_target.redeem(used).json()

    time.sleep(30)
    assert refused(each_target.redeem(used))
    assert_dead(each_target, first)
    time.sleep(31)
    assert refused(each_target.redeem(unused))


def test_2_18_of_fifty_hands_one_gets_the_code(each_target: Target) -> None:
    """Right ones and wrong ones at the same moment: one success at most, and whoever was not first hears the same."""
    code = each_target.code(each_target.signed_in(), scope=OFFLINE)
    right = [lambda: each_target.redeem(code)] * 35
    wrong: list[Callable[[], requests.Response]] = [
        lambda: each_target.redeem(code, "other", redirect_uri=CALLBACK),
        lambda: each_target.redeem(code, redirect_uri="https://rp.example/other"),
        lambda: each_target.redeem(code, redirect_uri=None),
        lambda: each_target.redeem(code, code_verifier="x" * 43),
        lambda: each_target.redeem(code, code_verifier=None),
    ]

    answers = at_once([*right, *wrong * 3])

    assert sum(each.status_code == 200 for each in answers) <= 1
    assert {each.status_code for each in answers} <= {200, 400}
    assert {each.json()["error"] for each in answers if each.status_code == 400} == {"invalid_grant"}


def test_2_18_whatever_is_wrong_is_an_invalid_grant(each_target: Target) -> None:
    browser = each_target.signed_in()
    wrong: dict[str, Callable[[str], requests.Response]] = {
        "another client": lambda code: each_target.redeem(code, "other", redirect_uri=CALLBACK),
        "another address": lambda code: each_target.redeem(code, redirect_uri="https://rp.example/cb/"),
        "no address": lambda code: each_target.redeem(code, redirect_uri=None),
        "wrong verifier": lambda code: each_target.redeem(code, code_verifier=VERIFIER[::-1]),
        "shorter": lambda code: each_target.redeem(code[:-1]),
        "longer": lambda code: each_target.redeem(code + "A"),
        "in other letters": lambda code: each_target.redeem(code.swapcase()),
    }

    accepted = [name for name, send in wrong.items() if not refused(send(each_target.code(browser)))]

    assert accepted == []


# --- 2.19: refresh tokens --------------------------------------------------------------------------------------------


def test_2_19_the_last_rotation_is_repeated_once_and_then_the_family_ends(each_target: Target) -> None:
    """Decision 4: who lost the answer asks again, and only the newest answer counts."""
    tokens = each_target.tokens(each_target.signed_in())

    lost, repeated = each_target.refresh(tokens["refresh_token"]), each_target.refresh(tokens["refresh_token"])

    assert (lost.status_code, repeated.status_code) == (200, 200)
    assert not each_target.is_active(lost.json()["access_token"]), "nobody received it"
    assert each_target.is_active(repeated.json()["access_token"])
    assert refused(each_target.refresh(tokens["refresh_token"])), "a second repetition"
    assert_dead(each_target, repeated.json())


@pytest.mark.parametrize("stolen", ["the one before the last", "the successor nobody received"])
def test_2_19_an_older_token_ends_the_family(each_target: Target, stolen: str) -> None:
    """RFC 9700 §4.14.2, V10.4.5."""
    first = each_target.tokens(each_target.signed_in())["refresh_token"]
    if stolen == "the one before the last":
        newest = each_target.refresh(each_target.refresh(first).json()["refresh_token"]).json()
        old = first
    else:
        old = each_target.refresh(first).json()["refresh_token"]
        newest = each_target.refresh(first).json()

    assert refused(each_target.refresh(old))

    assert_dead(each_target, newest)


@pytest.mark.slow_attack
def test_2_19_nothing_is_repeated_after_the_grace(each_target: Target) -> None:
    first = each_target.tokens(each_target.signed_in())["refresh_token"]
    newest = each_target.refresh(first).json()

    time.sleep(11)

    assert refused(each_target.refresh(first))
    assert_dead(each_target, newest)


def test_2_19_scopes_never_grow_and_a_wrong_request_costs_nothing(each_target: Target) -> None:
    """RFC 6749 §6: fewer, and the whole again later; never more."""
    token = each_target.tokens(each_target.signed_in(), scope="openid email offline_access")["refresh_token"]

    for scope in ("openid profile", "openid email offline_access phone", "pension", "openid unknown"):
        assert refused(each_target.refresh(token, scope=scope), "invalid_scope"), scope
    narrowed = each_target.refresh(token, scope="openid").json()

    assert narrowed["scope"] == "openid"
    assert set(each_target.userinfo(narrowed["access_token"]).json()) == {"sub"}
    assert "email" in each_target.refresh(narrowed["refresh_token"]).json()["scope"]


def test_2_19_a_family_ends_at_its_age_however_often_it_is_used(each_target: Target) -> None:
    """V10.4.8: the day that was set at the beginning is moved to yesterday by the operator's hand."""
    tokens = each_target.tokens(each_target.signed_in())
    newest = each_target.refresh(tokens["refresh_token"]).json()
    query = "SELECT id FROM refresh_family ORDER BY created_at DESC LIMIT 1"

    family = each_target.rows(query)[0][0]
    assert newest["refresh_token"].startswith(family)
    each_target.change("UPDATE refresh_family SET expires_at = '2026-01-01 00:00:00' WHERE id = :f", f=family)

    assert not each_target.is_active(newest["refresh_token"])
    assert refused(each_target.refresh(newest["refresh_token"]))


# --- 2.20: PKCE ------------------------------------------------------------------------------------------------------


def test_2_20_a_verifier_for_a_code_without_challenge_is_a_downgrade(each_target: Target) -> None:
    """RFC 9700 §4.8.2: even for the client that may go without (more of it in V9)."""
    browser, without = each_target.signed_in(), {"code_challenge": None, "code_challenge_method": None}

    for verifier in (VERIFIER, "x" * 43, "x"):
        code = each_target.code(browser, "exempt", **without)
        assert refused(each_target.redeem(code, "exempt", code_verifier=verifier)), verifier
        assert refused(each_target.redeem(code, "exempt", code_verifier=None)), "no second try"


# --- 2.21, 2.22: who the client is -----------------------------------------------------------------------------------

ENDPOINTS: dict[str, dict[str, str]] = {
    "/token": {"grant_type": "refresh_token", "refresh_token": "x"},
    "/introspect": {"token": "x"},
    "/revoke": {"token": "x"},
    "/par": {"response_type": "code", "redirect_uri": CALLBACK},
    "/device_authorization": {"scope": "openid"},
    "/bc-authorize": {"scope": "openid", "login_hint": "x@example.org"},
}


def basic(text: str | bytes) -> dict[str, str]:
    """The header of client_secret_basic with anything inside."""
    raw = text.encode() if isinstance(text, str) else text
    return {"Authorization": "Basic " + base64.b64encode(raw).decode()}


def wrong_proofs(target: Target) -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    """A name, headers and form of each way not to be a client."""
    secret, posting = target.secret("web"), target.secret("posting")
    right = base64.b64encode(f"web:{secret}".encode()).decode()
    for name, text in {
        "unknown client": f"nobody:{secret}",
        "wrong secret": "web:" + "x" * 43,
        "other letters": f"web:{secret.swapcase()}",
        "secret of another": f"web:{posting}",
        "no secret": "web:",
        "no colon": "web",
        "nothing": "",
        "NUL": f"web:{secret}\0",
        "NUL in the name": f"web\0:{secret}",
        "accents": "web:été",
        "a face": "web:\N{GRINNING FACE}",
        "60 kB": "web:" + "x" * 45_000,
        "unregistered way": f"posting:{posting}",
        "a client with a key": "keyed:x",
        "a public client": "native:",
        "a public client with a secret": "native:x",
        "a disabled client": f"disabled:{target.secret('disabled')}",
        "name with a space": f"web :{secret}",
    }.items():
        yield name, basic(text), {}
    yield "no UTF-8", basic(b"web:\xff\xfe"), {}
    for name, header in {
        "without padding": "Basic " + right.rstrip("=") + ("" if right.endswith("=") else "="),
        "with a space": f"Basic {right[:8]} {right[8:]}",
        "with a tab": f"Basic\t{right}",
        "two spaces": f"Basic  {right}",
        "something behind": f"Basic {right}!",
        "a list": f"Basic {right}, Basic {right}",
        "another scheme": f"Bearer {right}",
        "no scheme": right,
    }.items():
        yield name, {"Authorization": header}, {}
    for name, form in {
        "posted by a client of the header": {"client_id": "web", "client_secret": secret},
        "posted wrong": {"client_id": "posting", "client_secret": "x" * 43},
        "posted 1 MB": {"client_id": "posting", "client_secret": "x" * 60_000},
        "posted accents": {"client_id": "posting", "client_secret": "é"},
        "posted unknown": {"client_id": "nobody", "client_secret": posting},
        "posted public": {"client_id": "native", "client_secret": "x"},
        "only a name": {"client_id": "web"},
        "nobody": {},
        "an assertion of nobody": assertion("nobody", aud=target.issuer),
        "an assertion for another server": assertion("keyed", aud="https://other.example"),
    }.items():
        yield name, {}, form
    web = {"Authorization": f"Basic {right}"}
    yield "header and form", web, {"client_id": "web", "client_secret": secret}
    yield "header and another form", web, {"client_id": "posting", "client_secret": posting}
    yield "header and assertion", web, assertion("keyed", aud=target.issuer)
    yield "header, another name in the form", web, {"client_id": "other"}


def test_2_21_no_client_is_believed_without_its_proof_and_all_hear_the_same(each_target: Target) -> None:
    """V10.4.10, A4 to A6: 41 ways at six endpoints; never 500, and unknown sounds like wrong."""
    heard: dict[tuple[int, str], list[str]] = {}

    for path, form in ENDPOINTS.items():
        for name, headers, proof in wrong_proofs(each_target):
            sent = {**form, **proof}
            answered = requests.post(f"{each_target.issuer}{path}", data=sent, headers=headers, timeout=WAIT)
            heard.setdefault((answered.status_code, answered.text), []).append(f"{name} at {path}")

    assert [status for status, _ in heard] == [401], heard
    ((_, text),) = heard
    assert json.loads(text)["error"] == "invalid_client"


def test_2_21_an_old_secret_ends_at_every_endpoint(each_target: Target) -> None:
    """A5: after `rotate-secret`, `--finish` ends what lived beside the new one."""
    old = each_target.secret("rotated")
    proof: dict[str, Any] = {"auth": ("rotated", old), "timeout": WAIT}
    shown = each_target.live.idp("clients", "rotate-secret", "rotated").stdout
    form = ENDPOINTS["/introspect"]
    assert requests.post(f"{each_target.issuer}/introspect", data=form, **proof).status_code == 200

    each_target.live.idp("clients", "rotate-secret", "rotated", "--finish")

    for path, form in ENDPOINTS.items():
        assert requests.post(f"{each_target.issuer}{path}", data=form, **proof).status_code == 401, path
    new = shown.split("once): ")[1].split()[0]
    answered = requests.post(
        f"{each_target.issuer}/introspect", data={"token": "x"}, auth=("rotated", new), timeout=WAIT
    )
    assert answered.status_code == 200


@pytest.mark.slow_attack
def test_2_22_the_time_of_a_refusal_tells_nothing_of_client_or_secret(target: Target) -> None:
    """A thousand of each, interleaved: unknown client, wrong secret, a secret right in its first twenty characters."""
    secret = target.secret("web")
    tried = {
        "unknown client": ("nobody", "x" * len(secret)),
        "wrong secret": ("web", "x" * len(secret)),
        "right at first": ("web", secret[:20] + "x" * (len(secret) - 20)),
    }
    taken: dict[str, list[float]] = {name: [] for name in tried}

    with requests.Session() as session:
        for _ in range(1000):
            for name, auth in tried.items():
                begun = time.perf_counter()
                answered = session.post(f"{target.issuer}/introspect", data={"token": "x"}, auth=auth, timeout=WAIT)
                taken[name].append(time.perf_counter() - begun)
                assert answered.status_code == 401

    medians = {name: statistics.median(times) for name, times in taken.items()}
    print({name: f"{seconds * 1000:.3f} ms" for name, seconds in medians.items()})
    apart = max(medians.values()) - min(medians.values())
    assert apart < max(0.002, 0.05 * min(medians.values())), medians


# --- 2.24 to 2.26: who asks, and how ---------------------------------------------------------------------------------


def test_2_24_introspection_and_revocation_are_for_the_owner(each_target: Target) -> None:
    """RFC 7662 §2.1, RFC 7009 §2.1: hints may be wrong, another's token stays as it is, unknown ones are a success."""
    tokens = each_target.tokens(each_target.signed_in())
    names = {"access_token": tokens["access_token"], "refresh_token": tokens["refresh_token"]}

    for token in names.values():
        for path in ("/introspect", "/revoke"):
            assert each_target.post(path, token=token).status_code == 401
            assert each_target.post(path, token=token, client_id="web").status_code == 401
        assert each_target.post("/introspect", "native", token=token).status_code == 401, "who proves nothing"
        assert each_target.post("/introspect", "other", token=token).json() == {"active": False}
        assert each_target.post("/revoke", "other", token=token).status_code == 200
        assert each_target.post("/revoke", "native", token=token).status_code == 200
        for hint in (*names, "id_token", "\u2603"):
            assert each_target.post("/introspect", "web", token=token, token_type_hint=hint).json()["active"], hint
    for path in ("/introspect", "/revoke"):
        for unknown in ("x", "x" * 43, "a.b.c", "\u2603", tokens["access_token"][:-1]):
            answered = each_target.post(path, "web", token=unknown)
            assert answered.status_code == 200, unknown
            assert path == "/revoke" or answered.json() == {"active": False}

    assert each_target.post("/revoke", "web", token=names["refresh_token"], token_type_hint="access_token").ok

    assert_dead(each_target, tokens)


def test_2_25_answers_are_json_that_nothing_keeps_and_no_page_reads(each_target: Target) -> None:
    """RFC 6749 §5.1: successes and errors of every endpoint for programs, asked by a page of somebody else."""
    target = each_target
    tokens = target.tokens(target.signed_in())
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    asked: list[tuple[str, str, dict[str, Any]]] = [
        *(("POST", path, {"data": form, "auth": ("web", target.secret("web"))}) for path, form in ENDPOINTS.items()),
        *(("POST", path, {"data": form}) for path, form in ENDPOINTS.items()),
        *(("POST", path, {"json": form}) for path, form in ENDPOINTS.items()),
        *((method, path, {}) for path in ENDPOINTS for method in ("GET", "PUT", "DELETE")),
        ("POST", "/introspect", {"data": {"token": tokens["access_token"]}, "auth": ("web", target.secret("web"))}),
        ("POST", "/par", {"data": target.request_of(), "auth": ("web", target.secret("web"))}),
        ("GET", "/userinfo", {"headers": bearer}),
        ("POST", "/userinfo", {"headers": bearer}),
        ("GET", "/userinfo", {}),
        ("GET", "/userinfo", {"headers": {"Authorization": "Bearer x"}}),
    ]
    code = target.code(target.signed_in())
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    asked.append(("POST", "/token", {"data": form, "auth": ("web", target.secret("web"))}))

    statuses = set()
    for method, path, more in asked:
        headers = {**more.pop("headers", {}), "Origin": "https://evil.example"}
        answered = requests.request(method, f"{target.issuer}{path}", headers=headers, timeout=WAIT, **more)
        statuses.add(answered.status_code)
        assert answered.headers["Cache-Control"] == "no-store", (method, path, answered.status_code)
        assert answered.headers["X-Content-Type-Options"] == "nosniff", (method, path)
        assert answered.content == b"" or answered.headers["Content-Type"] == "application/json", (method, path)
        assert not [name for name in answered.headers if name.lower().startswith("access-control-")], (method, path)
    assert statuses == {200, 201, 400, 401, 405}


def test_2_26_secrets_come_in_one_place_and_one_spelling(each_target: Target) -> None:
    """RFC 9700 §4.3.2, RFC 6750 §2, CVE-2026-0707: not in the address, not as JSON, not by GET, not twice."""
    target, secret = each_target, each_target.secret("posting")
    tokens = target.tokens(target.signed_in())
    token, url = tokens["access_token"], f"{target.issuer}/userinfo"
    form = {
        "grant_type": "refresh_token",
        "refresh_token": target.tokens(target.signed_in(), "posting")["refresh_token"],
    }
    proof = {"client_id": "posting", "client_secret": secret}
    headers = [
        *(f"bearer {token}", f"BEARER {token}", f"Bearer\t{token}", f"Bearer  {token}", f"Bearer {token} "),
        *(f"Bearer:{token}", f"Bearer{token}", token, f"Bearer {token}, Bearer {token}", f"Bearer {token},"),
        *(f"DPoP {token}", f"Basic {token}", f"Token {token}", f"Bearer token={token}", f'Bearer "{token}"'),
    ]
    asked = {
        "GET": requests.get(f"{target.issuer}/token", params={**form, **proof}, timeout=WAIT),
        "address": requests.post(f"{target.issuer}/token", params={**form, **proof}, timeout=WAIT),
        "secret in the address": requests.post(f"{target.issuer}/token", params=proof, data=form, timeout=WAIT),
        "JSON": requests.post(f"{target.issuer}/token", json={**form, **proof}, timeout=WAIT),
        "multipart": requests.post(f"{target.issuer}/token", files={**form, **proof}, timeout=WAIT),
        "text": requests.post(
            f"{target.issuer}/token", data={**form, **proof}, headers={"Content-Type": "text/plain"}, timeout=WAIT
        ),
        "token in the address": requests.get(url, params={"access_token": token}, timeout=WAIT),
        "in both": requests.get(
            url, params={"access_token": token}, headers={"Authorization": f"Bearer {token}"}, timeout=WAIT
        ),
        "in header and form": requests.post(
            url, data={"access_token": token}, headers={"Authorization": f"Bearer {token}"}, timeout=WAIT
        ),
        "token as JSON": requests.post(url, json={"access_token": token}, timeout=WAIT),
        "two headers": _raw_userinfo(target, token),
        **{each: requests.get(url, headers={"Authorization": each}, timeout=WAIT) for each in headers},
    }

    # A space behind a value is none of the value (RFC 9110 §5.5): it is gone before anybody sees it.
    taken = [name for name, answered in asked.items() if answered.status_code not in {400, 401, 405}]
    assert taken == [f"Bearer {token} "]
    assert target.userinfo(token).status_code == 200
    assert target.post("/token", "posting", **form).status_code == 200, "nothing of it has spent the refresh token"


def _raw_userinfo(target: Target, token: str) -> requests.Response:
    """Two Authorization headers: the second is right."""
    connection = HTTPConnection(urlsplit(target.issuer).netloc, timeout=WAIT)
    connection.putrequest("GET", "/userinfo")
    connection.putheader("Authorization", "Bearer x")
    connection.putheader("Authorization", f"Bearer {token}")
    connection.endheaders()
    response = requests.Response()
    response.status_code = connection.getresponse().status
    connection.close()
    return response


# --- 2.28: the ID token ----------------------------------------------------------------------------------------------


def test_2_28_an_id_token_says_what_happened_and_no_more(each_target: Target) -> None:
    """OIDC Core §2, §3.1.3.6: exact members; nothing personal, whatever scopes were granted (§5.4)."""
    person, browser = each_target.member()[0], each_target.signed_in()
    for client, scope in (("web", "openid"), ("native", "openid"), ("web", " ".join(EVERY_SCOPE))):
        begun = int(time.time())
        tokens = each_target.tokens(browser, client, scope=scope, nonce="n-1")

        stated = each_target.verified(tokens["id_token"])

        ours = {"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash"}
        assert set(stated) == ours | ({"sid"} if client == "web" else set()), "no azp: there is one audience"
        assert (stated["iss"], stated["aud"], stated["nonce"]) == (each_target.issuer, client, "n-1")
        assert begun - 1 <= stated["iat"] <= time.time()
        assert 0 < stated["exp"] - stated["iat"] <= 600
        assert stated["auth_time"] <= stated["iat"]
        assert stated["at_hash"] == left_half_hash(tokens["access_token"], "ES256")
        assert (stated["acr"], set(stated["amr"])) == ("urn:vpk:acr:two-factor", {"pwd", "otp", "mfa"})
        told = json.dumps(stated)
        for known in (person.ahv_number, person.birth_date, person.phone, person.email, person.last_name):
            assert known not in told
        assert person.person_number not in stated["sub"]


def test_2_28_nothing_personal_is_told_without_its_scope(each_target: Target) -> None:
    """And the AHV number with none (D7)."""
    person, browser = each_target.member()[0], each_target.signed_in()
    everything = {name: {"essential": True} for name in ("birthdate", "phone_number", "email", "ahv_number", "name")}
    claims = json.dumps({"userinfo": everything, "id_token": everything})

    tokens = each_target.tokens(browser, "narrow", scope="openid", claims=claims)
    widest = each_target.tokens(browser, scope=" ".join(EVERY_SCOPE), claims=claims)

    assert set(each_target.userinfo(tokens["access_token"]).json()) == {"sub"}
    assert not set(everything) & set(each_target.verified(tokens["id_token"]))
    told = each_target.userinfo(widest["access_token"]).json()
    assert told["email"] == person.email
    for number in (person.ahv_number, person.ahv_number.replace(".", "")):
        assert number not in json.dumps([told, each_target.verified(widest["id_token"])])


def test_2_28_a_subject_is_random_stable_and_never_given_again(each_target: Target) -> None:
    person, browser = each_target.enrolled()
    first = each_target.verified(each_target.tokens(browser)["id_token"])["sub"]
    again, page = each_target.at_second_factor(person)
    again.press(page, code=again.factor_code(person))
    second = each_target.verified(each_target.tokens(again, "other")["id_token"])["sub"]
    closing = ("close-account", person.person_number, "--operator", "E", "--reason", "test", "--yes")
    each_target.live.idp("register", *closing)
    person.code = new_letters(each_target.live, "again")[person.person_number]
    person.totp_secret, newcomer = "", each_target.browser()
    each_target.enrol(newcomer, person)

    third = each_target.verified(each_target.tokens(newcomer)["id_token"])["sub"]

    assert first == second
    assert third != first
    assert len(first) >= 16
    assert first not in (person.ahv_number, person.person_number)


def test_2_28_nobody_gets_an_unsigned_id_token(target: Target) -> None:
    """Conformance's OIDCCIdTokenUnsigned; neither by registration nor by the operator's file."""
    said = {"redirect_uris": [CALLBACK], "client_name": "Unsigned"}

    for alg in ("none", "None", "NONE", "HS256", ""):
        assert target.register({**said, "id_token_signed_response_alg": alg}).status_code == 400, alg
    file = target.live.folder / "unsigned.toml"
    described = {f"unsigned-{number}": {"id_token_signed_response_alg": alg} for number, alg in enumerate(("none", ""))}
    file.write_text(toml(described, target.live.folder), encoding="utf-8")
    refused = target.live.idp("clients", "apply", str(file), "--yes", check=False)
    assert refused.returncode != 0
    assert all(f"{name}: id_token_signed_response_alg" in refused.stderr for name in described)

    published = requests.get(f"{target.issuer}/.well-known/openid-configuration", timeout=WAIT).json()
    assert "none" not in json.dumps(published["id_token_signing_alg_values_supported"]).lower()
    assert target.rows("SELECT count(*) FROM client WHERE id_token_signed_response_alg NOT IN ('ES256', 'RS256')") == [
        (0,)
    ]
