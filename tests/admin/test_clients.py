"""`idp clients`: registering applications by command and by file."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result
from flask import Flask
from oidc import a_client
from oidc import an_account

from admin.client_description import BadDescription
from admin.client_description import describe
from admin.clients import read
from admin.commands import clients
from idp import client_secrets
from idp.clock import now
from idp.db import db
from idp.models import AuditEvent
from idp.models import Client
from idp.models import RefreshFamily
from keys import algorithms

GOOD = {
    "client_id": "portal",
    "client_name": "Portal",
    "redirect_uris": ["https://rp.example/cb"],
}
FILE = """
[[client]]
client_id = "portal"
client_name = {{ de = "Portal", fr = "Portail", it = "Portale", en = "Portal" }}
redirect_uris = ["https://rp.example/cb"]
post_logout_redirect_uris = ["https://rp.example/"]
initiate_login_uri = "https://rp.example/login"
grant_types = ["authorization_code", "refresh_token"]
scope = "openid profile offline_access"
first_party = true
default = true
{more}
"""


def idp(*arguments: str, answer: str | None = None) -> Result:
    db.session.rollback()
    result = CliRunner().invoke(clients, list(arguments), input=answer)
    db.session.rollback()
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def client(client_id: str = "portal") -> Client:
    db.session.rollback()
    found = db.session.get(Client, client_id, populate_existing=True)
    assert found is not None
    return found


def secret_in(result: Result) -> str:
    found = re.search(r"shown once\): ([A-Za-z0-9]{43})$", result.output, re.MULTILINE)
    assert found, result.output
    return found[1]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "clients.toml"
    path.write_text(FILE.format(more=""))
    return path


# add, list, show


def test_a_client_is_added_and_its_secret_shown_once(app: Flask) -> None:
    result = idp("add", "portal", "--name", "Portal", "--redirect-uri", "https://rp.example/cb")

    added = client()
    assert result.exit_code == 0
    assert client_secrets.is_right(added, secret_in(result))
    assert secret_in(result) not in json.dumps(added.secret_hashes)
    assert secret_in(result) not in idp("show", "portal").output
    assert added.redirect_uris == ["https://rp.example/cb"]
    assert added.scope == ["openid", "profile", "email"]
    assert added.id_token_signed_response_alg == "ES256"  # decision 6
    assert added.require_pkce is True
    assert added.first_party is False


def test_a_public_client_has_no_secret(app: Flask) -> None:
    result = idp(
        *(
            "add",
            "spa",
            "--name",
            "SPA",
            "--redirect-uri",
            "https://spa.example/cb",
            "--type",
            "browser",
            "--auth",
            "none",
        )
    )

    assert result.exit_code == 0, result.output
    assert client("spa").secret_hashes == []
    assert "secret" not in result.output


def test_a_client_with_a_key(app: Flask, tmp_path: Path) -> None:
    public = algorithms.generate("ES256").as_dict(private=False)
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [public]}))

    common = ("--name", "R", "--redirect-uri", "https://r.example/cb", "--auth", "private_key_jwt")
    without = idp("add", "robot", *common)
    result = idp("add", "robot", *common, "--jwks", str(path))

    assert without.exit_code == 1
    assert "needs jwks" in without.output
    assert result.exit_code == 0, result.output
    assert client("robot").jwks == {"keys": [public]}


def test_a_client_is_not_added_twice(app: Flask) -> None:
    a_client("portal", redirect_uris=["https://rp.example/old"])

    result = idp("add", "portal", "--name", "Portal", "--redirect-uri", "https://rp.example/cb")

    assert result.exit_code == 1
    assert "exists" in result.output
    assert client().redirect_uris == ["https://rp.example/old"]


def test_refresh_brings_grant_and_scope(app: Flask) -> None:
    idp("add", "portal", "--name", "Portal", "--redirect-uri", "https://rp.example/cb", "--refresh")

    assert client().grant_types == ["authorization_code", "refresh_token"]
    assert "offline_access" in client().scope


def test_clients_are_listed(app: Flask) -> None:
    a_client("one")
    a_client("two", disabled_at=now())

    output = idp("list").output

    assert re.search(r"one .*active", output)
    assert re.search(r"two .*disabled", output)


def test_an_unknown_client_is_said_to_be_unknown(app: Flask) -> None:
    for command in ("show", "disable", "enable", "rotate-secret"):
        result = idp(command, "nobody")
        assert result.exit_code == 1
        assert "There is no client nobody." in result.output


# What is refused

BAD_URIS = [
    "http://rp.example/cb",
    "https://*.rp.example/cb",
    "https://rp.example/cb#x",
    "https://u:p@rp.example/cb",
    "javascript:alert(1)",
    "JaVaScript:alert(1)",
    "data:text/html,x",
    " https://rp.example/cb",
    "https://rp.example/cb\n",
    "java\tscript:x",
    "",
]


@pytest.mark.parametrize("uri", BAD_URIS)
@pytest.mark.parametrize("field", ["redirect_uris", "post_logout_redirect_uris", "initiate_login_uri"])
def test_an_unsound_address_is_refused_and_named(field: str, uri: str) -> None:
    """CVE-2026-9086, CVE-2026-29192; security row V7."""
    value = uri if field == "initiate_login_uri" else ["https://rp.example/cb", uri]

    with pytest.raises(BadDescription) as mistake:
        describe({**GOOD, field: value})

    assert repr(uri) in str(mistake.value)
    assert str(mistake.value).startswith("portal: ")


@pytest.mark.parametrize("uri", BAD_URIS[:9])
def test_an_unsound_address_writes_nothing(app: Flask, uri: str) -> None:
    result = idp("add", "portal", "--name", "Portal", "--redirect-uri", uri)

    assert result.exit_code == 1
    assert db.session.query(Client).count() == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"client_id": "a b"}, "characters"),
        ({"client_id": "../x"}, "characters"),
        ({"client_id": "x" * 65}, "characters"),
        ({"client_id": ""}, "characters"),
        ({"client_name": {}}, "name"),
        ({"client_name": {"xx": "X"}}, "name"),
        ({"client_name": {"de": "\n"}}, "name"),
        ({"client_name": {"de": "x" * 81}}, "name"),
        ({"redirect_uris": []}, "redirect_uris"),
        ({"scope": "openid admin"}, "admin"),
        ({"scope": "email"}, "openid"),
        ({"grant_types": ["password"]}, "grant_types"),
        ({"grant_types": ["authorization_code", "refresh_token"]}, "belong together"),
        ({"scope": "openid offline_access"}, "belong together"),
        ({"response_types": ["token"]}, "response_types"),
        ({"token_endpoint_auth_method": "secret"}, "token_endpoint_auth_method"),
        ({"token_endpoint_auth_method": "none", "require_pkce": False}, "PKCE"),
        ({"application_type": "browser"}, "none"),
        ({"id_token_signed_response_alg": "none"}, "id_token_signed_response_alg"),
        ({"id_token_signed_response_alg": "HS256"}, "id_token_signed_response_alg"),
        ({"token_endpoint_auth_signing_alg": "HS256"}, "choose among"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "jwks"),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks": {}}, "JWKS"),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "oct", "k": "eA"}]}}, "private"),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "RSA"}]}}, "JWK"),
        ({"jwks": {"keys": [{"kty": "RSA"}]}}, "JWK"),
        ({"minimum_acr": "strong"}, "choose among"),
        ({"default_max_age": -1}, "default_max_age"),
        ({"default": True}, "initiate_login_uri"),
        ({"secret_env": "A", "secret_file": "b"}, "not both"),
        ({"token_endpoint_auth_method": "none", "secret_env": "A"}, "no secret"),
        ({"client_secret": "in clear"}, "no such field"),
        ({"redirect_urls": []}, "no such field"),
    ],
)
def test_a_wrong_description_says_what_is_wrong(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadDescription, match=reason):
        describe({**GOOD, **changes})


def test_a_private_key_is_never_taken_over() -> None:
    private = algorithms.generate("ES256").as_dict(private=True)

    with pytest.raises(BadDescription, match="private key") as mistake:
        describe({**GOOD, "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [private]}})

    assert private["d"] not in str(mistake.value)


def test_a_native_application_may_have_its_own_scheme() -> None:
    """RFC 8252 §7.1"""
    uris = ["ch.fund.app:/cb", "http://127.0.0.1/cb"]

    native = describe(
        {**GOOD, "application_type": "native", "token_endpoint_auth_method": "none", "redirect_uris": uris}
    )

    assert list(native.redirect_uris) == uris
    with pytest.raises(BadDescription):
        describe({**GOOD, "redirect_uris": uris})


# disable, enable


def a_family() -> None:
    """A refresh token of somebody's for the portal."""
    account = an_account()
    family = RefreshFamily(
        id="f",
        account_id=account.id,
        client_id="portal",
        scope=["openid"],
        authentication={},
        current_hash="x",
        created_at=now(),
        idle_until=now(),
        expires_at=now(),
    )
    db.session.add(family)
    db.session.commit()


