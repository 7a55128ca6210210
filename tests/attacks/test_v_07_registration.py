"""What a client may say of itself: addresses that are scripts (row V7), and who manages whom (row V19)."""

import base64
import json
from typing import Any

import pytest
from joserfc import jwe
from joserfc.jwk import JWKRegistry
from joserfc.jwk import OctKey
from joserfc.jwk import RSAKey
from proofs import ES256
from proofs import sign
from target import CALLBACK
from target import Target
from target import toml

SCRIPTS = (
    *("JaVaScript:alert(1)", "javascript:alert(1)", " javascript:alert(1)", "\tjavascript:alert(1)"),
    *("java\tscript:alert(1)", "java\nscript:alert(1)", "javascript://rp.example/%0aalert(1)", "\x01javascript:1"),
    *(
        "data:text/html,<script>alert(1)</script>",
        "DATA:text/html;base64,PHNjcmlwdD4=",
        "vbscript:x",
        "blob:x",
        "file:///",
    ),
)
ADDRESSES = ("logo_uri", "client_uri", "policy_uri", "tos_uri", "initiate_login_uri", "frontchannel_logout_uri")
LISTS = ("redirect_uris", "post_logout_redirect_uris", "request_uris")


def clients(target: Target) -> int:
    return int(target.rows("SELECT count(*) FROM client")[0][0])


def test_v07_no_address_of_a_client_may_be_a_script(target: Target) -> None:
    """CVE-2026-9086, CVE-2026-29192: at the registration endpoint, for every field and every spelling."""
    before = clients(target)

    for script in SCRIPTS:
        for name in (*ADDRESSES, *LISTS):
            for kind in ("web", "native"):
                said = {"redirect_uris": [CALLBACK], "application_type": kind}
                answer = target.register({**said, name: [script] if name in LISTS else script})
                assert answer.status_code == 400, (name, script, answer.text)
                assert answer.json()["error"] in {"invalid_client_metadata", "invalid_redirect_uri"}
                assert script not in answer.text

    assert clients(target) == before


def test_v07_not_even_where_an_operator_wants_it(target: Target) -> None:
    """The command line is the console there is: every bad address is named, and nothing of the file is written."""
    before = clients(target)
    bad: dict[str, dict[str, Any]] = {}
    for field in (*ADDRESSES[:4], *LISTS[:2]):
        for number, script in enumerate(SCRIPTS):
            bad[f"bad-{field}-{number}"] = {field: [script] if field in LISTS else script}
    file = target.live.folder / "bad-clients.toml"
    file.write_text(toml(bad, target.live.folder), encoding="utf-8")

    done = target.live.idp("clients", "apply", str(file), "--yes", check=False)

    assert done.returncode != 0
    assert not [name for name in bad if f"{name}: " not in done.stderr]
    assert clients(target) == before


