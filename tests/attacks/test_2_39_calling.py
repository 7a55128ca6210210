"""What the provider calls, and what it learns there: rows 2.30, 2.32, 2.39 and 2.41 to 2.43.

At a provider of its own, which may call servers of its clients on this machine (`calling`). Addresses that nobody has
permitted are in V30.
"""

import gzip
import json
import time
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from listener import Listener
from listener import listener
from listener import make_certificate
from places import places
from places import staff_assertion
from places import things
from proofs import ES256
from proofs import OTHER
from proofs import assertion
from proofs import jwks
from proofs import sign
from target import CALLBACK
from target import CIBA
from target import FUND
from target import INSIDE
from target import REFUSED
from target import STAFF_KEY
from target import WAIT
from target import Browser
from target import Calling
from target import answer
from target import at_once
from target import family
from target import spent
from target import web
from walk import Page

from idp.client_metadata import ClientMetadata
from idp.settings import Settings
from keys.algorithms import read_header

BACK = "https://rp.example/out"
EVENT = "http://schemas.openid.net/event/backchannel-logout"


def until(is_so: Callable[[], Any], seconds: float = 30) -> None:
    """Wait for something that happens by itself."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it has not happened"
        time.sleep(0.05)


# --- 2.30: keys ------------------------------------------------------------------------------------------------------


def kids(calling: Calling) -> list[str]:
    return [key["kid"] for key in requests.get(f"{calling.target.issuer}/jwks", timeout=WAIT).json()["keys"]]


def everywhere(ask: Callable[[], Any]) -> list[Any]:
    """Asked so often at the same moment that each of four workers has answered."""
    return at_once([ask] * 32)


@pytest.mark.slow_attack
def test_2_30_keys_change_and_nobody_notices_but_for_the_lost_ones(calling: Calling) -> None:
    """`OIDCCServerRotateKeys`: shown a day before it signs, longer than anybody may keep the set; each node follows."""
    target, browser = calling.target, calling.target.signed_in()
    answered = requests.get(f"{target.issuer}/jwks", timeout=WAIT)
    kept = int(answered.headers["Cache-Control"].split("max-age=")[1])
    cached, before = {key["kid"]: key for key in answered.json()["keys"]}, target.tokens(browser)["id_token"]

    target.live.idp("keys", "rotate", "--alg", "ES256", "--yes")
    until(lambda: all(len(shown) == len(cached) + 1 for shown in everywhere(lambda: kids(calling))), 90)
    (coming,) = set(kids(calling)) - set(cached)
    moments = "SELECT signs_from, signs_until, shown_until FROM signing_key WHERE kid = :k"
    lead = target.rows("SELECT created_at, signs_from FROM signing_key WHERE kid = :k", k=coming)[0]
    assert read_header(target.tokens(browser)["id_token"])["kid"] in cached, "who kept the old set reads every token"
    assert _seconds(lead[0], lead[1]) >= kept + 30

    target.live.idp("keys", "rotate", "--alg", "ES256", "--now", "--yes")
    until(lambda: {*everywhere(lambda: _kid(calling, browser.twin()))} <= {*kids(calling)} - {*cached}, 90)
    renewed = kids(calling)
    old = read_header(before)["kid"]
    assert old in renewed, "whoever has a token of it can still read it"
    _, until_when, shown = target.rows(moments, k=old)[0]
    assert _seconds(until_when, shown) >= 600, "for as long as the longest token lives"
    assert "code" in answer(target.authorize(browser, id_token_hint=before))
    target.verified(target.tokens(browser)["id_token"])

    target.live.idp("keys", "rotate", "--emergency", "--yes")
    lost = set(renewed)
    until(lambda: all(lost.isdisjoint(shown) for shown in everywhere(lambda: kids(calling))), 90)
    assert answer(target.authorize(browser, id_token_hint=before))["error"] == "invalid_request"
    fresh = target.tokens(browser)
    assert read_header(fresh["id_token"])["kid"] not in lost
    assert target.userinfo(fresh["access_token"]).status_code == 200


def _kid(calling: Calling, browser: Browser) -> str:
    return str(read_header(calling.target.tokens(browser)["id_token"])["kid"])


def _seconds(earlier: Any, later: Any) -> float:
    """Between two moments as the database keeps them."""
    return (datetime.fromisoformat(str(later)) - datetime.fromisoformat(str(earlier))).total_seconds()


# --- 2.32: pairwise subjects -----------------------------------------------------------------------------------------


def test_2_32_two_sectors_know_a_person_by_two_names(calling: Calling) -> None:
    """OIDC Core §8.1, `OIDCCRegistrationSectorBad`: a document must list every address of whoever names it."""
    target, one, two = calling.target, "https://one.example/cb", "https://two.example/cb"
    sector = calling.serve("/sector", [one, two])
    pair = {"subject_type": "pairwise"}
    calling.target.described(
        {
            "pair-one": {**pair, "redirect_uris": [one]},
            "pair-one-again": {**pair, "redirect_uris": ["https://one.example/other"]},
            "pair-two": {**pair, "redirect_uris": [two]},
            "pair-sector": {**pair, "redirect_uris": [one], "sector_identifier_uri": sector},
            "pair-sector-two": {**pair, "redirect_uris": [two], "sector_identifier_uri": sector},
        }
    )
    browser = target.signed_in()

    sub = {name: target.verified(target.tokens(browser, name)["id_token"])["sub"] for name in target.names("pair-")}

    public = target.verified(target.tokens(browser)["id_token"])["sub"]
    assert sub["pair-one"] == sub["pair-one-again"]
    assert sub["pair-sector"] == sub["pair-sector-two"]
    assert len({public, sub["pair-one"], sub["pair-two"], sub["pair-sector"]}) == 4
    documents = [[one], [], {one: two}, None, "x", [f"{two}/"], [two.upper()], {"redirect_uris": [two]}, [[two]]]
    for number, document in enumerate(documents):
        uri = calling.serve(f"/sector/{number}", document)
        said = {**pair, "redirect_uris": [two], "client_name": "Pair", "sector_identifier_uri": uri}
        refused = target.register(said)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_client_metadata"), document
    several = target.register({**pair, "redirect_uris": [one, two], "client_name": "Pair"})
    assert several.status_code == 400, "several hosts without a document"


# --- 2.38, 2.39: logout tokens ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(calling: Calling) -> Callable[[], list[str]]:
    """The logout tokens that have come to the client `told`."""
    address = calling.serve("/told", {})
    calling.target.described({"told": {"backchannel_logout_uri": address, "post_logout_redirect_uris": [BACK]}})
    return lambda: [parse_qs(seen.body.decode())["logout_token"][0] for seen in calling.heard("/told")]


def test_2_39_an_application_hears_of_the_end(calling: Calling, told: Callable[[], list[str]]) -> None:
    """Back-Channel Logout §2.4: type, event, subject and session, two minutes at most, no nonce, another `jti` each."""
    target, before = calling.target, len(told())
    ended = []
    for _ in range(2):
        _, browser = target.enrolled()
        hint = target.tokens(browser, "told")["id_token"]
        assert browser.look("/logout", id_token_hint=hint).status_code == 303
        ended.append(target.verified(hint))

    until(lambda: len(told()) == before + 2)

    tokens = told()[before:]
    claims = [target.verified(token) for token in tokens]
    for token, stated in zip(tokens, claims, strict=True):
        assert read_header(token)["typ"] == "logout+jwt"
        assert set(stated) == {"iss", "sub", "aud", "iat", "exp", "jti", "sid", "events"}
        assert (stated["iss"], stated["aud"], stated["events"]) == (target.issuer, "told", {EVENT: {}})
        assert 0 < stated["exp"] - stated["iat"] <= 120
    assert {(each["sub"], each["sid"]) for each in claims} == {(each["sub"], each["sid"]) for each in ended}
    assert len({each["jti"] for each in claims}) == 2


def test_2_23_2_38_a_logout_token_passes_for_nothing(calling: Calling, told: Callable[[], list[str]]) -> None:
    """At every place of the matrix of V11, and as a hint where the ID token of the same session is one."""
    target = calling.target
    person, browser = target.enrolled()
    hint, before = target.tokens(browser, "told")["id_token"], len(told())
    browser.look("/logout", id_token_hint=hint)
    until(lambda: len(told()) > before)
    calling.serve("/assertion_issuers", jwks(STAFF_KEY))
    token = told()[-1]
    again, page = target.at_second_factor(person)
    again.press(page, code=again.factor_code(person, after=1))

    believed = [name for name, place in places(target, things(target)).items() if not place.refuses(token)]
    leading, asking = (
        [target.browser().look("/logout", id_token_hint=each, post_logout_redirect_uri=BACK) for each in (hint, token)],
        [target.authorize(again, "told", prompt="none", id_token_hint=each) for each in (hint, token)],
    )

    assert believed == []
    assert not target.is_active(token, "told")
    assert [each.headers["Location"] for each in leading] == [BACK, "/signed-out"]
    assert ["code" in answer(each) for each in asking] == [True, False]


@pytest.mark.slow_attack
def test_2_38_an_expired_id_token_is_still_a_hint(calling: Calling) -> None:
    """RP-Initiated Logout §2: this provider's live for a minute."""
    _, browser = calling.target.enrolled()
    hint = calling.target.tokens(browser)["id_token"]

    time.sleep(62)

    assert calling.target.verified(hint)["exp"] < time.time()
    sent = {"id_token_hint": hint, "post_logout_redirect_uri": "https://rp.example/out"}
    assert browser.look("/logout", **sent).headers["Location"] == "https://rp.example/out"
    assert answer(calling.target.authorize(browser, prompt="none"))["error"] == "login_required"


