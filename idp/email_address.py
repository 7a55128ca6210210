"""The e-mail address: read as typed, compared without case, sent with the spelling kept (pages.md 2.2.6)."""

import unicodedata
from typing import Literal

from email_validator import EmailNotValidError
from email_validator import ValidatedEmail
from email_validator import validate_email

LONGEST = 254

PROVIDERS = (
    "bluewin.ch",
    "hispeed.ch",
    "sunrise.ch",
    "gmx.ch",
    "gmail.com",
    "hotmail.com",
    "outlook.com",
    "icloud.com",
)
"""Where most people have their mailbox: an address that nearly ends so is probably mistyped."""

NEIGHBOURS = frozenset(
    {"mail.com", "email.com", "gmx.com", "hotmail.ch", "hotmail.fr", "hotmail.de", "hotmail.it", "outlook.ch"}
    | {"outlook.fr", "outlook.de", "outlook.it", "sunrise.com", "ymail.com"}
)
"""Real providers whose names stand near one of those."""

Kind = Literal["empty", "format", "long"]


class EmailProblem(ValueError):
    """What is wrong with an address, as the keys `email.err.*` name it."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(f"not an e-mail address: {kind}")
        self.kind: Kind = kind


def parse(text: str) -> str:
    """Read an address: the local part as it was typed, the domain in lower case."""
    address = _trim(text)
    if not address:
        raise EmailProblem("empty")
    if len(address) > LONGEST:
        raise EmailProblem("long")
    validated = _validate(address)
    if len(for_sending(validated.normalized)) > LONGEST:  # RFC 5321 §4.5.3.1 counts what goes over the wire
        raise EmailProblem("long")
    return validated.normalized


def canonical(text: str) -> str:
    """The form two spellings of one address share: lower case, domain as DNS has it (RFC 5891).

    Never fails: what is no address is compared as it stands, and equals none.
    """
    address = _trim(text).lower()
    try:
        return for_sending(address).lower()
    except EmailProblem:
        return address


def for_sending(text: str) -> str:
    """The address as an SMTP server takes it that knows ASCII domains only (RFC 5321 §2.3.5)."""
    validated = _validate(_trim(text))
    return f"{validated.local_part}@{validated.ascii_domain}"


def typo_suggestion(text: str) -> str | None:
    """The address that was probably meant, where the domain is a slip away from a usual one."""
    local, _, domain = _trim(text).rpartition("@")
    domain = domain.lower()
    if not local or not domain or domain in PROVIDERS or domain in NEIGHBOURS:
        return None
    meant = _meant_yahoo(domain) or next((known for known in PROVIDERS if _is_slip(domain, known)), None)
    return f"{local}@{meant}" if meant else None


def _trim(text: str) -> str:
    seen = [place for place, char in enumerate(text) if not char.isspace() and unicodedata.category(char) != "Cf"]
    return unicodedata.normalize("NFC", text[seen[0] : seen[-1] + 1]) if seen else ""


def _validate(address: str) -> ValidatedEmail:
    try:
        # `test_environment`: installations for testing use the reserved domain `.test` (RFC 2606 §2).
        return validate_email(
            address, check_deliverability=False, strict=True, allow_smtputf8=False, test_environment=True
        )
    except (EmailNotValidError, UnicodeError):
        raise EmailProblem("format") from None


def _meant_yahoo(domain: str) -> str | None:
    """`yaho.fr` for `yahoo.fr`: this provider has a domain in every country."""
    name, _, country = domain.partition(".")
    return f"yahoo.{country}" if name != "yahoo" and country and _distance(name, "yahoo") == 1 else None


def _is_slip(domain: str, known: str) -> bool:
    allowed = 1 if len(known) < 8 else 2
    return abs(len(domain) - len(known)) <= allowed and _distance(domain, known) <= allowed


def _distance(left: str, right: str) -> int:
    """Letters wrong, missing, too many or swapped with their neighbour (optimal string alignment)."""
    before: list[int] = []
    above = list(range(len(right) + 1))
    for row, char in enumerate(left, start=1):
        line = [row]
        for column, other in enumerate(right, start=1):
            cost = min(above[column] + 1, line[-1] + 1, above[column - 1] + (char != other))
            if row > 1 and column > 1 and char == right[column - 2] and left[row - 2] == other:
                cost = min(cost, before[column - 2] + 1)
            line.append(cost)
        before, above = above, line
    return above[-1]
