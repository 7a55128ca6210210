"""Request objects: signed requests, by value and by reference (RFC 9101, OIDC Core §6)."""

import base64
import json
from typing import Any

import proofs
import pytest
from flask import Flask
from flask.testing import FlaskClient
from oidc import CALLBACK
from oidc import CHALLENGE
from oidc import Configure
from oidc import a_client
from oidc import an_account
from oidc import answer
from oidc import authorize
from oidc import basic
from oidc import change
from oidc import redeem
from oidc import sign_in
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from idp import fetcher
from idp import id_token
from idp.clock import epoch
from idp.fetcher import Fetched
from idp.models import Client
from idp.provider import provider
from keys import algorithms
from keys import encryption

KEY = algorithms.generate("ES256")
OTHER = algorithms.generate("ES256")
PS_KEY = algorithms.generate("PS256")


def public(*keys: Any) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) for key in keys]}


def a_signer(**values: Any) -> Client:
    return a_client(jwks=public(KEY, PS_KEY), **values)


def signed(client: Client, *, key: Any = KEY, alg: str = "ES256", typ: str | None = None, **changes: Any) -> str:
    claims = {
        "iss": client.client_id,
        "aud": provider.settings.issuer,
        "client_id": client.client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid email",
        "state": "inner",
        "nonce": "inner-nonce",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "exp": epoch() + 300,
        "nbf": epoch(),
        **changes,
    }
    header = {"alg": alg, "kid": key.kid, **({"typ": typ} if typ else {})}
    return algorithms.sign({name: value for name, value in claims.items() if value is not None}, key, header)


def send(browser: FlaskClient, client: Client, text: str, **outside: Any) -> TestResponse:
    sent = {"client_id": client.client_id, "response_type": "code", "scope": "openid", "request": text, **outside}
    return browser.get("/authorize", query_string={name: value for name, value in sent.items() if value is not None})


def test_a_signed_request_is_answered_as_it_says(app: Flask, browser: FlaskClient) -> None:
    sign_in(browser, an_account())
    client = a_signer()

    given = answer(send(browser, client, signed(client), state="outer"))

    assert given["state"] == "inner"
    assert "code" in given


def test_what_the_object_leaves_out_may_stand_beside_it(app: Flask, browser: FlaskClient) -> None:
    """OIDC Core §6.1."""
    sign_in(browser, an_account())
    client = a_signer()

    given = answer(send(browser, client, signed(client, state=None), state="outer"))

    assert given["state"] == "outer"


def test_numbers_and_objects_are_read_as_their_json(app: Flask, browser: FlaskClient) -> None:
    """RFC 9101 §4."""
    sign_in(browser, an_account(), at=epoch() - 100)
    client = a_signer()

    fresh = send(browser, client, signed(client, max_age=50, prompt="none"))
    wrong = send(browser, client, signed(client, claims={"id_token": {"acr": 5}}))

    assert answer(fresh)["error"] == "login_required"
    assert answer(wrong)["error"] == "invalid_request"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://other.example"},
        {"aud": ["https://other.example"]},
        {"iss": "somebody"},
        {"sub": "portal"},
        {"exp": 1},
        {"exp": "soon"},
        {"nbf": 9999999999},
        {"iat": 9999999999},
        {"iat": True},
    ],
)
def test_an_object_for_others_or_for_another_time_is_refused(
    app: Flask, browser: FlaskClient, changes: dict[str, Any]
) -> None:
    sign_in(browser, an_account())
    client = a_signer()

    given = answer(send(browser, client, signed(client, **changes)))

    assert given["error"] == "invalid_request_object"
    assert given["state"] == "inner"


@pytest.mark.parametrize("changes", [{"client_id": "other"}, {"request": "x"}, {"request_uri": "https://x.example"}])
def test_an_object_that_names_another_client_or_object_is_refused(
    app: Flask, browser: FlaskClient, changes: dict[str, Any]
) -> None:
    """RFC 9101 §4, §5."""
    client = a_signer()
    sign_in(browser, an_account())

    given = answer(send(browser, client, signed(client, **changes), redirect_uri=CALLBACK, state="outer"))

    assert (given["error"], given["state"]) == ("invalid_request_object", "outer")