@pytest.fixture
def hanging() -> Iterator[Listener]:
    """A server that takes every call and never answers."""
    with listener() as server:
        server.act = lambda _: server.stopped.wait(60) and None
        yield server


def test_2_39_one_application_that_hangs_keeps_nobody_waiting(
    calling: Calling, told: Callable[[], list[str]], hanging: Listener
) -> None:
    """The person is signed out, the others hear of it, and what failed is tried again later, for two hours at most."""
    target, before = calling.target, len(told())
    broken = {"backchannel_logout_uri": f"{calling.server.url}/broken"}
    calling.target.described({"hangs": {"backchannel_logout_uri": f"{hanging.url}/x"}, "broken": broken})
    _, browser = target.enrolled()
    for client in ("hangs", "broken", "told"):
        hint = target.tokens(browser, client)["id_token"]

    begun = time.monotonic()
    assert browser.look("/logout", id_token_hint=hint).status_code == 303
    seconds = time.monotonic() - begun

    assert seconds < 4, "nobody waits for the five seconds of the one that hangs"
    until(lambda: len(told()) > before and calling.heard("/broken") and hanging.seen)
    query = "SELECT name, state, last_error FROM outbox_message WHERE medium = 'logout' AND name IN ('hangs', 'broken')"
    until(lambda: all(error for _, _, error in target.rows(query)))
    assert sorted(tuple(row) for row in target.rows(query)) == [
        ("broken", "pending", "HTTP 404"),
        ("hangs", "pending", "not reached: too slow"),
    ]
    bounds = "SELECT created_at, expires_at FROM outbox_message WHERE medium = 'logout'"
    assert {round(_seconds(*row)) for row in target.rows(bounds)} == {7200}
    assert target.log().count("message not sent") >= 2


