"""What an operator misspelt or left open: names that nobody reads, and words that are still the demonstration's.

Each mistake is a sentence that names the setting. `idp serve` and the commands refuse to go on; `idp doctor` tells.
"""

import difflib
import os
import re
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path

from .settings import SECRETS_FOLDER
from .settings import BadSetting
from .settings import Settings
from .settings import is_test_host

PREFIX = "IDP_"
DEMONSTRATION = {
    "portal": "the portal's name",
    "fund": "the fund's name, which signs letters, mails and SMS",
    "fund_url": "the address of the fund's public site",
    "help_phone": "the telephone number people may call",
    "help_hours": "the hours of the telephone",
    "mail_from": "the sender of mails, such as myVPK <noreply@fund.ch>",
    "sms_sender": "the sender of SMS, at most 11 characters",
}
"""The settings whose defaults are the words of a demonstration, and what they are."""
NOBODYS = ("help_phone", "mail_from")
"""Those whose defaults no fund can mean: they are refused also where somebody wrote them down."""
FROM_AN_ORCHESTRATOR = re.compile(r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)(_\w+)?)")
"""What Kubernetes and docker put into the environment of a program beside a service called `idp`."""


def refuse(settings: Settings) -> None:
    """Raise `BadSetting` with every mistake; on a test host the demonstration's words are welcome."""
    found = list(mistakes(settings))
    if found:
        raise BadSetting("The provider cannot start.\n" + "\n".join(f"  {mistake}" for mistake in found))


def refuse_letters(settings: Settings) -> None:
    """Raise `BadSetting` where letters that cannot be delivered would not find their way back."""
    if _is_for_people(settings) and settings.letter_sender is None:
        raise BadSetting("IDP_LETTER_SENDER: set the fund's postal address in one line; undeliverable letters need it.")


def mistakes(settings: Settings) -> Iterator[str]:
    """A sentence for every mistake."""
    for name in given_names(os.environ, SECRETS_FOLDER):
        if name.removeprefix(PREFIX).lower() not in Settings.model_fields:
            yield _unknown(name)
    if _is_for_people(settings):
        for field, meaning in DEMONSTRATION.items():
            if _is_demonstration(settings, field):
                yield f"{PREFIX}{field.upper()}: set {meaning}; so far it is the demonstration's, or empty."


def given_names(environment: Mapping[str, str], secrets: Path) -> list[str]:
    """The names with our prefix, from the environment and from the files of secrets."""
    files = [file.name for file in secrets.glob("*")] if secrets.is_dir() else []
    ours = {name.upper() for name in [*environment, *files] if name.upper().startswith(PREFIX)}
    return sorted(name for name in ours if not _is_an_orchestrators(name, environment.get(name, "")))


def _is_for_people(settings: Settings) -> bool:
    return settings.secure and not is_test_host(settings.host)


def _is_an_orchestrators(name: str, value: str) -> bool:
    return bool(FROM_AN_ORCHESTRATOR.fullmatch(name)) or (name.endswith("_PORT") and value.startswith(("tcp:", "udp:")))


def _unknown(name: str) -> str:
    known = [f"{PREFIX}{field.upper()}" for field in Settings.model_fields]
    near = difflib.get_close_matches(name, known, n=1)
    return f"{name}: there is no such setting. " + (f"Did you mean {near[0]}?" if near else "Unset or rename it.")


def _is_demonstration(settings: Settings, field: str) -> bool:
    default, value = Settings.model_fields[field].default, getattr(settings, field)
    return field not in settings.model_fields_set or not value or (field in NOBODYS and value == default)
