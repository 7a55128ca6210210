"""What the provider can be made to call: row V30 (addresses that clients name, and a canary that listens inside)."""

import statistics
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from listener import Listener
from listener import listener
from proofs import assertion
from target import CALLBACK
from target import Target
from target import toml

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
    web = [f"{each.scheme}://{host}:{each.port}/keys" for each in canaries for host in HOSTS]
    port = canaries[1].port
    schemes = [f"{scheme}://127.0.0.1:{port}/keys" for scheme in ("gopher", "ftp", "dict", "ldap", "ws", "HTTP")]
    inside = [
        f"https://{host}/keys" for host in ("169.254.169.254", "10.0.0.1", "192.168.1.1", "172.16.0.1", "[fe80::1]")
    ]
    return [
        *web,
        *schemes,
        *inside,
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
    browser, kept = target.signed_in(), 0

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


def test_v30_nor_for_one_that_an_operator_registered(target: Target, canaries: list[Listener]) -> None:
    """Keys, request objects and the end of a session, at addresses inside that nobody has permitted."""
    secure = canaries[0]
    inside = f"https://localhost:{secure.port}"
    calling = {
        "calling": {
            "backchannel_logout_uri": f"https://127.0.0.1:{secure.port}/out",
            "request_uris": [f"{inside}/object"],
        },
        "calling-keys": {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": f"{inside}/keys"},
    }
    file = target.live.folder / "calling.toml"
    file.write_text(toml(calling, target.live.folder), encoding="utf-8")
    target.live.idp("clients", "apply", str(file), "--yes")
    secret = (target.live.folder / "secret-calling").read_text().strip()
    _, browser = target.enrolled()

    code = target.code(browser, "calling")
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    form["code_verifier"] = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    tokens = requests.post(f"{target.issuer}/token", data=form, auth=("calling", secret), timeout=60).json()
    asked = target.request_of("calling", request_uri=f"{inside}/object")
    assert "code=" not in browser.look("/authorize", **asked).headers.get("Location", "")
    keyed = {**assertion("calling-keys", aud=target.issuer), "token": "x"}
    assert target.post("/introspect", **keyed).status_code == 401
    assert browser.look("/logout", id_token_hint=tokens["id_token"]).status_code == 303
    deadline = time.monotonic() + 10
    tried = "SELECT count(*) FROM outbox_message WHERE medium = 'logout' AND (tries > 0 OR state <> 'pending')"
    while target.rows(tried)[0][0] == 0:
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