@pytest.mark.slow_attack
def test_2_39_what_failed_is_told_again(calling: Calling, told: Callable[[], list[str]]) -> None:
    """A new token each time, until it arrives."""
    target = calling.target
    calling.target.described({"later": {"backchannel_logout_uri": f"{calling.server.url}/later"}})
    _, browser = target.enrolled()
    browser.look("/logout", id_token_hint=target.tokens(browser, "later")["id_token"])

    until(lambda: len(calling.heard("/later")) == 2, 60)
    calling.serve("/later", {})
    until(lambda: len(calling.heard("/later")) == 3, 90)

    tokens = [parse_qs(seen.body.decode())["logout_token"][0] for seen in calling.heard("/later")]
    assert len({target.verified(token)["jti"] for token in tokens}) == 3
    state = "SELECT state FROM outbox_message WHERE medium = 'logout' AND name = 'later'"
    until(lambda: target.rows(state)[0][0] == "sent")


# --- 2.41: the inventory ---------------------------------------------------------------------------------------------

CALLED = {
    *("jwks_uri", "sector_identifier_uri", "request_uris", "backchannel_logout_uri"),
    "backchannel_client_notification_endpoint",
}
"""Addresses of clients that are called from here (docs/operations.md)."""
NEVER_CALLED = {
    *("client_uri", "logo_uri", "policy_uri", "tos_uri", "initiate_login_uri", "frontchannel_logout_uri"),
    *("redirect_uris", "post_logout_redirect_uris", "tls_client_auth_san_uri"),
}
"""Where browsers go, what people read, what a certificate says."""
CLIENTS_OF_OTHER_TESTS = {"told", "broken", "later"}
"""Which may still be waiting for news."""
CALLED_SETTINGS = {"assertion_issuers", "software_statement_issuers"}


