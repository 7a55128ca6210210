"""Everything a client can be told in `clients.toml`, and what does not fit together."""

import re
from pathlib import Path
from typing import Any
from typing import get_args

import pytest
from click.testing import CliRunner
from flask import Flask

from admin.client_description import BadDescription
from admin.client_description import ClientDescription
from admin.client_description import describe
from admin.commands import clients
from idp import client_secrets
from idp.client_fields import AuthMethod
from idp.client_rules import Policy
from idp.db import db
from idp.models import Client
from idp.profiles import PROFILES
from keys import algorithms

KEYS = {"keys": [algorithms.generate("ES256").as_dict(private=False)]}
GOOD: dict[str, Any] = {"client_id": "portal", "client_name": "Portal", "redirect_uris": ["https://rp.example/cb"]}
FAPI = {"token_endpoint_auth_method": "private_key_jwt", "jwks": KEYS}
EVERYTHING = Policy(response_types=("code", "id_token", "id_token token", "code id_token", "code token"))
STATE = {
    *("client_id", "created_at", "disabled_at", "secret_hashes", "secret_sealed", "registration_token_hash"),
}


def test_every_column_can_be_set_by_an_operator() -> None:
    """All but state, and what only a client that registered itself has."""
    columns = {column.key for column in Client.__table__.columns}

    assert set(ClientDescription.column_names()) == columns - STATE


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_can_be_chosen(profile: str) -> None:
    assert describe({**GOOD, **FAPI, "profile": profile}).profile == profile


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"profile": "fapi3"}, "choose among standard, fapi2"),
        ({"profile": "fapi2"}, "needs token_endpoint_auth_method private_key_jwt or"),
        ({"profile": "fapi2", **FAPI, "token_endpoint_auth_signing_alg": "RS256"}, "PS256 or ES256"),
        ({"profile": "fapi2", **FAPI, "id_token_signed_response_alg": "RS256"}, "PS256 or ES256"),
        ({"profile": "fapi2", **FAPI, "userinfo_signed_response_alg": "RS256"}, "PS256 or ES256"),
        ({"profile": "fapi2", **FAPI, "introspection_signed_response_alg": "RS256"}, "PS256 or ES256"),
        ({"profile": "fapi2", **FAPI, "redirect_uris": ["http://localhost/cb"]}, "redirect_uris with https"),
        ({"profile": "fapi1_advanced", **FAPI, "request_object_signing_alg": "EdDSA"}, "PS256 or ES256"),
        ({"backchannel_user_code_parameter": True}, "backchannel_user_code_parameter is not supported"),
        (
            {
                "profile": "fapi2_message_signing",
                "token_endpoint_auth_method": "tls_client_auth",
                "tls_client_auth_san_dns": "rp.example",
            },
            "profile fapi2_message_signing needs jwks",
        ),
        ({"resources": ["api"]}, "resources"),
        ({"resources": ["https://api.example/#x"]}, "resources"),
        ({"token_exchange_audiences": ["a\x00"]}, "token_exchange_audiences"),
        ({"access_token_format": "saml"}, "access_token_format"),
        ({"audience": "employers"}, "audience: .*employer"),
        ({"response_types": ["code id_token"]}, "grant type implicit"),
        (
            {"response_types": ["code id_token"], "grant_types": ["authorization_code", "implicit"]},
            "not offered here",
        ),
        ({"token_endpoint_auth_method": "none", "grant_types": ["client_credentials"]}, "grant_types|authentication"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadDescription, match=reason):
        describe({**GOOD, **changes})


def test_a_profile_has_its_own_response_types_among_those_of_the_provider() -> None:
    """FAPI 1.0 Advanced may answer with `code id_token`, where the provider offers it at all."""
    hybrid = {"response_types": ["code id_token"], "grant_types": ["authorization_code", "implicit"]}
    fapi1 = {**GOOD, **FAPI, **hybrid, "profile": "fapi1_advanced"}

    assert describe(fapi1, EVERYTHING).response_types == ("code id_token",)
    with pytest.raises(BadDescription, match="not offered"):
        describe(fapi1)
    with pytest.raises(BadDescription, match=r"profile fapi2 needs response_types code$"):
        describe({**fapi1, "profile": "fapi2"}, EVERYTHING)


