"""The guarded fetcher: where it goes, what it sends, how much and how long it takes (security.md 2.41 to 2.43, V30)."""

import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from flask import Flask
from listener import Listener
from listener import certificate
from listener import listener

from idp import fetcher
from idp.fetcher import FetchFailed
from idp.fetcher import FetchRefused
from idp.ip_addresses import is_permitted
from idp.provider import provider
from idp.settings import BadSetting
from idp.settings import load


@pytest.fixture
def settled(apps: Callable[[str], Flask], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Changes settings of an application whose context is pushed."""
    app = apps("sqlite")
    with app.app_context():
        parts = app.extensions["idp"]

        def change(**values: Any) -> None:
            monkeypatch.setattr(parts, "settings", parts.settings.model_copy(update=values))

        yield change


@pytest.fixture
def inside(settled: Callable[..., None]) -> None:
    """This machine is permitted, and its authority trusted."""
    settled(fetch_private_hosts=("localhost",), fetch_ca_file=certificate())


@pytest.fixture
def server() -> Iterator[Listener]:
    with listener() as server:
        yield server


def resolve(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Every name has these addresses; the names that were looked up."""
    asked: list[str] = []

    def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(fetcher.socket, "getaddrinfo", look_up)
    return asked


# What it sends and brings


def test_it_brings_what_is_there(inside: None, server: Listener) -> None:
    server.kind, server.body = "application/JSON; charset=utf-8", b'{"keys": []}'

    answer = fetcher.get(f"{server.url}/keys?x=1#part")

    assert (answer.status, answer.media_type, answer.json()) == (200, "application/json", {"keys": []})
    assert [(seen.method, seen.path) for seen in server.seen] == [("GET", "/keys?x=1")]
    sent = server.seen[0].headers
    assert (sent["Host"], sent["User-Agent"], sent["Accept"]) == (
        f"localhost:{server.port}",
        "vpk-idp",
        "application/json",
    )
    assert {"cookie", "authorization", "referer"}.isdisjoint(name.lower() for name in sent)


def test_it_posts_a_form(inside: None, server: Listener) -> None:
    server.status = 204

    answer = fetcher.post(f"{server.url}/logout", b"logout_token=x", "application/x-www-form-urlencoded")

    assert answer.status == 204
    assert (server.seen[0].method, server.seen[0].body) == ("POST", b"logout_token=x")


def test_a_redirect_is_an_answer_and_not_followed(inside: None, server: Listener) -> None:
    server.status, server.headers = 302, {"Location": f"{server.url}/inside"}

    answer = fetcher.get(f"{server.url}/out")

    assert answer.status == 302
    assert len(server.seen) == 1
    with pytest.raises(FetchFailed):
        answer.json()


def test_proxies_of_the_environment_are_not_used(
    inside: None, server: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listener(tls=False) as proxy:
        for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)

        assert fetcher.get(server.url).status == 200
        assert proxy.connections == 0


# Where it goes


TRICKS = [
    *("https://127.0.0.1:{port}/", "https://[::1]:{port}/", "https://0.0.0.0:{port}/", "https://localhost:{port}/"),
    *("https://localhost.:{port}/", "https://[::ffff:127.0.0.1]:{port}/", "https://[::ffff:7f00:1]:{port}/"),
    *(
        "https://2130706433:{port}/",
        "https://0x7f000001:{port}/",
        "https://017700000001:{port}/",
        "https://127.1:{port}/",
    ),
    *("https://[::]:{port}/", "https://[64:ff9b::7f00:1]:{port}/", "https://[2002:7f00:1::]:{port}/"),
    *(
        "https://example.com@127.0.0.1:{port}/",
        "https://127.0.0.1:{port}@example.com/",
        "https://127.0.0.1:{port}\\@x/",
    ),
    *("http://127.0.0.1:{port}/", "http://localhost:{port}/", "//127.0.0.1:{port}/", "file:///etc/passwd"),
    *("gopher://127.0.0.1:{port}/_x", "ftp://127.0.0.1:{port}/", "HTTPS://LOCALHOST:{port}/", "https://:{port}/"),
    *("http\u017f://localhost:{port}/", "https://127.0.0.1\u212a:{port}/"),
    *("https://127.0.0.1:{port}/\r\nX: y", "https://127.0.0.1 :{port}/", "https://localhost%00.example:{port}/"),
    *("https://\u2460\u2461\u2466.0.0.1:{port}/", "https://[fe80::1%25lo]:{port}/", "data:,x", "", "https://"),
]


@pytest.mark.parametrize("trick", TRICKS)
def test_no_spelling_of_this_machine_is_reached(settled: Callable[..., None], server: Listener, trick: str) -> None:
    """security.md 2.42: not even a connection is made."""
    with pytest.raises(fetcher.FetchError) as refusal:
        fetcher.get(trick.format(port=server.port))

    assert str(refusal.value) in {FetchRefused.message, FetchFailed.message}
    assert server.connections == 0


INSIDE = [
    *("10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "127.8.9.1", "169.254.169.254", "198.18.0.1", "224.0.0.1"),
    *("255.255.255.255", "0.0.0.0", "192.0.2.1", "fc00::1", "fe80::1", "::1", "::", "ff02::1", "::ffff:10.0.0.1"),
    *("168.63.129.16", "::ffff:168.63.129.16", "192.0.0.192", "100.100.100.200", "fd00:ec2::254"),
    *("64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:a00:1::", "2001::1", "2001:db8::1", "::10.0.0.1", "fec0::1"),
]


@pytest.mark.parametrize("address", INSIDE)
def test_a_name_that_leads_inside_is_refused(
    settled: Callable[..., None], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    resolve(monkeypatch, address)
    monkeypatch.setattr(fetcher.socket, "create_connection", lambda *_, **__: pytest.fail("connected"))

    with pytest.raises(FetchRefused):
        fetcher.get("https://rp.example/")


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_public_addresses_are_permitted(address: str) -> None:
    assert is_permitted(ipaddress.ip_address(address), (), is_listed=False)


def test_one_address_inside_among_others_is_refused(
    settled: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve(monkeypatch, "1.1.1.1", "10.0.0.1")
    monkeypatch.setattr(fetcher.socket, "create_connection", lambda *_, **__: pytest.fail("connected"))

    with pytest.raises(FetchRefused):
        fetcher.get("https://rp.example/")


def test_a_name_is_looked_up_once(settled: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: what was judged is what is connected to."""
    settled(fetch_private_hosts=("rp.example",))
    asked, reached = resolve(monkeypatch, "127.0.0.1"), []
    monkeypatch.setattr(fetcher.socket, "create_connection", lambda to, **_: reached.append(to) or _refuse())

    with pytest.raises(FetchFailed):
        fetcher.get("https://rp.example/")

    assert asked == ["rp.example"]
    assert reached == [("127.0.0.1", 443)]


def _refuse() -> None:
    raise ConnectionRefusedError


def test_the_connected_socket_is_judged_too(
    settled: Callable[..., None], server: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was judged before: nothing is sent to a peer inside."""
    resolve(monkeypatch, "1.1.1.1")
    peer = socket.socket()
    peer.connect(("127.0.0.1", server.port))
    monkeypatch.setattr(fetcher.socket, "create_connection", lambda *_, **__: peer)

    with pytest.raises(FetchRefused):
        fetcher.get("https://rp.example/")

    assert server.seen == []


@pytest.mark.parametrize("listed", ["localhost", "127.0.0.1", "127.0.0.0/8"])
def test_an_operator_permits_names_addresses_and_networks(
    settled: Callable[..., None], server: Listener, listed: str
) -> None:
    settled(fetch_private_hosts=(listed, "::1"), fetch_ca_file=certificate())

    assert fetcher.get(server.url).status == 200


def test_a_listed_name_still_never_leads_to_the_metadata_of_a_cloud(
    settled: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(fetch_private_hosts=("rp.example", "169.254.0.0/16"))
    resolve(monkeypatch, "169.254.169.254")

    with pytest.raises(FetchRefused):
        fetcher.get("https://rp.example/")


@pytest.mark.parametrize("port", [22, 25, 80, 0, 6379, 5432, 65536, 99999])
def test_ports_of_other_services_are_refused(inside: None, monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setattr(fetcher.socket, "create_connection", lambda *_, **__: pytest.fail("connected"))

    with pytest.raises(FetchRefused):
        fetcher.get(f"https://localhost:{port}/")


def test_http_is_for_listed_hosts_of_a_loopback_issuer(settled: Callable[..., None]) -> None:
    with listener(tls=False) as plain:
        with pytest.raises(FetchRefused):
            fetcher.get(plain.url)
        settled(fetch_private_hosts=("localhost",))
        assert fetcher.get(plain.url).status == 200
        settled(issuer="https://login.fund.example")
        with pytest.raises(FetchRefused):
            fetcher.get(plain.url)


def test_a_silent_address_leaves_time_for_the_next(
    settled: Callable[..., None], server: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(fetch_private_hosts=("localhost",), fetch_ca_file=certificate())
    monkeypatch.setattr(fetcher, "SECONDS", 1.0)
    resolve(monkeypatch, "127.0.0.2", "127.0.0.1")
    given: list[float] = []

    def connect(to: tuple[str, int], *, timeout: float) -> socket.socket:
        given.append(timeout)
        if to[0] == "127.0.0.2":
            time.sleep(timeout)
            raise TimeoutError
        found = socket.socket()
        found.connect(to)
        return found

    monkeypatch.setattr(fetcher.socket, "create_connection", connect)

    assert fetcher.get(server.url).status == 200
    assert given[0] < 0.6


@pytest.mark.parametrize("url", ["http://rp.example/", "https://rp.example:22/", "https://u@rp.example/", "rp.example"])
def test_what_could_never_be_fetched_is_known_without_trying(
    settled: Callable[..., None], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """For registration, which looks up no name."""
    monkeypatch.setattr(fetcher.socket, "getaddrinfo", lambda *_, **__: pytest.fail("looked up"))

    with pytest.raises(FetchRefused):
        fetcher.refuse_malformed(url)
    fetcher.refuse_malformed("https://rp.example/keys?x=1#part")


# What it does not put up with


def test_a_certificate_nobody_trusts_is_refused(settled: Callable[..., None], server: Listener) -> None:
    settled(fetch_private_hosts=("localhost",))

    with pytest.raises(FetchFailed):
        fetcher.get(server.url)

    assert server.seen == []


def test_a_certificate_of_another_name_is_refused(
    settled: Callable[..., None], server: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(fetch_private_hosts=("rp.example",), fetch_ca_file=certificate())
    resolve(monkeypatch, "127.0.0.1")

    with pytest.raises(FetchFailed):
        fetcher.get(f"https://rp.example:{server.port}/")

    assert server.seen == []


def test_too_much_is_refused(inside: None, server: Listener) -> None:
    """security.md 2.43: 64 kB are taken, not a byte more."""
    server.body = b" " * 65537
    with pytest.raises(FetchFailed):
        fetcher.get(server.url)

    server.body = b" " * 65536
    assert len(fetcher.get(server.url).body) == 65536


def test_nobody_is_waited_for_longer_than_five_seconds(inside: None, server: Listener) -> None:
    """security.md 2.43: by the bound of production, of which the tests below take a part only."""
    server.act = drip_body
    began = time.monotonic()

    with pytest.raises(FetchFailed) as failure:
        fetcher.get(server.url)

    assert failure.value.reason == "too slow"
    assert 4.9 <= time.monotonic() - began < 6.5
    assert fetcher.SECONDS == 5


def test_what_is_compressed_is_refused(inside: None, server: Listener) -> None:
    server.headers = {"Content-Encoding": "gzip"}

    with pytest.raises(FetchFailed):
        fetcher.get(server.url)


def drip_body(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    _drip(handler, b" ")


def drip_head(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    _drip(handler, b"x")


def no_end_of_heads(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    _drip(handler, b"X: y\r\n" * 50)


def only_continue(handler: BaseHTTPRequestHandler) -> None:
    _drip(handler, b"HTTP/1.1 100 Continue\r\n\r\n")


def silence(handler: BaseHTTPRequestHandler) -> None:
    handler.server.listener.stopped.wait(10)  # type: ignore[attr-defined]


def no_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"220 mail.example ESMTP\r\n")


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def wrong_chunks(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n")


def half(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}")


def _drip(handler: BaseHTTPRequestHandler, what: bytes) -> None:
    stopped: threading.Event = handler.server.listener.stopped  # type: ignore[attr-defined]
    try:
        while not stopped.wait(0.05):
            handler.wfile.write(what)
            handler.wfile.flush()
    except OSError:
        pass


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
@pytest.mark.parametrize(
    "act",
    [drip_body, drip_head, no_end_of_heads, only_continue, silence, no_http, hang_up, wrong_chunks, half],
    ids=lambda act: act.__name__,
)
def test_a_bad_server_is_left_in_time(
    inside: None, monkeypatch: pytest.MonkeyPatch, act: Callable[[BaseHTTPRequestHandler], None], tls: bool
) -> None:
    """security.md 2.43: no worker is held, however the time is wasted."""
    monkeypatch.setattr(fetcher, "SECONDS", 0.6)
    with listener(tls=tls) as server:
        server.act = act
        began = time.monotonic()
        with pytest.raises(FetchFailed) as failure:
            fetcher.get(server.url)

    assert time.monotonic() - began < 1.6
    assert str(failure.value) == FetchFailed.message


def test_a_server_that_never_shakes_hands_is_left_in_time(inside: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher, "SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        began = time.monotonic()
        with pytest.raises(FetchFailed):
            fetcher.get(f"https://localhost:{deaf.getsockname()[1]}/")

    assert time.monotonic() - began < 1.5


def test_a_dead_resolver_holds_nobody(settled: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher, "SECONDS", 0.3)
    dead = threading.Event()
    monkeypatch.setattr(fetcher.socket, "getaddrinfo", lambda *_, **__: dead.wait(5) and [])

    began = time.monotonic()
    with pytest.raises(FetchFailed):
        fetcher.get("https://rp.example/")

    assert time.monotonic() - began < 1
    dead.set()


@pytest.mark.parametrize("body", [b"", b"[", b"\xff", b"[" * 20_000], ids=["empty", "half", "no text", "deep"])
def test_what_is_not_json_is_a_failure_of_the_fetch(inside: None, server: Listener, body: bytes) -> None:
    server.body = body

    with pytest.raises(FetchFailed):
        fetcher.get(server.url).json()


# Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [("fetch_private_hosts", ("10.0.0.1/8",)), ("fetch_private_hosts", ("1.2.3",)), ("fetch_ca_file", "/nothing")],
)
def test_settings_nobody_can_mean_stop_the_start(settled: Callable[..., None], name: str, value: object) -> None:
    given = {"environment": "development", "issuer": "http://localhost:8400", "secret": provider.settings.secret}
    channels = {"mail_channel": "outbox", "sms_channel": "outbox"}

    with pytest.raises(BadSetting, match=name.upper()):
        load(**given, **channels, **{name: value})


# How many wait


@pytest.fixture
def slow(settled: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Every address takes until the event is set."""
    open_ = threading.Event()

    def ask(*_: Any) -> fetcher.Fetched:
        open_.wait(30)
        return fetcher.Fetched(200, "text/plain", b"")

    monkeypatch.setattr(fetcher, "_ask", ask)
    yield open_
    open_.set()


def waiting(count: int) -> bool:
    """Whether so many wait, in the end."""
    deadline = time.monotonic() + 20
    while fetcher._WAITING.total() != count and time.monotonic() < deadline:
        time.sleep(0.005)
    return fetcher._WAITING.total() == count


def begin(app: Flask, *urls: str, get: Callable[[str], fetcher.Fetched] = fetcher.get) -> list[threading.Thread]:
    def fetch(url: str) -> None:
        with app.app_context():
            get(url)

    threads = [threading.Thread(target=fetch, args=(url,)) for url in urls]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.parametrize(
    ("threads", "most", "most_with_keys", "most_for_one"), [(16, 6, 8, 3), (5, 3, 4, 2), (9, 3, 4, 2), (64, 24, 32, 12)]
)
def test_of_few_threads_few_wait(
    app: Flask, monkeypatch: pytest.MonkeyPatch, threads: int, most: int, most_with_keys: int, most_for_one: int
) -> None:
    monkeypatch.setitem(app.config, "THREADS", threads)

    assert (fetcher.most_waiting(), fetcher.most_waiting_for_one()) == (most, most_for_one)
    assert fetcher.most_waiting_with_keys() == most_with_keys


def test_a_slow_host_holds_few_and_the_others_are_told_at_once(app: Flask, slow: threading.Event) -> None:
    """security.md 2.43: whatever the spelling; other hosts are still asked."""
    threads = begin(app, *[f"https://slow.example/{number}" for number in range(fetcher.most_waiting_for_one())])
    assert waiting(fetcher.most_waiting_for_one())

    for host in ("slow.example", "SLOW.example", "user@slow.example", "slow.example:8443", "slow.example.:443"):
        with pytest.raises(fetcher.FetchBusy):
            fetcher.get(f"https://{host}/again")

    threads += begin(app, "https://other.example/")
    assert waiting(fetcher.most_waiting_for_one() + 1)
    slow.set()
    for thread in threads:
        thread.join()
    assert waiting(0)
    assert fetcher.get("https://slow.example/again").status == 200


def test_many_slow_hosts_hold_no_more_than_a_part_of_the_threads(app: Flask, slow: threading.Event) -> None:
    threads = begin(app, *[f"https://slow-{number}.example/" for number in range(fetcher.most_waiting())])
    assert waiting(fetcher.most_waiting())

    with pytest.raises(fetcher.FetchBusy):
        fetcher.get("https://another.example/")

    slow.set()
    for thread in threads:
        thread.join()
    assert waiting(0)


def test_slow_documents_keep_no_keys_away(app: Flask, slow: threading.Event) -> None:
    """security.md 2.43: anybody can have a `request_uri` fetched, from many hosts; clients still prove themselves."""
    threads = begin(app, *[f"https://evil-{number}.example/" for number in range(fetcher.most_waiting())])
    assert waiting(fetcher.most_waiting())

    threads += begin(app, "https://good.example/jwks", get=fetcher.get_keys)

    assert waiting(fetcher.most_waiting() + 1)
    with pytest.raises(fetcher.FetchBusy):
        fetcher.get("https://good.example/")
    slow.set()
    for thread in threads:
        thread.join()
    assert waiting(0)


def test_slow_documents_of_a_host_keep_not_even_its_own_keys_away(app: Flask, slow: threading.Event) -> None:
    """security.md 2.43: whoever opens requests with a client's `request_uri` does not shut the client out."""
    threads = begin(app, *["https://rp.example/request"] * fetcher.most_waiting_for_one())
    assert waiting(fetcher.most_waiting_for_one())

    threads += begin(app, "https://rp.example/jwks", get=fetcher.get_keys)

    assert waiting(fetcher.most_waiting_for_one() + 1)
    slow.set()
    for thread in threads:
        thread.join()
    assert waiting(0)


def test_keys_too_wait_in_few_places(app: Flask, slow: threading.Event) -> None:
    """security.md 2.43: few for one host, and no more than half of the threads for all."""
    hosts = ["slow"] * fetcher.most_waiting_for_one()
    hosts += [f"slow-{number}" for number in range(fetcher.most_waiting_with_keys() - len(hosts))]
    threads = begin(app, *[f"https://{host}.example/jwks" for host in hosts[:-1]], get=fetcher.get_keys)
    assert waiting(fetcher.most_waiting_with_keys() - 1)
    with pytest.raises(fetcher.FetchBusy):
        fetcher.get_keys("https://slow.example:8443/jwks")

    threads += begin(app, f"https://{hosts[-1]}.example/jwks", get=fetcher.get_keys)

    assert waiting(fetcher.most_waiting_with_keys())
    with pytest.raises(fetcher.FetchBusy):
        fetcher.get_keys("https://another.example/jwks")
    slow.set()
    for thread in threads:
        thread.join()
    assert waiting(0)


def test_a_place_is_given_back_after_a_failure(settled: Callable[..., None]) -> None:
    for _ in range(fetcher.most_waiting() + 1):
        with pytest.raises(FetchRefused):
            fetcher.get("ftp://rp.example/")

    assert fetcher._WAITING.total() == 0
