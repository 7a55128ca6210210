"""The settings: a mistake is one sentence that names the setting and says how to mend it."""

import secrets
from typing import Any

import pytest

from idp.settings import BadSetting
from idp.settings import Settings
from idp.settings import load

GOOD: dict[str, Any] = {"issuer": "https://login.fund.example", "secret": secrets.token_urlsafe(48)}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IDP_ISSUER", "IDP_SECRET", "IDP_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)


def test_an_issuer_and_a_secret_are_enough() -> None:
    settings = load(**GOOD)

    assert (settings.environment, settings.secure, settings.host) == ("production", True, "login.fund.example")


@pytest.mark.parametrize(
    ("given", "name", "remedy"),
    [
        ({"secret": None}, "IDP_SECRET", "it is not set; take what this prints: idp secret"),
        ({"database_url": "mysql://idp@db/idp"}, "IDP_DATABASE_URL", "postgresql://user:password@host/name"),
        ({"database_url": "idp:pw@db"}, "IDP_DATABASE_URL", "postgresql://user:password@host/name"),
        ({"database_url": "postgresql://idp:x@geheim:1x23@db/idp"}, "IDP_DATABASE_URL", "%40"),
        ({"factors": ()}, "IDP_FACTORS", "at least one"),
        ({"audiences": ()}, "IDP_AUDIENCES", "at least one"),
        ({"audiences": [{"name": "membr"}]}, "IDP_AUDIENCES", "'member', 'insured', 'pensioner' or 'employer'"),
        ({"audiences": [{"name": "member", "href": "https://f.ch"}]}, "IDP_AUDIENCES", "entry 1: href"),
        ({"audiences": [{"name": "employer", "url": "http://f.ch"}]}, "IDP_AUDIENCES", "https"),
        ({"audiences": [{"name": "member"}, {"name": "member"}]}, "IDP_AUDIENCES", "once"),
        ({"sms_countries": ("CH", "SUI")}, "IDP_SMS_COUNTRIES", "'SUI': not among the countries"),
        ({"sms_countries": ("ch",)}, "IDP_SMS_COUNTRIES", " CH, "),
        ({"fund": '{"de": "Kasse"}'}, "IDP_FUND", "four languages"),
        ({"fund": "{de: Kasse}"}, "IDP_FUND", "as JSON"),
        ({"fund": " "}, "IDP_FUND", "four languages"),
        ({"help_hours": {"fr": "lu-ve"}}, "IDP_HELP_HOURS", "four languages"),
        ({"resources": [{"uri": "https://api.fund.ch"}, {}]}, "IDP_RESOURCES", "entry 2: uri"),
        ({"secret": "short"}, "IDP_SECRET", "too weak"),
        ({"secret": "a" * 64}, "IDP_SECRET", "too weak"),
        ({"issuer": None}, "IDP_ISSUER", "it is not set"),
        ({"issuer": "login.fund.example"}, "IDP_ISSUER", "full address"),
        ({"issuer": "http://login.fund.example"}, "IDP_ISSUER", "use https"),
        ({"issuer": "http://localhost.fund.example"}, "IDP_ISSUER", "use https"),
        ({"issuer": "https://login.fund.example/"}, "IDP_ISSUER", "without"),
        ({"issuer": "https://login.fund.example/idp"}, "IDP_ISSUER", "without a path"),
        ({"issuer": "https://login.fund.example?a=b"}, "IDP_ISSUER", "without query"),
        ({"environment": "development"}, "IDP_ENVIRONMENT", "IDP_ENVIRONMENT=production"),
        ({"environment": "test"}, "IDP_ENVIRONMENT", "development"),
        ({"mail_channel": "outbox"}, "IDP_MAIL_CHANNEL", "smtp"),
        ({"sms_channel": "outbox"}, "IDP_MAIL_CHANNEL/SMS_CHANNEL", "sms_http"),
        ({"second_factor": "off"}, "IDP_SECOND_FACTOR", "conformance"),
        ({"trusted_proxies": -1}, "IDP_TRUSTED_PROXIES", "greater"),
        ({"sms_sender": "a sender too long"}, "IDP_SMS_SENDER", "11"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(given: dict[str, Any], name: str, remedy: str) -> None:
    values = {key: value for key, value in {**GOOD, **given}.items() if value is not None}

    with pytest.raises(BadSetting) as refused:
        load(**values)

    lines = [line for line in str(refused.value).splitlines() if name in line]
    assert len(lines) == 1
    assert remedy in lines[0]


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(BadSetting) as refused:
        load(issuer="nowhere", trusted_proxies=99)

    assert [name in str(refused.value) for name in ("IDP_ISSUER", "IDP_SECRET", "IDP_TRUSTED_PROXIES")] == [True] * 3


def test_the_sentence_of_a_mistake_does_not_repeat_the_secret() -> None:
    with pytest.raises(BadSetting) as refused:
        load(issuer="https://login.fund.example", secret="hunter2")

    assert "hunter2" not in str(refused.value)


def test_a_wrong_address_of_the_database_repeats_no_password() -> None:
    with pytest.raises(BadSetting) as told:
        load(**GOOD, database_url="postgresql://idp:x@geheim:1x23@db/idp")
    assert "geheim" not in str(told.value)
    assert "1x23" not in str(told.value)


def test_the_spelling_of_hosting_providers_is_understood() -> None:
    assert load(**GOOD, database_url="postgres://idp:pw@db/idp").database_url == "postgresql://idp:pw@db/idp"


def test_a_list_that_is_no_json_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_FACTORS", "sms")
    with pytest.raises(BadSetting, match=r'IDP_FACTORS: write it as JSON, a list as \["one", "two"\]'):
        load(**GOOD)


@pytest.mark.parametrize("issuer", ["http://localhost:8400", "http://127.0.0.1:8400", "http://[::1]:8400"])
def test_http_is_accepted_on_this_machine(issuer: str) -> None:
    assert not load(**{**GOOD, "issuer": issuer}).secure


def test_secrets_are_not_in_the_representation() -> None:
    settings = Settings(**GOOD, smtp_password="marker-of-smtp", sms_password="marker-of-sms")  # type: ignore[arg-type]

    assert GOOD["secret"] not in repr(settings)
    assert "marker-of" not in repr(settings)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDP_ISSUER", "https://login.fund.example")
    monkeypatch.setenv("IDP_SECRET", GOOD["secret"])
    monkeypatch.setenv("IDP_FACTORS", '["totp"]')
    monkeypatch.setenv("IDP_TRUSTED_PROXIES", "2")

    settings = load()

    assert (settings.factors, settings.trusted_proxies) == (("totp",), 2)


def test_settings_cannot_be_changed_after_the_start() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(**GOOD).issuer = "https://other.example"  # type: ignore[misc]


def test_every_setting_has_a_meaning_that_is_written_down() -> None:
    """House style: each field has its docstring; the few that speak for themselves are listed here."""
    import ast
    import inspect

    tree = ast.parse(inspect.getsource(Settings)).body[0]
    assert isinstance(tree, ast.ClassDef)
    fields = [
        node.target.id
        for node, following in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and not (isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant))
    ]

    plain = ("smtp_", "sms_url", "sms_username", "sms_password", "smpp_", "_seconds", "log_")
    assert [name for name in fields if not any(part in name for part in plain)] == []