def test_a_response_type_beside_it_must_agree(app: Flask, browser: FlaskClient) -> None:
    """OIDC Core §6.1: they must match."""
    client = a_signer()
    sign_in(browser, an_account())

    response = send(browser, client, signed(client), response_type="id_token", redirect_uri=CALLBACK)

    assert answer(response)["error"] == "invalid_request_object"


@pytest.mark.parametrize("forge", ["other key", "none", "garbage", "secret", "assertion type", "altered"])
def test_a_forged_object_is_refused_and_never_chooses_the_address(app: Flask, browser: FlaskClient, forge: str) -> None:
    client = a_signer()
    sign_in(browser, an_account())
    text = {
        "other key": signed(client, key=OTHER),
        "none": "eyJhbGciOiJub25lIn0." + signed(client).split(".")[1] + ".",
        "garbage": "not.a.jwt",
        "secret": "eyJhbGciOiJIUzI1NiJ9." + signed(client).split(".")[1] + ".AAAA",
        "assertion type": signed(client, typ="at+jwt"),
        "altered": signed(client)[:-6] + "AAAAAA",
    }[forge]

    without = send(browser, client, text)
    outside = send(browser, client, text, redirect_uri=CALLBACK)

    assert without.status_code == 400
    assert "Location" not in without.headers
    assert answer(outside)["error"] == "invalid_request_object"


def test_only_the_registered_algorithm_counts(app: Flask, browser: FlaskClient) -> None:
    client = a_signer(request_object_signing_alg="PS256")
    sign_in(browser, an_account())

    assert "code" in answer(send(browser, client, signed(client, key=PS_KEY, alg="PS256")))
    assert send(browser, client, signed(client)).status_code == 400


def test_where_the_client_must_sign_nothing_beside_the_object_counts(app: Flask, browser: FlaskClient) -> None:
    """RFC 9101 §6.3, §10.5."""
    client = a_signer(require_signed_request_object=True)
    sign_in(browser, an_account())

    unsigned = answer(authorize(browser, client))
    given = answer(send(browser, client, signed(client, state=None), state="outer", prompt="none login"))

    assert unsigned["error"] == "invalid_request"
    assert "state" not in given
    assert "code" in given


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, None),
        ({"aud": None}, "invalid_request_object"),
        ({"exp": None}, "invalid_request_object"),
        ({"nbf": None}, "invalid_request_object"),
        ({"nbf": -3700}, "invalid_request_object"),
        ({"exp": 3900}, "invalid_request_object"),
        ({"nbf": 8}, None),
    ],
)
def test_a_security_profile_bounds_the_life_of_an_object(
    app: Flask, browser: FlaskClient, configure: Configure, changes: dict[str, Any], error: str | None
) -> None:
    """FAPI 1.0 Advanced §5.2.2-13…-17."""
    configure(implicit=True)
    client = a_signer(
        profile="fapi1_advanced",
        response_types=["code id_token"],
        grant_types=["authorization_code", "implicit"],
    )
    sign_in(browser, an_account())
    times = {name: epoch() + value for name, value in changes.items() if name in ("exp", "nbf") and value is not None}

    text = signed(client, response_type="code id_token", **{**changes, **times})
    given = answer(send(browser, client, text, response_type="code id_token"))

    assert given.get("error") == error


def test_a_client_of_fapi_1_gets_a_hash_of_its_state(app: Flask, browser: FlaskClient, configure: Configure) -> None:
    """FAPI 1.0 Advanced §5.1.1."""
    configure(implicit=True)
    client = a_signer(
        profile="fapi1_advanced",
        response_types=["code id_token"],
        grant_types=["authorization_code", "implicit"],
    )
    sign_in(browser, an_account())

    text = signed(client, response_type="code id_token")
    given = answer(send(browser, client, text, response_type="code id_token"))
    stated = id_token.read(given["id_token"])

    assert stated
    assert stated["s_hash"] == algorithms.left_half_hash("inner", "ES256")
    assert stated["c_hash"] == algorithms.left_half_hash(given["code"], "ES256")


