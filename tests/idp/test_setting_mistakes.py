"""What an operator misspelt or left to the demonstration keeps the provider from starting."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idp import setting_mistakes
from idp.languages import LANGUAGES
from idp.settings import BadSetting
from idp.settings import Settings
from idp.settings import load

OWN: dict[str, Any] = {
    "issuer": "https://login.fund.example",
    "secret": secrets.token_urlsafe(48),
    "portal": "myFund",
    "fund": "Pensionskasse Beispiel",
    "fund_url": "https://www.fund.example",
    "help_phone": "044 000 00 00",
    "help_hours": "8-12",
    "mail_from": "myFund <noreply@fund.example>",
    "sms_sender": "Beispiel PK",
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in setting_mistakes.given_names(os.environ, tmp_path):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def told() -> Callable[..., list[str]]:
    """The mistakes in settings that are otherwise a fund's own."""
    return lambda **given: list(setting_mistakes.mistakes(load(**{**OWN, **given})))


def test_a_funds_own_settings_have_no_mistake(told: Callable[..., list[str]]) -> None:
    assert told() == []
    setting_mistakes.refuse(load(**OWN))


@pytest.mark.parametrize("field", setting_mistakes.DEMONSTRATION)
def test_words_of_the_demonstration_are_refused_in_production(field: str) -> None:
    given = {name: value for name, value in OWN.items() if name != field}

    with pytest.raises(BadSetting, match=rf"(?s)cannot start\.\n  IDP_{field.upper()}: set [^\n]*\.$"):
        setting_mistakes.refuse(load(**given))


@pytest.mark.parametrize("issuer", ["http://localhost:8400", "https://localhost:8443", "https://op.test"])
def test_where_nobody_but_testers_come_the_demonstrations_words_are_welcome(issuer: str) -> None:
    assert list(setting_mistakes.mistakes(load(issuer=issuer, secret=OWN["secret"]))) == []


@pytest.mark.parametrize("field", setting_mistakes.NOBODYS)
def test_what_no_fund_can_mean_is_refused_also_where_it_is_written_down(
    told: Callable[..., list[str]], field: str
) -> None:
    assert len(told(**{field: Settings.model_fields[field].default})) == 1


@pytest.mark.parametrize("field", ["portal", "fund_url", "help_phone", "mail_from", "sms_sender"])
def test_what_is_left_empty_is_not_set(told: Callable[..., list[str]], field: str) -> None:
    (mistake,) = told(**{field: ""})

    assert mistake.startswith(f"IDP_{field.upper()}: set ")


def test_a_fund_may_have_the_name_of_the_demonstration(told: Callable[..., list[str]]) -> None:
    assert told(fund=dict.fromkeys(LANGUAGES, "Valora"), portal="myVPK", sms_sender="Valora PK") == []


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("IDP_SMTP_PASWORD", "Did you mean IDP_SMTP_PASSWORD?"),
        ("idp_isuer", "Did you mean IDP_ISSUER?"),
        ("IDP_HELPPHONE", "Did you mean IDP_HELP_PHONE?"),
        ("IDP_SMPT_PORT", "Did you mean IDP_S"),
        ("IDP_QQQQQQQQQ", "Unset or rename it."),
    ],
)
def test_a_name_that_nobody_reads_is_told_with_the_nearest(
    told: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, name: str, advice: str
) -> None:
    monkeypatch.setenv(name, "25")

    (mistake,) = told()

    assert mistake.startswith(f"{name.upper()}: there is no such setting. ")
    assert advice in mistake


def test_the_sentence_does_not_repeat_the_value(
    told: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDP_SMTP_PASWORD", "hunter2")

    assert "hunter2" not in told()[0]


def test_a_file_of_secrets_that_nobody_reads_is_told(
    told: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("idp_secrets", "idp_secret", "postgres_password"):
        (tmp_path / name).touch()
    monkeypatch.setattr(setting_mistakes, "SECRETS_FOLDER", tmp_path)

    assert told() == ["IDP_SECRETS: there is no such setting. Did you mean IDP_SECRET?"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IDP_SERVICE_HOST", "10.0.0.1"),
        ("IDP_SERVICE_PORT_HTTP", "8400"),
        ("IDP_WEB_SERVICE_PORT", "8400"),
        ("IDP_PORT", "tcp://10.0.0.1:8400"),
        ("IDP_PORT_8400_TCP", "tcp://10.0.0.1:8400"),
        ("IDP_PORT_8400_TCP_ADDR", "10.0.0.1"),
    ],
)
def test_what_kubernetes_says_of_a_service_called_idp_is_no_mistake(
    told: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    assert told() == []