def registered(target: Target, **more: Any) -> dict[str, Any]:
    answer = target.register({"redirect_uris": [CALLBACK], "client_name": "A client", **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def manage(target: Target, method: str, client: dict[str, Any], authorization: str | None) -> Any:
    headers = {"Authorization": authorization} if authorization is not None else {}
    body = {"client_id": client["client_id"], "redirect_uris": ["https://evil.test/cb"], "client_name": "Taken"}
    sent = {"json": body} if method == "PUT" else {}
    address = f"{target.issuer}/register/{client['client_id']}"
    return target.browser().request(method, address, headers=headers, timeout=60, **sent)


def test_v19_a_client_is_managed_with_its_own_token_only(target: Target) -> None:
    """CVE-2026-9793: of A on B, none, unsigned, an access token, an initial access token: nothing of it reaches B."""
    mine, theirs = registered(target), registered(target)
    own, wanted = mine["registration_access_token"], theirs["registration_access_token"]
    access = target.tokens(target.signed_in())
    unsigned = f"{_part({'alg': 'none'})}.{_part({'sub': theirs['client_id'], 'iss': target.issuer})}."
    macced = sign(
        {}, json.dumps({"sub": theirs["client_id"]}).encode(), OctKey.import_key(theirs["client_id"]), "HS256"
    )
    row = "SELECT * FROM client WHERE client_id = :c"
    before = target.rows(row, c=theirs["client_id"])
    basic = base64.b64encode(f"{theirs['client_id']}:{theirs['client_secret']}".encode()).decode()

    for authorization in (
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {own}",
        f"Bearer {wanted[:-1]}",
        f"Bearer {wanted}x",
        f"Basic {wanted}",
        f"Basic {basic}",
        f"Bearer {unsigned}",
        f"Bearer {macced}",
        f"Bearer {access['access_token']}",
        f"Bearer {access['refresh_token']}",
        f"Bearer {target.initial_token()}",
        f"Bearer {theirs['client_secret']}",
        f"Bearer {'x' * 5000}",
    ):
        for method in ("GET", "PUT", "DELETE"):
            answer = manage(target, method, theirs, authorization)
            assert answer.status_code == 401, (method, authorization)
            assert "client_id" not in answer.json()
    in_query = f"/register/{theirs['client_id']}?access_token={wanted}"
    assert target.browser().look(in_query).status_code == 401

    assert target.rows(row, c=theirs["client_id"]) == before
    assert manage(target, "GET", theirs, f"Bearer {wanted}").status_code == 200
    assert manage(target, "PUT", theirs, f"Bearer {wanted}").status_code == 200, "the right token does all of it"


def test_v19_nobody_registers_without_a_token_that_is_good(target: Target) -> None:
    """Canaille 0.3.6: an unsigned token is no permission; nor is one that is spent or withdrawn."""
    before = clients(target)
    issued = target.live.idp("clients", "tokens", "issue", "--note", "once").stdout.split("): ")[1].split()[0]
    assert target.register({"redirect_uris": [CALLBACK]}, issued).status_code == 201

    unsigned = f"{_part({'alg': 'none'})}.{_part({'iss': target.issuer, 'scope': 'register'})}."
    for token in (issued, unsigned, f"{unsigned}AA", "none", issued[:-1], f"{issued}x"):
        answer = target.register({"redirect_uris": [CALLBACK]}, token)
        assert answer.status_code == 401, token
    bare = target.browser().post(f"{target.issuer}/register", json={"redirect_uris": [CALLBACK]}, timeout=60)
    assert bare.status_code == 401

    assert clients(target) == before + 1


@pytest.mark.parametrize("inside", ["raw", "unsigned"])
def test_v19_an_encrypted_request_that_nobody_signed_is_refused(target: Target, inside: str) -> None:
    """CVE-2026-9793: encryption with a public key proves nothing about who encrypted."""
    wanted = {**target.request_of("keyed"), "iss": "keyed", "aud": target.issuer}
    raw = json.dumps(wanted) if inside == "raw" else f"{_part({'alg': 'none'})}.{_part(wanted)}."
    published = target.browser().look("/jwks").json()["keys"]
    keys = [JWKRegistry.import_key(_for_encryption(key)) for key in published] + [ES256]
    assert {key["kty"] for key in published if key["use"] == "enc"} == {"RSA", "EC"}, "it could be encrypted to"

    registry = jwe.JWERegistry(algorithms=["RSA-OAEP-256", "ECDH-ES", "A128GCM"])
    for key in keys:
        alg = "RSA-OAEP-256" if isinstance(key, RSAKey) else "ECDH-ES"
        header = {"alg": alg, "enc": "A128GCM", "kid": key.as_dict().get("kid", "x"), "cty": "JWT"}
        sealed = jwe.encrypt_compact(header, raw, key, registry=registry)
        answer = target.authorize(target.signed_in(), "keyed", request=sealed)
        location = answer.headers.get("Location", "")
        assert "code=" not in location
        assert "error=invalid_request_object" in location or answer.status_code == 400


def _for_encryption(jwk: dict[str, Any]) -> dict[str, Any]:
    """The same public numbers, without what they are said to be for."""
    return {name: value for name, value in jwk.items() if name not in {"use", "alg"}}


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
