"""Redirect addresses: rows V1 to V5, sent by a browser that would get a code at once."""

import requests
from target import CALLBACK
from target import LOOPBACK_CALLBACK
from target import Browser
from target import Target
from target import answer

EVIL = "https://evil.test/cb"


def stays(response: requests.Response) -> bool:
    """A page on our own origin, and nothing that could carry the browser away."""
    html = response.headers["Content-Type"].startswith("text/html")
    return (
        response.status_code == 400 and html and "Location" not in response.headers and "refresh" not in _head(response)
    )


def _head(response: requests.Response) -> str:
    return response.text.partition("</head>")[0].lower() + str(response.headers.get("Refresh", "")).lower()


def codes(target: Target) -> set[str]:
    """The authorization codes that are stored; those that are over are swept away now and then."""
    return {row[0] for row in target.rows("SELECT key FROM store_entry WHERE kind = 'code'")}


def refused(target: Target, client: str, uris: list[str]) -> None:
    """Each of the addresses ends on a page here, by GET and by POST, and leaves no code behind."""
    browser, before = target.signed_in(), codes(target)
    for uri in uris:
        assert stays(target.authorize(browser, client, redirect_uri=uri)), uri
        assert stays(posted(target, browser, client, redirect_uri=uri)), uri
    assert codes(target) <= before


def posted(target: Target, browser: Browser, client: str, **changes: str | None) -> requests.Response:
    return browser.post(
        f"{target.issuer}/authorize", data=target.request_of(client, **changes), allow_redirects=False, timeout=60
    )


def test_v01_an_address_that_only_begins_like_a_registered_one_is_refused(target: Target) -> None:
    """CVE-2024-8883."""
    lookalikes = [
        "https://rp.example@evil.test/cb",
        "https://rp.example:443@evil.test/cb",
        "http://127.0.0.1@evil.test/cb",
        "http://127.0.0.1:80@evil.test/cb",
        "http://127.0.0.1.evil.test/cb",
        "https://rp.example.evil.test/cb",
        "https://evil.test/https://rp.example/cb",
        "https://evil.test/?https://rp.example/cb",
        "https://evil.test#https://rp.example/cb",
        "https://evil.test\\@rp.example/cb",
    ]

    refused(target, "web", lookalikes)
    refused(target, "native", ["http://127.0.0.1@evil.test/cb", "http://127.0.0.1:8000@evil.test/cb"])
    for right in (CALLBACK, LOOPBACK_CALLBACK):
        assert "code" in answer(target.authorize(target.signed_in(), redirect_uri=right))


def test_v02_an_address_that_leads_elsewhere_once_it_is_normalised_is_refused(target: Target) -> None:
    """CVE-2026-3872."""
    walks = [
        "/cb/..;/x",
        "/cb/../x",
        "/cb/%2e%2e/x",
        "/cb%252f..%252fx",
        "/cb;x=1",
        "/x/../cb",
        "/./cb",
        "/%63b",
        "//cb",
    ]

    refused(target, "web", [f"https://rp.example{path}" for path in [*walks, "/cb/", "/cb?", "/cb#"]])
    refused(target, "native", [f"http://127.0.0.1:8000{path}" for path in [*walks, "/cb/", "/cb?", "/cb#"]])


def test_v03_a_registered_address_is_no_pattern(target: Target) -> None:
    """CVE-2024-52289."""
    refused(target, "named", ["https://fooaexample.com", "https://foo.exampleacom", "https://foo.example.com/x"])

    assert "code" in answer(target.authorize(target.signed_in(), "named"))


def test_v03_a_client_without_addresses_never_gets_its_first_one_from_a_request(target: Target) -> None:
    row = "SELECT * FROM client WHERE client_id = 'service'"
    before = target.rows(row)

    for uri in (EVIL, CALLBACK, "", "*"):
        refused(target, "service", [uri])
        assert stays(target.authorize(target.signed_in(), "service", redirect_uri=None))

    assert target.rows(row) == before