def test_2_41_the_inventory_is_complete() -> None:
    """V13.1.1: a new address finds no place in it by itself."""
    fields = {name for name in ClientMetadata.model_fields if name.endswith(("_uri", "_uris", "_url", "_endpoint"))}
    words = {"uri", "url", "endpoint", "issuer", "issuers", "host", "hosts"}
    settings = {name for name in Settings.model_fields if words & set(name.split("_"))}

    assert fields == CALLED | NEVER_CALLED
    assert settings - CALLED_SETTINGS == {
        *("database_url", "redis_url", "smtp_host", "smpp_host", "sms_url"),  # stores and gateways of the operator
        *("issuer", "check_host", "fund_url", "fetch_private_hosts"),  # our own name, a link for people, a permission
    }


def test_2_41_only_what_is_documented_is_called(calling: Calling) -> None:
    """Every address field leads to a server that hears; a client with all of them lives through everything."""
    target, base = calling.target, calling.server.url
    calling.server.seen.clear()
    calling.gateway.seen.clear()
    callback = f"{base}/redirect_uris"
    sent = target.request_of("everything", redirect_uri=callback, scope="openid email")
    asked = json.dumps({**sent, "iss": "everything", "aud": target.issuer}).encode()
    for path, content in {
        "/jwks_uri": jwks(),
        "/sector_identifier_uri": [callback],
        "/request_uris": sign({}, asked, ES256, "ES256"),
        "/backchannel_logout_uri": {},
        "/backchannel_client_notification_endpoint": {},
        "/assertion_issuers": jwks(STAFF_KEY),
        "/software_statement_issuers": jwks(OTHER),
    }.items():
        calling.serve(path, content)
    calling.target.described({"everything": _everything(base)})
    person, browser = target.enrolled()

    request = {"client_id": "everything", "request_uri": f"{base}/request_uris", **_outside(sent)}
    consent = Page(browser.get(f"{target.issuer}/authorize", params=request, timeout=WAIT))
    for field in ("policy_uri", "tos_uri"):
        assert f"{base}/{field}" in consent.text, "people see it"
    code = answer(browser.press(consent))["code"]
    tokens = target.redeem(code, "everything", redirect_uri=callback, **_proof(calling)).json()
    target.confirm(browser, person.email, "everything")
    until(lambda: calling.heard("/backchannel_client_notification_endpoint"))
    assert target.bring(staff_assertion(target)).status_code == 200
    statement = sign({}, json.dumps({"iss": FUND, "software_id": "x"}).encode(), OTHER, "ES256")
    said = {"redirect_uris": [CALLBACK], "client_name": "Stated", "software_statement": statement}
    assert target.register(said).status_code == 201
    newcomer, visitor = target.person(), target.browser()
    visitor.until_confirmation(visitor.open("/enrol"), newcomer, "sms")
    assert browser.look("/logout", id_token_hint=tokens["id_token"]).status_code in {200, 303}
    until(lambda: calling.heard("/backchannel_logout_uri") and calling.gateway.seen)

    heard = {seen.path.strip("/").partition("?")[0] for seen in calling.server.seen} - CLIENTS_OF_OTHER_TESTS
    assert heard == CALLED | CALLED_SETTINGS
    assert {seen.path for seen in calling.gateway.seen} == {"/sms_url"}
    for seen in calling.server.seen:
        assert seen.headers["User-Agent"] == "vpk-idp"
        assert "Cookie" not in seen.headers