def test_a_disabled_client_loses_its_refresh_families(app: Flask) -> None:
    """CVE-2026-9705: what was disabled is not revived by enabling."""
    a_client()
    a_family()

    assert "disabled" in idp("disable", "portal").output
    assert not client().is_active
    assert idp("disable", "portal").exit_code == 0
    idp("enable", "portal")

    assert client().is_active
    assert db.session.query(RefreshFamily).one().end_reason == "client_disabled"
    events = [line.event for line in db.session.query(AuditEvent).order_by(AuditEvent.sequence)]
    assert events == ["client_disabled", "client_disabled", "client_enabled"]


def test_a_client_disabled_by_file_loses_them_as_well(app: Flask, file: Path) -> None:
    """Every way to disable a client is the same end (CVE-2026-9705)."""
    idp("apply", str(file), "--yes")
    a_family()

    file.write_text(FILE.format(more="disabled = true"))
    idp("apply", str(file), "--yes")
    file.write_text(FILE.format(more=""))
    idp("apply", str(file), "--yes")

    assert client().is_active
    assert db.session.query(RefreshFamily).one().end_reason == "client_disabled"


# rotate-secret


def test_a_rotated_secret_lives_beside_the_old_one_until_it_is_finished(app: Flask) -> None:
    first = secret_in(idp("add", "portal", "--name", "P", "--redirect-uri", "https://rp.example/cb"))

    second = secret_in(idp("rotate-secret", "portal"))
    assert client_secrets.is_right(client(), first)
    assert client_secrets.is_right(client(), second)

    idp("rotate-secret", "portal", "--finish")
    assert not client_secrets.is_right(client(), first)
    assert client_secrets.is_right(client(), second)