def test_v04_an_address_is_compared_letter_by_letter(target: Target) -> None:
    """CVE-2020-15234."""
    spellings = ["https://rp.example/CB", "HTTPS://RP.EXAMPLE/cb", "https://RP.example/cb", "https://rp.example./cb"]

    refused(
        target, "web", [*spellings, "https://rp.example:443/cb", " https://rp.example/cb", "https://rp.example/cb "]
    )


def test_v04_2_02_a_native_application_may_choose_its_port_and_nothing_else(target: Target) -> None:
    """CVE-2020-15233, RFC 8252 §7.3."""
    browser = target.signed_in()
    for uri in ("http://127.0.0.1:51004/cb", "http://127.0.0.1:1/cb", "http://[::1]:65535/cb", LOOPBACK_CALLBACK):
        response = target.authorize(browser, "native", redirect_uri=uri)
        assert response.headers["Location"].startswith(f"{uri}?")
        assert "code" in answer(response)

    others = [
        "localhost",
        "127.0.0.2",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0.0.0.0",
        "[::]",
        "[::ffff:127.0.0.1]",
        "evil.test",
    ]
    refused(target, "native", [f"http://{host}:51004/cb" for host in others])
    refused(
        target,
        "native",
        [
            *("http://127.0.0.1:51004/other", "http://127.0.0.1:51004/cb?x=1", "http://127.0.0.1:51004/CB"),
            *(
                "https://127.0.0.1:51004/cb",
                "http://127.0.0.1:0/cb",
                "http://127.0.0.1:65536/cb",
                "http://127.0.0.1:/cb",
            ),
            *("http://127.0.0.1:051004/cb", "http://127.0.0.1:-1/cb", "http://127.0.0.1: 80/cb"),
        ],
    )
    refused(target, "web", ["http://127.0.0.1:51004/cb"])


def test_v05_2_03_no_error_leads_to_an_address_that_is_not_registered(target: Target) -> None:
    """CVE-2026-44681: every way to be wrong, with an address that would be the attacker's."""
    wrongs: dict[str, dict[str, str | None]] = {
        "nothing else": {},
        "no scope": {"scope": None},
        "without openid": {"scope": "profile"},
        "unknown scope": {"scope": "openid nonsense"},
        "malformed scope": {"scope": 'openid "'},
        "unknown type": {"response_type": "foo"},
        "implicit": {"response_type": "id_token"},
        "no type": {"response_type": None},
        "unknown mode": {"response_mode": "foo"},
        "form_post": {"response_mode": "form_post"},
        "signed": {"response_mode": "jwt"},
        "plain": {"code_challenge_method": "plain"},
        "short challenge": {"code_challenge": "x"},
        "no challenge": {"code_challenge": None, "code_challenge_method": None},
        "object": {"request": "garbage"},
        "object from elsewhere": {"request_uri": "https://evil.test/object"},
        "pushed by nobody": {"request_uri": "urn:ietf:params:oauth:request_uri:nothing"},
        "two objects": {"request": "a.b.c", "request_uri": "https://evil.test/object"},
        "registration": {"registration": "{}"},
        "contradictory prompt": {"prompt": "none login"},
        "silent": {"prompt": "none"},
        "bad age": {"max_age": "soon"},
        "bad hint": {"id_token_hint": "x.y.z"},
        "bad claims": {"claims": "["},
        "endless state": {"state": "x" * 5000},
        "unknown resource": {"resource": "https://api.example"},
        "unknown client": {"client_id": "nobody"},
        "disabled client": {"client_id": "disabled"},
        "no client": {"client_id": None},
    }
    signed_in, stranger = target.signed_in(), target.browser()

    for name, changes in wrongs.items():
        for browser in (signed_in, stranger):
            for uri in (EVIL, "//evil.test/cb", "https://rp.example@evil.test/cb"):
                assert stays(target.authorize(browser, **{**changes, "redirect_uri": uri})), (name, uri)
            assert stays(posted(target, browser, "web", **{**changes, "redirect_uri": EVIL})), name


def test_v05_2_03_a_disabled_client_is_never_answered_at_its_own_address_either(target: Target) -> None:
    for changes in ({}, {"response_type": "foo"}, {"prompt": "none"}):
        assert stays(target.authorize(target.signed_in(), "disabled", **changes))