def test_a_client_of_fapi_1_answers_to_the_policy_for_hybrid_flows(app: Flask, browser: FlaskClient) -> None:
    """Discovery names what is offered, to everybody; such a client has signed answers, too (§5.2.2-2)."""
    types = ["code", "code id_token"]
    client = a_signer(profile="fapi1_advanced", response_types=types, grant_types=["authorization_code", "implicit"])
    sign_in(browser, an_account())

    told = browser.get("/.well-known/openid-configuration").json["response_types_supported"]
    hybrid = send(browser, client, signed(client, response_type="code id_token"), response_type="code id_token")
    signed_answer = send(browser, client, signed(client, response_mode="jwt"))

    assert told == ["code"]
    assert answer(hybrid)["error"] == "unsupported_response_type"
    assert "code" in provider.keys.verify(answer(signed_answer)["response"], typ=["JWT"])


def test_a_profile_has_fewer_types_than_are_offered(app: Flask, browser: FlaskClient, configure: Configure) -> None:
    """Also a client that came into the table by another way than `idp clients`."""
    configure(implicit=True)
    types = ["code", "code id_token token"]
    client = a_signer(profile="fapi1_advanced", response_types=types, grant_types=["authorization_code", "implicit"])
    change(client, dpop_bound_access_tokens=False)
    sign_in(browser, an_account())
    asked = {"response_type": "code id_token token"}

    assert answer(send(browser, client, signed(client, **asked), **asked))["error"] == "unauthorized_client"


def test_a_client_of_fapi_1_always_sends_a_nonce(app: Flask, browser: FlaskClient) -> None:
    """FAPI 1.0 Baseline §5.2.2.2, also beside PKCE."""
    client = a_signer(profile="fapi1_advanced")
    sign_in(browser, an_account())

    given = answer(send(browser, client, signed(client, response_mode="jwt", nonce=None)))

    assert provider.keys.verify(given["response"], typ=["JWT"])["error"] == "invalid_request"


def test_an_object_that_must_hold_everything_holds_the_client_id(app: Flask, browser: FlaskClient) -> None:
    """RFC 9101 §4, §6.3; a client that may send parameters beside it may leave it there."""
    strict, free = a_signer(profile="fapi1_advanced"), {"client_id": None, "iss": None}
    sign_in(browser, an_account())

    asked = send(browser, strict, signed(strict, **free, response_mode="jwt"), redirect_uri=CALLBACK)
    assert provider.keys.verify(answer(asked)["response"], typ=["JWT"])["error"] == "invalid_request_object"
    change(strict, profile="standard")
    assert "code" in answer(send(browser, strict, signed(strict, **free)))


@pytest.mark.parametrize("text", ["garbage", "another's"])
def test_a_client_of_signed_answers_hears_of_a_bad_object_in_one(app: Flask, browser: FlaskClient, text: str) -> None:
    """JARM §2.3: it reads no other; where it may have ID tokens beside the code, plain ones are read as well."""
    client = a_signer(profile="fapi1_advanced")
    bad = text if text == "garbage" else signed(client, key=OTHER)

    given = answer(send(browser, client, bad, redirect_uri=CALLBACK))
    assert provider.keys.verify(given["response"], typ=["JWT"])["error"] == "invalid_request_object"
    for mode in ("query", None):  # it can be read, and says that a plain answer was expected
        asked = send(browser, client, signed(client, response_mode=mode), redirect_uri=CALLBACK)
        assert answer(asked)["error"] == "invalid_request"

    change(client, response_types=["code", "code id_token"], grant_types=["authorization_code", "implicit"])
    given = answer(send(browser, client, bad, redirect_uri=CALLBACK))
    assert given["error"] == "invalid_request_object"


@pytest.mark.parametrize(
    "twice", [{"nonce": ["a", "b"]}, {"prompt": ["login", "none"]}, {"ui_locales": ["de", "fr"]}, {"state": ["x", "x"]}]
)
def test_nothing_is_repeated_beside_an_object(app: Flask, browser: FlaskClient, twice: dict[str, list[str]]) -> None:
    """RFC 6749 §3.1: whoever reads the first of two values would read another request."""
    sign_in(browser, an_account())
    client = a_signer()
    ask = MultiDict({"client_id": client.client_id, "response_type": "code", "scope": "openid", **twice})
    ask["request"], ask["redirect_uri"] = signed(client), CALLBACK

    assert answer(browser.get("/authorize", query_string=ask))["error"] == "invalid_request"