def test_never_more_than_two_secrets_live(app: Flask) -> None:
    first = secret_in(idp("add", "portal", "--name", "P", "--redirect-uri", "https://rp.example/cb"))
    idp("rotate-secret", "portal")
    idp("rotate-secret", "portal")

    assert len(client().secret_hashes) == 2
    assert not client_secrets.is_right(client(), first)


def test_a_leaked_secret_ends_at_once(app: Flask) -> None:
    first = secret_in(idp("add", "portal", "--name", "P", "--redirect-uri", "https://rp.example/cb"))

    second = secret_in(idp("rotate-secret", "portal", "--now"))

    assert not client_secrets.is_right(client(), first)
    assert client_secrets.is_right(client(), second)


def test_a_client_without_secret_has_none_to_rotate(app: Flask) -> None:
    a_client("spa", token_endpoint_auth_method="none")

    result = idp("rotate-secret", "spa")

    assert result.exit_code == 1
    assert "no secret" in result.output
    assert client("spa").secret_hashes == []


# apply


def test_a_file_is_applied_and_then_changes_nothing(app: Flask, file: Path) -> None:
    first = idp("apply", str(file), "--yes")
    secret = secret_in(first)
    second = idp("apply", str(file), "--yes")

    assert first.exit_code == second.exit_code == 0
    assert first.output.startswith("+ portal\n")
    assert second.output == "= portal: as it is\n"
    applied = client()
    assert client_secrets.is_right(applied, secret)
    assert applied.client_name["fr"] == "Portail"
    assert applied.is_default is True
    assert applied.scope == ["openid", "profile", "offline_access"]
    assert db.session.query(AuditEvent).filter_by(event="client_added").count() == 1
    assert db.session.query(AuditEvent).count() == 1