def test_the_policy_of_the_provider_opens_implicit_flows() -> None:
    hybrid = {"response_types": ["id_token code"], "grant_types": ["authorization_code", "implicit"]}

    assert describe({**GOOD, **hybrid}, EVERYTHING).response_types == ("code id_token",)


def test_an_answer_is_signed_with_what_the_provider_has() -> None:
    with pytest.raises(BadDescription, match="choose among RS256"):
        describe({**GOOD, "id_token_signed_response_alg": "PS256"}, Policy(signing_algorithms=("RS256",)))


def test_a_client_without_redirects_needs_no_address() -> None:
    device = "urn:ietf:params:oauth:grant-type:device_code"

    described = describe({"client_id": "tv", "client_name": "TV", "grant_types": [device]})

    assert described.response_types == ()
    assert described.redirect_uris == ()


def test_the_command_line_offers_every_method(app: Flask) -> None:
    text = CliRunner().invoke(clients, ["add", "--help"]).output

    for method in get_args(AuthMethod):
        assert method in re.sub(r"\s", "", text)


def test_a_file_may_say_everything_and_then_changes_nothing(app: Flask, tmp_path: Path) -> None:
    path = tmp_path / "clients.toml"
    path.write_text("""
[[client]]
client_id = "portal"
client_name = "Portal"
logo_uri = "https://rp.example/logo.png"
contacts = ["admin@rp.example"]
profile = "fapi2"
token_endpoint_auth_method = "tls_client_auth"
tls_client_auth_subject_dn = "CN=rp.example,O=RP,C=CH"
redirect_uris = ["https://rp.example/cb"]
request_uris = ["https://rp.example/request#hash"]
backchannel_logout_uri = "https://rp.example/logout"
frontchannel_logout_uri = "https://rp.example/front"
resources = ["https://api.example"]
access_token_format = "jwt"
tls_client_certificate_bound_access_tokens = true
""")

    first = CliRunner().invoke(clients, ["apply", str(path), "--yes"])
    second = CliRunner().invoke(clients, ["apply", str(path), "--yes"])

    assert first.exit_code == 0, first.output
    assert second.output == "= portal: as it is\n"
    db.session.rollback()
    row = db.session.get(Client, "portal")
    assert row is not None
    assert row.tls_client_auth_subject_dn == "CN=rp.example,O=RP,C=CH"
    assert row.resources == ["https://api.example"]
    assert row.secret_hashes == []


def test_an_address_that_is_never_called_is_refused(app: Flask, tmp_path: Path) -> None:
    path = tmp_path / "clients.toml"
    path.write_text("""
[[client]]
client_id = "portal"
client_name = "Portal"
redirect_uris = ["https://rp.example/cb"]
jwks_uri = "https://rp.example:22/keys"
""")

    result = CliRunner().invoke(clients, ["apply", str(path), "--yes"])

    assert result.exit_code == 1
    assert "portal: jwks_uri: no such address is called from here" in result.output


def test_a_change_to_client_secret_jwt_draws_a_secret_that_can_be_used(app: Flask, tmp_path: Path) -> None:
    path = tmp_path / "clients.toml"
    text = '[[client]]\nclient_id = "portal"\nclient_name = "P"\nredirect_uris = ["https://rp.example/cb"]\n'
    outputs = []
    for method in ("client_secret_basic", "client_secret_jwt", "client_secret_jwt", "none"):
        path.write_text(f'{text}token_endpoint_auth_method = "{method}"\n')
        outputs.append(CliRunner().invoke(clients, ["apply", str(path), "--yes"]).output)
        db.session.rollback()
        row = db.session.get(Client, "portal", populate_existing=True)
        assert row is not None
        secrets = re.findall(r"shown once\): (\S+)", outputs[-1])
        assert len(secrets) == (1 if outputs[-1].startswith(("+", "~")) and method != "none" else 0)
        if method == "client_secret_jwt" and secrets:
            assert client_secrets.living(row) == tuple(secrets)

    assert outputs[2] == "= portal: as it is\n"
    assert row.secret_hashes == []
    assert row.secret_sealed is None