def _everything(base: str) -> dict[str, Any]:
    alone = [*CALLED, *NEVER_CALLED - {"tls_client_auth_san_uri"}]
    addresses = {name: [f"{base}/{name}"] if name.endswith("uris") else f"{base}/{name}" for name in alone}
    return {
        **addresses,
        "token_endpoint_auth_method": "private_key_jwt",
        "subject_type": "pairwise",
        "first_party": False,
        "grant_types": ["authorization_code", "refresh_token", CIBA],
        "backchannel_token_delivery_mode": "ping",
    }


def _outside(sent: dict[str, str]) -> dict[str, str]:
    return {name: sent[name] for name in ("response_type", "scope")}


def _proof(calling: Calling) -> dict[str, str]:
    return assertion("everything", aud=calling.target.issuer)


# --- 2.42: inside, and redirects to there ----------------------------------------------------------------------------


def test_2_42_nothing_inside_is_called_but_what_the_operator_named(calling: Calling) -> None:
    """Each class of addresses, where `localhost` is permitted: refused for itself, whether anybody listens or not."""
    target, before = calling.target, len(calling.target.fetched())
    said = {"redirect_uris": [CALLBACK], "client_name": "Inside", "subject_type": "pairwise"}

    answers = [target.register({**said, "sector_identifier_uri": web(host)}) for host in INSIDE]

    assert {(each.status_code, each.text) for each in answers} == {(400, answers[0].text)}
    assert target.fetched()[before:] == [("GET", host, REFUSED) for host in INSIDE]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_2_42_no_redirect_is_followed(calling: Calling, status: int) -> None:
    """Not even to a host that may be called; spellings and schemes are in V30, names that rebind in test_fetcher.py."""
    target = calling.target
    with listener() as inside, listener() as leading:
        leading.status, leading.headers = status, {"Location": f"{inside.url}/inside"}
        uri = f"{leading.url}/x"
        said = {"redirect_uris": [CALLBACK], "client_name": "Led"}

        sector = target.register({**said, "subject_type": "pairwise", "sector_identifier_uri": uri})
        keyed = target.register({**said, "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": uri}).json()
        proven = target.post("/introspect", **assertion(keyed["client_id"], aud=target.issuer), token="x")
        asking = target.register({**said, "request_uris": [uri]}).json()["client_id"]
        request = target.request_of(asking, redirect_uri=CALLBACK, request_uri=uri)
        asked = target.signed_in().look("/authorize", **request)

        assert (sector.status_code, proven.status_code) == (400, 401)
        assert "code" not in answer(asked)
        assert len(leading.seen) >= 3
        assert inside.connections == 0


