"""What the driver brings to the official suite: plans whose clients this provider takes, and mails that are read."""

import smtplib
import tomllib
from email.message import EmailMessage
from typing import Any

import mail
import plans
import provider
import pytest
import results
import run
from flask import Flask

from admin.client_description import describe
from idp.client_rules import Policy
from idp.request_rules import RESPONSE_TYPES
from tests.services import free_port

SUITE = "https://localhost.emobix.co.uk:8443"
PLANS = plans.plans(SUITE)
JUDGED = {
    "oidcc": 24,
    "fapi2-security-profile-final": 4,
    "fapi2-message-signing-final": 4,
    "fapi1-advanced-final": 8,
    "fapi-ciba-id1": 4,
}


def test_every_plan_that_providers_are_certified_by_is_there() -> None:
    counted = {kind: sum(plan.plan.startswith(f"{kind}-") for plan in PLANS) for kind in JUDGED}

    assert counted == JUDGED
    assert len({plan.name for plan in PLANS}) == len(PLANS)


@pytest.mark.parametrize("plan", [plan for plan in PLANS if plan.clients], ids=lambda plan: plan.name)
def test_its_clients_can_be_registered_by_an_operator(app: Flask, plan: Any) -> None:
    """As the driver writes them into clients.toml."""
    text = "\n".join(provider._toml(client) for client in plan.clients)

    for entry in tomllib.loads(text)["client"]:
        assert describe(entry, Policy(response_types=RESPONSE_TYPES)).client_id.startswith(plan.name)
    held = [plan.config[name] for name in ("client", "client2", "client_secret_post") if name in plan.config]
    assert {each["client_id"] for each in held} == {client["client_id"] for client in plan.clients}
    assert {client["secret_env"] for client in plan.clients if "secret_env" in client} == plan.secrets.keys()


def test_no_plan_hands_the_provider_a_private_key() -> None:
    for plan in PLANS:
        for client in plan.clients:
            assert all("d" not in key for key in client.get("jwks", {"keys": []})["keys"])


def test_the_mail_to_the_test_person_gives_its_code_once() -> None:
    port = free_port()
    with mail.listening(port) as mailbox, smtplib.SMTP("127.0.0.1", port) as connection:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "a@op.test", "alice@op.test", "Confirm"
        message.set_content("Your code:\n\n    BCDF-GHJK\n")
        connection.send_message(message)

        assert mailbox.next_code() == "BCDF-GHJK"
        assert mailbox.next_code() is None


class _Browser:
    def __init__(self) -> None:
        self.confirmed: list[tuple[str, bool]] = []

    def confirm(self, code: str, *, refuse: bool) -> None:
        self.confirmed.append((code, refuse))


def _log(*lines: tuple[str, str]) -> list[dict[str, str]]:
    return [{"src": src, "msg": msg} for src, msg in lines]


POLLS = ("-START-BLOCK-", "First client: Polling token endpoint waiting for user to authenticate")
REFUSED_POLLS = ("-START-BLOCK-", "Polling token endpoint waiting for user to reject authentication")


ASKS = ("CallBackchannelAuthenticationEndpoint", "HTTP request")
DO = ("TellUserToDoCIBAAuthentication", "Please authenticate")
REJECT = ("TellUserToRejectCIBAAuthentication", "Please reject")
IGNORE = ("TellUserToIgnoreCIBAAuthentication", "Please ignore")
AUTOMATED = ("CallAutomatedCibaApprovalEndpoint", "If your server supports automated testing")
TRIES = ("CallTokenEndpoint", "HTTP request")


@pytest.mark.parametrize(
    ("lines", "confirmed"),
    [
        ([ASKS, POLLS], [("BCDF-GHJK", False)]),
        ([ASKS, TRIES, AUTOMATED, DO], [("BCDF-GHJK", False)]),
        ([ASKS, AUTOMATED, REJECT, REFUSED_POLLS], [("BCDF-GHJK", True)]),
        ([ASKS, AUTOMATED], [("BCDF-GHJK", False)]),
        ([ASKS, REJECT, ASKS, DO], [("BCDF-GHJK", False)]),
    ],
)
def test_the_person_allows_or_refuses_as_they_are_told(lines: list[tuple[str, str]], confirmed: Any) -> None:
    browser = _Browser()

    assert run._obey(_log(*lines), "BCDF-GHJK", browser)

    assert browser.confirmed == confirmed


@pytest.mark.parametrize(
    ("lines", "is_their_turn"),
    [([ASKS, IGNORE], True), ([ASKS, TRIES], False), ([ASKS, AUTOMATED, DO, ASKS, TRIES], False), ([], False)],
)
def test_the_person_does_nothing_when_told_so_and_before_their_turn(
    lines: list[tuple[str, str]], is_their_turn: bool
) -> None:
    """What was said of an earlier request, however late it was written, is no turn of the next one."""
    browser = _Browser()

    assert run._obey(_log(*lines), "BCDF-GHJK", browser) is is_their_turn

    assert browser.confirmed == []


def test_what_a_person_should_look_at_is_kept() -> None:
    log = [{"result": "REVIEW", "page_source": "<p>a"}, {"result": "REVIEW"}, {"page_source": "<p>b"}]

    assert results.to_review(log) == ["<p>a"]