def test_several_resources_beside_an_object_are_all_meant(app: Flask, browser: FlaskClient) -> None:
    """RFC 8707 §2"""
    sign_in(browser, an_account())
    both = ["https://api.example", "https://files.example"]
    client = a_signer(resources=both)

    given = answer(send(browser, client, signed(client), resource=both))
    token = redeem(browser, given["code"]).json["access_token"]

    told = browser.post("/introspect", data={"token": token}, headers=basic(client.client_id)).json
    assert set(told["aud"]) == set(both)


def test_two_objects_are_none(app: Flask, browser: FlaskClient) -> None:
    client = a_signer(request_uris=["https://rp.example/object"])
    sign_in(browser, an_account())

    response = send(browser, client, signed(client), request_uri="https://rp.example/object", redirect_uri=CALLBACK)

    assert answer(response)["error"] == "invalid_request"


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Objects by address, as the fetcher would bring them."""
    objects: dict[str, bytes] = {}

    def get(url: str, **_: Any) -> Fetched:
        if url not in objects:
            raise fetcher.FetchFailed("nothing there")
        return Fetched(200, "application/jwt", objects[url])

    monkeypatch.setattr(fetcher, "get", get)
    return objects


def test_an_object_is_fetched_from_a_registered_address(
    app: Flask, browser: FlaskClient, published: dict[str, bytes]
) -> None:
    """OIDC Core §6.2; the fragment belongs to the client."""
    uri = "https://rp.example/object#some-mark"
    client = a_signer(request_uris=[uri])
    sign_in(browser, an_account())
    published[uri] = signed(client).encode()

    given = answer(send(browser, client, "", request=None, request_uri=uri))

    assert (given["state"], "code" in given) == ("inner", True)


@pytest.mark.parametrize("uri", ["https://evil.example/object", "https://rp.example/object", "urn:x", "file:///etc"])
def test_nothing_is_fetched_from_anywhere_else(
    app: Flask, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    """Security rows on request_uri: no server-side request to an address the client did not register."""
    asked: list[str] = []
    monkeypatch.setattr(fetcher, "get", lambda url, **_: asked.append(url))
    client = a_signer(request_uris=["https://rp.example/object?1"])
    sign_in(browser, an_account())

    response = send(browser, client, "", request=None, request_uri=uri, redirect_uri=CALLBACK)

    assert answer(response)["error"] == "invalid_request_uri"
    assert asked == []


def test_an_object_that_cannot_be_fetched_is_said_to_be_so(
    app: Flask, browser: FlaskClient, published: dict[str, bytes]
) -> None:
    client = a_signer(request_uris=["https://rp.example/object"])
    sign_in(browser, an_account())

    response = send(browser, client, "", request=None, request_uri=client.request_uris[0], redirect_uri=CALLBACK)

    assert answer(response)["error"] == "invalid_request_uri"


def test_an_object_is_not_waited_for_where_too_many_wait(
    app: Flask, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: Any, **__: Any) -> None:
        raise fetcher.FetchBusy("too many wait")

    monkeypatch.setattr(fetcher, "get", busy)
    client = a_signer(request_uris=["https://rp.example/object"])

    response = send(browser, client, "", request=None, request_uri=client.request_uris[0], redirect_uri=CALLBACK)

    assert answer(response)["error"] == "invalid_request_uri"


def test_the_claims_of_an_object_may_be_any_json(app: Flask, browser: FlaskClient) -> None:
    """Authlib gap 12: an unexpected type is the client's mistake, never ours."""
    client = a_signer()
    sign_in(browser, an_account())

    for name in ("scope", "response_type", "state", "nonce", "redirect_uri", "prompt", "code_challenge", "max_age"):
        for value in (5, ["x"], {"a": 1}, True, json.loads("1e3")):
            text = signed(client, **{name: value})
            assert send(browser, client, text, response_type=None).status_code in {303, 400}