# --- 2.43: servers that mean no good ---------------------------------------------------------------------------------


def drip(handler: BaseHTTPRequestHandler) -> None:
    """A byte a second, without end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
    for _ in range(60):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(1)


def flood(handler: BaseHTTPRequestHandler) -> None:
    """A hundred megabytes."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n")
    for _ in range(1600):
        handler.wfile.write(b" " * 65536)


def endless_headers(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(10**6):
        handler.wfile.write(b"X-%d: y\r\n" % number)


def bomb(handler: BaseHTTPRequestHandler) -> None:
    """A megabyte of nothing, in a thousand bytes."""
    body = gzip.compress(json.dumps([CALLBACK]).encode() + b" " * 10**6)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}"
    handler.wfile.write(head.encode() + b"\r\n\r\n" + body)


def silence(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(60)


LARGEST = 65536


def test_2_43_a_bad_server_costs_five_seconds_and_nobody_else_waits(calling: Calling) -> None:
    """Two of them at once; others are served meanwhile, and no memory is kept. 64 kB are taken, not a byte more."""
    target, pem = calling.target, make_certificate()
    acts = {"drip": drip, "flood": flood, "headers": endless_headers, "bomb": bomb, "silence": silence}
    pids = family(target)
    with ExitStack() as stack:
        servers = {name: stack.enter_context(listener()) for name in acts}
        for name, act in acts.items():
            servers[name].act = act
        servers["another authority"] = stack.enter_context(listener(pem=pem))
        servers["no TLS"] = stack.enter_context(listener(tls=False))
        servers["a byte too much"] = stack.enter_context(listener())
        for name in ("another authority", "no TLS", "a byte too much"):
            servers[name].body = json.dumps([CALLBACK]).encode()
        servers["a byte too much"].body = servers["a byte too much"].body.ljust(LARGEST + 1)
        addresses = {name: f"https://localhost:{server.port}/x" for name, server in servers.items()}
        addresses["another name"] = calling.serve("/sector/good", [CALLBACK]).replace("localhost", "127.0.0.1")
        said = {"redirect_uris": [CALLBACK], "client_name": "Bad", "subject_type": "pairwise"}
        target.initial_token()
        _, memory = spent(pids)

        def register(name: str) -> requests.Response:
            return target.register({**said, "sector_identifier_uri": addresses[name]})

        # Two at once: few enough that none is refused because too many wait for one host (`idp/fetcher.py`).
        with ThreadPoolExecutor(1) as waiting, ThreadPoolExecutor(1) as pool:
            slow = {name: waiting.submit(register, name) for name in ("silence", "drip")}
            until(lambda: servers["silence"].seen)
            meanwhile = [requests.get(f"{target.issuer}/jwks", timeout=WAIT).status_code for _ in range(4)]
            assert not slow["silence"].done(), "they were served while others waited"
            quick = {name: pool.submit(register, name) for name in addresses if name not in slow}
            answers = {name: future.result() for name, future in (slow | quick).items()}

        _, after = spent(pids)
    assert meanwhile == [200] * 4
    assert {name: each.status_code for name, each in answers.items()} == dict.fromkeys(addresses, 400)
    assert len({each.text for each in answers.values()}) == 1, "and nobody is told which it was"
    assert after - memory < 20 * 1024 * 1024
    assert [name for name, server in servers.items() if not server.connections] == [], "each has been tried"
    with listener() as good:
        good.body = json.dumps([CALLBACK]).encode().ljust(LARGEST)
        right = target.register({**said, "sector_identifier_uri": f"{good.url}/x"})
    assert right.status_code == 201, "the control"
    lines = [json.loads(line) for line in target.log().splitlines() if '"fetched"' in line]
    longest = max(line["seconds"] for line in lines)
    assert 4.9 <= longest < 7, longest  # five, and what a busy machine adds