def test_a_dry_run_shows_the_difference_and_changes_nothing(app: Flask, file: Path) -> None:
    idp("apply", str(file), "--yes")
    file.write_text(FILE.format(more="default_max_age = 60").replace("/cb", "/callback"))

    result = idp("apply", str(file), "--dry-run")

    assert result.exit_code == 0
    assert "~ portal" in result.output
    assert 'redirect_uris: ["https://rp.example/cb"] -> ["https://rp.example/callback"]' in result.output
    assert "default_max_age: None -> 60" in result.output
    assert client().redirect_uris == ["https://rp.example/cb"]


def test_a_client_that_an_operator_describes_is_the_operators(app: Flask, file: Path) -> None:
    """Else its registration token could lead a first party's answers elsewhere, and nobody would be asked."""
    a_client(first_party=False, registration_token_hash="x")

    idp("apply", str(file), "--yes")

    assert client().first_party is True
    assert client().registration_token_hash is None


def test_nothing_is_applied_without_a_yes(app: Flask, file: Path) -> None:
    refused = idp("apply", str(file), answer="n\n")
    assert refused.exit_code == 1
    assert db.session.query(Client).count() == 0

    assert idp("apply", str(file), answer="y\n").exit_code == 0
    assert db.session.query(Client).count() == 1


def test_a_changed_file_changes_the_client_and_keeps_its_secret(app: Flask, file: Path) -> None:
    secret = secret_in(idp("apply", str(file), "--yes"))
    file.write_text(FILE.format(more="disabled = true").replace("/cb", "/callback"))

    idp("apply", str(file), "--yes")

    assert client().redirect_uris == ["https://rp.example/callback"]
    assert not client().is_active
    assert client_secrets.is_right(client(), secret)
    assert idp("apply", str(file), "--yes").output == "= portal: as it is\n"


def test_clients_that_the_file_does_not_name_are_left_alone(app: Flask, file: Path) -> None:
    a_client("other", is_default=False)

    idp("apply", str(file), "--yes")

    assert client("other").is_active
    assert db.session.query(Client).count() == 2


def test_there_is_one_default(app: Flask, file: Path) -> None:
    a_client("other", is_default=True, initiate_login_uri="https://o.example/login")

    idp("apply", str(file), "--yes")

    assert client().is_default
    assert not client("other").is_default