@pytest.mark.parametrize("claim", [{"state": "\ud800"}, {"exp": float("nan")}, {"exp": float("inf")}])
def test_an_object_that_is_no_json_for_others_is_refused(
    app: Flask, browser: FlaskClient, claim: dict[str, Any]
) -> None:
    """RFC 8259 §6, §8.2: half a character cannot be sent back, and what is no number never ends."""
    client = a_signer()
    sign_in(browser, an_account())
    stated = {**algorithms.verify(signed(client), KEY, "ES256"), **claim}

    text = proofs.sign({"kid": KEY.kid}, json.dumps(stated).encode(), KEY, "ES256")

    assert answer(send(browser, client, text, redirect_uri=CALLBACK))["error"] == "invalid_request_object"


@pytest.mark.parametrize("resource", [[5], ["https://api.example", None], {"uri": "https://api.example"}])
def test_a_resource_that_is_no_text_is_not_overlooked(app: Flask, browser: FlaskClient, resource: Any) -> None:
    """RFC 8707 §2: whoever asked for one must not get a token for more than that."""
    client = a_signer(resources=["https://api.example"])
    sign_in(browser, an_account())

    given = answer(send(browser, client, signed(client, resource=resource)))

    assert given["error"] == "invalid_target"


# Encrypted: a signed object within one that only we can open (RFC 9101 §6.1)


def encrypted(text: str, *, alg: str = "ECDH-ES", enc: str = "A128GCM", use: str = "enc") -> str:
    """What a client makes of a signed object and of our JWKS."""
    keys = [key for key in provider.keys.jwks()["keys"] if key["use"] == use]
    jwk = next(key for key in keys if key["kty"] in encryption.key_types(alg))
    return encryption.encrypt(text, jwk, alg=alg, enc=enc, cty="JWT")


@pytest.mark.parametrize("enc", encryption.ENCODINGS)
@pytest.mark.parametrize("alg", encryption.ALGORITHMS)
def test_an_encrypted_request_is_answered_as_it_says(app: Flask, browser: FlaskClient, alg: str, enc: str) -> None:
    sign_in(browser, an_account())
    client = a_signer()

    given = answer(send(browser, client, encrypted(signed(client), alg=alg, enc=enc), state="outer"))

    assert given["state"] == "inner"
    assert "code" in given


def test_what_an_encrypted_request_leaves_out_may_stand_beside_it(app: Flask, browser: FlaskClient) -> None:
    """OIDC Core §6.1; where the client must sign, it may not (RFC 9101 §6.3)."""
    sign_in(browser, an_account())
    client = a_signer()
    text = encrypted(signed(client, state=None))

    assert answer(send(browser, client, text, state="outer"))["state"] == "outer"
    change(client, require_signed_request_object=True)
    assert "state" not in answer(send(browser, client, text, state="outer"))


def test_an_encrypted_request_is_fetched_from_its_address(
    app: Flask, browser: FlaskClient, published: dict[str, bytes]
) -> None:
    client = a_signer(request_uris=["https://rp.example/object"])
    sign_in(browser, an_account())
    published[client.request_uris[0]] = encrypted(signed(client), alg="RSA-OAEP").encode()

    given = answer(send(browser, client, "", request=None, request_uri=client.request_uris[0]))

    assert (given["state"], "code" in given) == ("inner", True)


def push(browser: FlaskClient, client: Client, text: str) -> TestResponse:
    form = {"client_id": client.client_id, "request": text}
    return browser.post("/par", data=form, headers=basic(client.client_id))


def test_an_encrypted_request_can_be_pushed(app: Flask, browser: FlaskClient) -> None:
    client = a_signer()
    sign_in(browser, an_account())

    pushed = push(browser, client, encrypted(signed(client), alg="RSA-OAEP-256"))
    raw = push(browser, client, encrypted("{}"))

    assert pushed.status_code == 201
    reference = {"client_id": client.client_id, "request_uri": pushed.json["request_uri"]}
    assert "code" in answer(browser.get("/authorize", query_string=reference))
    assert (raw.status_code, raw.json["error"]) == (400, "invalid_request_object")


def raw_of(client: Client) -> str:
    """The claims of a right request, which nobody signed."""
    stated = algorithms.verify(signed(client), KEY, "ES256")
    return json.dumps(stated)


