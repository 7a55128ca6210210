"""What the provider can be made to call: row V30 (addresses that clients name, and a canary that listens inside)."""

import statistics
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from listener import Listener
from listener import listener
from proofs import assertion
from proofs import jwks
from target import CALLBACK
from target import CIBA
from target import INSIDE
from target import REFUSED
from target import Target
from target import web

HOSTS = (
    *("127.0.0.1", "localhost", "LOCALHOST", "localhost.", "[::1]", "0.0.0.0", "[::]", "127.1", "127.0.0.2"),
    *("2130706433", "0x7f.1", "0x7f000001", "017700000001", "0177.0.0.1", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    *(
        "x@127.0.0.1",
        "rp.example@127.0.0.1",
        "127.0.0.1%00.rp.example",
        "127.0.0.1\\.rp.example",
        "\uff11\uff12\uff17.0.0.1",
    ),
)
FIELDS = ("jwks_uri", "sector_identifier_uri", "request_uris")
OTHERS = ("logo_uri", "client_uri", "policy_uri", "tos_uri", "initiate_login_uri")


@pytest.fixture(scope="module")
def canaries() -> Iterator[list[Listener]]:
    """Servers inside that nobody should ever call, with TLS and without; they do hear who calls."""
    with listener(tls=True) as secure, listener(tls=False) as plain:
        assert requests.get(plain.url, timeout=5).status_code == 200
        assert (plain.connections, secure.connections) == (1, 0)
        plain.connections = 0
        yield [secure, plain]


def addresses(canaries: list[Listener]) -> list[str]:
    """Every trick, at the port of each canary, and what is not the web at all."""
    tricks = [f"{each.scheme}://{host}:{each.port}/keys" for each in canaries for host in HOSTS]
    port = canaries[1].port
    schemes = [f"{scheme}://127.0.0.1:{port}/keys" for scheme in ("gopher", "ftp", "dict", "ldap", "ws", "HTTP")]
    return [
        *tricks,
        *schemes,
        *map(web, INSIDE),
        "file:///etc/passwd",
        f"//127.0.0.1:{port}/keys",
        "https://127.0.0.1:22/",
        "data:,x",
    ]


def heard(canaries: list[Listener]) -> int:
    return sum(each.connections for each in canaries)


def test_v30_no_address_inside_is_called_for_a_client_that_registers_itself(
    target: Target, canaries: list[Listener]
) -> None:
    """CVE-2026-1180, CVE-2025-67494: each field by each trick; what can be registered is used as well."""
    said: dict[str, Any] = {"redirect_uris": [CALLBACK], "client_name": "Curious"}
    browser, kept, before = target.signed_in(), 0, len(target.fetched())

    for number, address in enumerate(addresses(canaries)):
        for field in (*FIELDS, *(OTHERS if number < 5 else ())):  # the others are for people and never called
            more: dict[str, Any] = {field: [address] if field == "request_uris" else address}
            if field == "jwks_uri":
                more["token_endpoint_auth_method"] = "private_key_jwt"
            if field == "sector_identifier_uri":
                more["subject_type"] = "pairwise"
            answered = target.register({**said, **more})
            assert answered.status_code in {201, 400}, (field, address, answered.text)
            assert "127.0.0.1" not in answered.text or answered.status_code == 201
            if answered.status_code == 400 or field in OTHERS:
                continue
            kept += 1
            client = answered.json()["client_id"]
            if field == "jwks_uri":
                form = {**assertion(client, aud=target.issuer), "token": "x"}
                refused = target.post("/introspect", **form)
                assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
            if field == "request_uris":
                params = target.request_of(client, redirect_uri=CALLBACK, request_uri=address)
                assert "code=" not in browser.look("/authorize", **params).headers.get("Location", "")

    assert kept > 0, "some of it is a well-formed address, so that the fetcher itself has to refuse it"
    assert heard(canaries) == 0
    called = Counter(target.fetched()[before:])
    assert [host for host in INSIDE if called["GET", host, REFUSED] < len(FIELDS)] == [], "each by each field"
    assert {outcome for _, _, outcome in called} == {REFUSED}


def test_v30_nor_for_one_that_an_operator_registered(target: Target, canaries: list[Listener]) -> None:
    """Each address that is called from here, inside, where nobody has permitted it: keys, objects, news of the end."""
    port = canaries[0].port
    keyed = {"token_endpoint_auth_method": "private_key_jwt"}
    ping = {"redirect_uris": [], "grant_types": [CIBA], "scope": ["openid"], "backchannel_token_delivery_mode": "ping"}
    calling = {
        "calling": {
            "backchannel_logout_uri": web("127.0.0.3", port),
            "post_logout_redirect_uris": ["https://rp.example/out"],
            "request_uris": [web("127.0.0.4", port)],
        },
        "calling-keys": {**keyed, "jwks_uri": web("127.0.0.5", port)},
        "calling-ping": {
            **keyed,
            **ping,
            "jwks": jwks(),
            "backchannel_client_notification_endpoint": web("127.0.0.6", port),
        },
    }
    target.described(calling)
    person, browser = target.enrolled()
    tokens = target.tokens(browser, "calling")

    asked = target.request_of("calling", request_uri=web("127.0.0.4", port))
    assert "code=" not in browser.look("/authorize", **asked).headers.get("Location", "")
    proof = {**assertion("calling-keys", aud=target.issuer), "token": "x"}
    assert target.post("/introspect", **proof).status_code == 401
    target.confirm(browser, person.email, "calling-ping")
    assert browser.look("/logout", id_token_hint=tokens["id_token"]).status_code == 303

    tried = {
        *{("POST", host, REFUSED) for host in ("127.0.0.3", "127.0.0.6")},
        *{("GET", host, REFUSED) for host in ("127.0.0.4", "127.0.0.5")},
    }
    deadline = time.monotonic() + 30
    while not tried <= set(target.fetched()):
        assert time.monotonic() < deadline, "the provider has not even tried"
        time.sleep(0.1)
    assert heard(canaries) == 0


def test_v30_nothing_tells_an_open_port_from_a_closed_one(target: Target, canaries: list[Listener]) -> None:
    """CVE-2026-55671: the same words after the same time."""
    said = {"redirect_uris": [CALLBACK], "client_name": "Curious", "subject_type": "pairwise"}
    closed = canaries[0].port - 1 if canaries[0].port > 1025 else canaries[0].port + 1
    taken: dict[int, list[float]] = {canaries[0].port: [], closed: []}
    words = set()

    for _ in range(7):
        for port, times in taken.items():
            begun = time.perf_counter()
            answered = target.register({**said, "sector_identifier_uri": f"https://localhost:{port}/sector"})
            times.append(time.perf_counter() - begun)
            words.add((answered.status_code, answered.text))

    assert len(words) == 1
    assert next(iter(words))[0] == 400
    first, second = (statistics.median(times) for times in taken.values())
    assert abs(first - second) < 0.1
    assert heard(canaries) == 0