def test_a_secret_of_the_environment_is_taken_over(app: Flask, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = "e" * 40
    file.write_text(FILE.format(more='secret_env = "PORTAL_SECRET"'))

    missing = idp("apply", str(file), "--yes")
    monkeypatch.setenv("PORTAL_SECRET", "short")
    weak = idp("apply", str(file), "--yes")
    monkeypatch.setenv("PORTAL_SECRET", given)
    applied = idp("apply", str(file), "--yes")

    assert missing.exit_code == weak.exit_code == 1
    assert "PORTAL_SECRET is not set" in missing.output
    assert "32 or more" in weak.output
    assert "short" not in weak.output.replace("shorter", "")
    assert applied.exit_code == 0
    assert given not in applied.output
    assert client_secrets.is_right(client(), given)
    assert idp("apply", str(file), "--yes").output == "= portal: as it is\n"


def test_another_secret_in_the_environment_ends_the_old_one(
    app: Flask, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(FILE.format(more='secret_env = "PORTAL_SECRET"'))
    for secret in ("a" * 40, "b" * 40):
        monkeypatch.setenv("PORTAL_SECRET", secret)
        assert idp("apply", str(file), "--yes").exit_code == 0

    assert client_secrets.is_right(client(), "b" * 40)
    assert not client_secrets.is_right(client(), "a" * 40)


def test_a_secret_is_written_where_the_file_says(app: Flask, file: Path, tmp_path: Path) -> None:
    path = tmp_path / "var" / "secret"
    file.write_text(FILE.format(more=f'secret_file = "{path}"'))

    dry = idp("apply", str(file), "--dry-run")
    assert dry.exit_code == 0
    assert not path.exists()
    result = idp("apply", str(file), "--yes")

    secret = path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600
    assert client_secrets.is_right(client(), secret)
    assert secret not in result.output
    assert idp("apply", str(file), "--yes").output == "= portal: as it is\n"

    path.unlink()  # `make reset` of whoever reads it
    idp("apply", str(file), "--yes")
    assert client_secrets.is_right(client(), path.read_text().strip())


def test_every_mistake_of_a_file_is_told_at_once_and_nothing_is_written(app: Flask, file: Path) -> None:
    more = '[[client]]\nclient_id = "b b"\nclient_name = "B"\nredirect_uris = ["http://evil/cb"]\n'
    file.write_text(FILE.format(more="colour = 1") + more)

    result = idp("apply", str(file), "--yes")

    assert result.exit_code == 1
    assert "portal: colour: there is no such field" in result.output
    assert "b b: client_id" in result.output
    assert db.session.query(Client).count() == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("colour = 1", "line 12: portal: colour: there is no such field"),
        ("redirect_uri = 'x'", "line 12: portal: redirect_uri: there is no such field; did you mean redirect_uris?"),
        ("is_default = true", "line 12: portal: is_default: there is no such field; did you mean default?"),
        ("resources = 'https://a.ch'", 'line 12: portal: resources: write it as a list: ["one", "two"]'),
        ("require_pkce = [1]", "line 12: portal: require_pkce: write true or false"),
        ("client_uri = 5", "line 12: portal: client_uri: write it as a text in quotation marks"),
        ("access_token_format = 'saml'", "line 12: portal: access_token_format: Input should be 'opaque' or 'jwt'"),
        ("profile = 'fapi9'", "line 12: portal: profile: choose among standard, "),
        ("[client.jwks]\nkeys = 5", "line 12: portal: jwks"),
        ("token_endpoint_auth_method = 'none'\nrequire_pkce = false", "line 2: portal: a public client needs PKCE"),
        ("[[client]]\nclient_name = 'B'", "line 12: a client without client_id: client_id: it is missing"),
        ("a = ", "(at line 12, column 5)"),
        ("[other]\na = 1", "clients.toml: other: only tables [[client]] may stand here"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_line_client_and_field(app: Flask, file: Path, line: str, said: str) -> None:
    file.write_text(FILE.format(more=line))

    result = idp("apply", str(file), "--yes")

    assert result.exit_code == 1
    assert said in result.output
    assert db.session.query(Client).count() == 0


def test_a_client_that_is_written_inline_is_told_without_a_line(tmp_path: Path) -> None:
    path = tmp_path / "clients.toml"
    path.write_text('client = [{client_id = "a", colour = 1}]')

    with pytest.raises(BadDescription, match=r"^a: client_name: it is missing\na: "):
        read(path)


@pytest.mark.parametrize("text", ["", "x = 1", "[[client]", "client = 5", "client = [1]", "\x00", "[client]\na = 1"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "clients.toml"
    path.write_text(text)

    with pytest.raises(BadDescription, match=r"clients\.toml"):
        read(path)


def test_two_defaults_or_one_client_twice_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "clients.toml"
    path.write_text(FILE.format(more="") * 2)

    with pytest.raises(BadDescription, match="named twice") as mistake:
        read(path)

    assert "only one client can be the default" in str(mistake.value)


def test_the_demonstration_is_sound() -> None:
    root = Path(__file__).parents[2]

    (portal,) = read(root / "demo" / "clients.toml")

    assert portal.client_id == "myvpk"
    assert portal.is_default
    assert portal.first_party
    assert portal.initiate_login_uri == "http://localhost:8401/login"
    assert set(portal.scope) == {"openid", "profile", "email", "phone", "offline_access", "pension"}


def test_what_manages_a_client_that_registered_itself_is_not_shown(app: Flask) -> None:
    a_client("portal", registration_token_hash="h" * 43, secret_sealed=b"sealed")

    output = idp("show", "portal").output

    assert "registered itself: yes" in output
    assert "h" * 43 not in output
    assert "sealed" not in output