@pytest.mark.parametrize(
    "inside", ["raw", "none", "another's", "of another time", "encrypted again", "empty", "no text"]
)
def test_what_is_encrypted_must_be_signed_all_the_same(app: Flask, browser: FlaskClient, inside: str) -> None:
    """CVE-2026-9793: whoever has our public key could have encrypted it."""
    client = a_signer()
    sign_in(browser, an_account())
    text = {
        "raw": raw_of(client),
        "none": "eyJhbGciOiJub25lIn0." + signed(client).split(".")[1] + ".",
        "another's": signed(client, key=OTHER),
        "of another time": signed(client, exp=1),
        "encrypted again": encrypted(signed(client)),
        "empty": "",
        "no text": "ü",
    }[inside]

    given = answer(send(browser, client, encrypted(text), redirect_uri=CALLBACK))

    assert given["error"] == "invalid_request_object"


def test_a_key_that_signs_is_not_encrypted_to(app: Flask, browser: FlaskClient) -> None:
    client = a_signer()
    sign_in(browser, an_account())

    for alg in ("ECDH-ES", "RSA-OAEP-256"):
        given = answer(send(browser, client, encrypted(signed(client), alg=alg, use="sig"), redirect_uri=CALLBACK))
        assert given["error"] == "invalid_request_object"


def test_only_the_registered_encryption_counts_where_there_is_one(app: Flask, browser: FlaskClient) -> None:
    """It may still leave it away, as it may sign alone (OIDC Registration §2)."""
    client = a_signer(request_object_encryption_alg="RSA-OAEP-256", request_object_encryption_enc="A256GCM")
    sign_in(browser, an_account())

    for alg, enc in (("RSA-OAEP", "A256GCM"), ("RSA-OAEP-256", "A128GCM"), ("ECDH-ES", "A256GCM")):
        text = encrypted(signed(client), alg=alg, enc=enc)
        assert answer(send(browser, client, text, redirect_uri=CALLBACK))["error"] == "invalid_request_object"
    assert "code" in answer(send(browser, client, encrypted(signed(client), alg="RSA-OAEP-256", enc="A256GCM")))
    assert "code" in answer(send(browser, client, signed(client)))


def test_a_profile_judges_what_is_inside(app: Flask, browser: FlaskClient, configure: Configure) -> None:
    """FAPI 1.0 Advanced §8.6: PS256 or ES256 inside, a life of an hour, encrypted or not."""
    configure(implicit=True)
    values = {"response_types": ["code id_token"], "grant_types": ["authorization_code", "implicit"]}
    client = a_signer(profile="fapi1_advanced", **values)
    sign_in(browser, an_account())
    ask = {"response_type": "code id_token", "redirect_uri": CALLBACK}

    good = encrypted(signed(client, response_type="code id_token"), alg="RSA-OAEP")
    endless = encrypted(signed(client, response_type="code id_token", exp=epoch() + 9000), alg="RSA-OAEP")

    assert "code" in answer(send(browser, client, good, **ask))
    assert answer(send(browser, client, endless, **ask))["error"] == "invalid_request_object"


def test_nothing_compressed_is_opened(app: Flask, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 8725 §3.6: a bomb costs us nothing, as no key is asked."""
    client = a_signer()
    sign_in(browser, an_account())
    asked: list[str] = []
    monkeypatch.setattr(provider.keys, "decrypt", asked.append)
    header, *rest = encrypted(signed(client)).split(".")
    stated = json.loads(base64.urlsafe_b64decode(header + "=="))
    bomb = base64.urlsafe_b64encode(json.dumps({**stated, "zip": "DEF"}).encode()).decode().rstrip("=")

    given = answer(send(browser, client, ".".join([bomb, *rest]), redirect_uri=CALLBACK))

    assert given["error"] == "invalid_request_object"
    assert asked == []


def test_a_request_without_a_browser_is_signed_and_no_more(app: Flask, browser: FlaskClient) -> None:
    """CIBA Core §7.1.1 knows no encryption."""
    client = a_signer(grant_types=["urn:openid:params:grant-type:ciba"], backchannel_token_delivery_mode="poll")

    form = {"request": encrypted(signed(client))}
    response = browser.post("/bc-authorize", data=form, headers=basic(client.client_id))

    assert (response.status_code, response.json["error"]) == (400, "invalid_request")
