"""Redirect addresses: what may be registered, and what fits what is registered (idp/redirects.py)."""

import pytest
from addresses import VARIANTS

from idp import redirects
from idp.redirects import BadAddress

REGISTERED = "https://rp.example/cb"


@pytest.mark.parametrize("uri", VARIANTS)
@pytest.mark.parametrize("native", [False, True])
def test_only_the_exact_address_fits(uri: str, native: bool) -> None:
    """RFC 9700 §4.1.3; CVE-2024-8883, CVE-2026-3872, CVE-2024-52289, CVE-2020-15234; security row 2.1."""
    assert redirects.fits(REGISTERED, [REGISTERED], native=native)
    assert not redirects.fits(uri, [REGISTERED], native=native)


def test_without_a_registered_address_nothing_fits() -> None:
    """CVE-2024-52289: the first address seen must not become the registered one."""
    assert not redirects.fits(REGISTERED, [], native=False)
    assert not redirects.fits("", [], native=True)


@pytest.mark.parametrize(
    ("registered", "requested"),
    [
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"),
        ("http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb"),
        ("http://127.0.0.1:8000/cb", "http://127.0.0.1/cb"),
        ("http://[::1]/cb", "http://[::1]:51004/cb"),
        ("http://127.0.0.1", "http://127.0.0.1:51004"),
    ],
)
def test_a_native_client_chooses_its_port_on_the_loopback(registered: str, requested: str) -> None:
    """RFC 8252 §7.3: the server MUST allow any port for loopback IP redirect URIs."""
    assert redirects.fits(requested, [registered], native=True)
    assert not redirects.fits(requested, [registered], native=False)


@pytest.mark.parametrize(
    "requested",
    [
        "http://localhost:51004/cb",
        "http://127.1/cb",
        "http://127.1:80/cb",
        "http://2130706433/cb",
        "http://0x7f.1/cb",
        "http://127.0.0.2/cb",
        "http://127.0.0.1.evil.test/cb",
        "http://127.0.0.1@evil.test/cb",
        "http://127.0.0.1:80@evil.test/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:080/cb",
        "http://127.0.0.1:\u0661/cb",
        "http://127.0.0.1:51004/other",
        "http://127.0.0.1:51004/cb/",
        "http://127.0.0.1:51004/cb?x=1",
        "http://127.0.0.1:51004/cb#x",
        "http://127.0.0.1:51004",
        "https://127.0.0.1:51004/cb",
        "http://[::1]:51004/cb",
    ],
)
def test_nothing_but_the_port_may_differ_on_the_loopback(requested: str) -> None:
    """Security row 2.2; CVE-2020-15233."""
    assert not redirects.fits(requested, ["http://127.0.0.1/cb"], native=True)


def test_localhost_has_no_port_freedom() -> None:
    """Decision 9: only an IP literal, for a name can be made to resolve elsewhere (RFC 8252 §8.3)."""
    assert not redirects.fits("http://localhost:2/cb", ["http://localhost:1/cb"], native=True)


@pytest.mark.parametrize(
    "uri",
    [
        "https://rp.example/cb",
        "https://rp.example:8443/cb?tenant=1",
        "https://rp.example",
        "http://localhost:8401/callback",
        "http://127.0.0.1:8000/cb",
        "http://[::1]/cb",
        "https://xn--rp-cja.example/cb",
    ],
)
def test_sound_addresses_may_be_registered(uri: str) -> None:
    redirects.check(uri)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("http://rp.example/cb", "https"),
        ("http://127.0.0.1.evil.test/cb", "https"),
        ("https://*.rp.example/cb", "*"),
        ("https://rp.example/*", "*"),
        ("https://rp.example/cb#x", "fragment"),
        ("https://user:secret@rp.example/cb", "user"),
        ("https://rp.example\\cb", "characters"),
        ("https://rp.example/c b", "characters"),
        ("https://rp.example/cb\n", "characters"),
        ("https://rp.example/c\tb", "characters"),
        ("https://rp.example/<b>", "characters"),
        ("https://rp.example/%zz", "characters"),
        ("https://rp\u00e9.example/cb", "characters"),
        ("https://RP.example/cb", "lower case"),
        ("https://[::1]rp.example/cb", "host"),
        ("http://[::1]rp.example/cb", "host"),
        ("https://[::1];sandbox/cb", "host"),
        ("https://[::1],x:8443/cb", "host"),
        ("https://rp.example:0443/cb", "host"),
        ("HTTPS://rp.example/cb", "lower case"),
        ("https://rp..example/cb", "host"),
        ("https://rp.example./cb", "host"),
        ("https:///cb", "host"),
        ("https://", "host"),
        ("https://rp.example:0/cb", "port"),
        ("https://rp.example:99999/cb", "address"),
        ("https://rp.example:/cb", "port"),
        ("https://rp.example/a/../cb", "segments"),
        ("https://rp.example/%2e%2E/cb", "segments"),
        ("https://rp.example/..;/cb", "segments"),
        ("https://rp.example/cb?code=1", "code"),
        ("https://rp.example/cb?a=1&state=2", "state"),
        ("https://rp.example/cb?iss=x", "iss"),
        ("javascript:alert(1)", "https"),
        ("JaVaScript:alert(1)", "lower case"),
        ("data:text/html,x", "https"),
        ("file:///etc/passwd", "https"),
        ("ch.fund.app:/cb", "https"),
        ("//rp.example/cb", "https"),
        ("/cb", "https"),
        ("", "characters"),
        ("https://rp.example/" + "x" * 2000, "characters"),
        ("https://[::1/cb", "address"),
    ],
)
def test_other_addresses_may_not_be_registered(uri: str, reason: str) -> None:
    """CVE-2026-9086, CVE-2026-29192, Authlib gap 13; security row 2.1."""
    with pytest.raises(BadAddress, match=reason.replace("*", r"\*")):
        redirects.check(uri)


@pytest.mark.parametrize("uri", ["ch.fund.app:/cb", "ch.fund.app:/oauth2/cb?x=1", "http://127.0.0.1/cb"])
def test_a_native_application_may_have_a_scheme_of_its_own(uri: str) -> None:
    """RFC 8252 §7.1"""
    redirects.check(uri, native=True)


@pytest.mark.parametrize(
    "uri",
    ["javascript:/x", "data:/x", "myapp:/cb", "ch.fund.app://host/cb", "ch.fund.app:cb", "file:/x", "vbscript:/x"],
)
def test_a_scheme_of_its_own_is_a_reversed_domain_name(uri: str) -> None:
    """RFC 8252 §7.1"""
    with pytest.raises(BadAddress):
        redirects.check(uri, native=True)
