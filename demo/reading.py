"""The claims of a sign-in, made readable: words instead of codes, Swiss time instead of seconds."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from .words import LANGUAGES
from .words import Words

MOMENTS = frozenset({"auth_time", "iat", "exp", "nbf", "updated_at", "enrolled_at", "factors_changed_at"})
DAYS = frozenset({"birthdate"})
EXAMPLE_PENSION = Decimal("2345.60")
"""Invented: the portal knows no pensions. The page says so beside the amount."""

FIRST = (
    *("name", "given_name", "family_name", "birthdate", "locale", "email", "email_verified"),
    *("phone_number", "phone_number_verified", "person_number", "entitlement", "enrolled_at", "factors_changed_at"),
)


@dataclass(frozen=True)
class Line:
    """One line of a table."""

    name: str
    """The claim, as the protocol calls it."""
    label: str
    value: str
    is_code: bool
    """Whether the value is meant for machines and shown in their type."""


class Reading:
    """What the page says of a signed-in person."""

    def __init__(self, words: Words, proof: dict[str, Any], person: dict[str, Any]) -> None:
        self._words = words
        self._proof = proof
        self._person = person

    @property
    def greeting(self) -> str:
        """The person, by name where it is known."""
        name = self._person.get("name")
        return self._words("pension.hello", name=name) if name else self._words("pension.hello_unknown")

    @property
    def amount(self) -> str:
        """The example of a pension."""
        return self._words.amount(EXAMPLE_PENSION)

    @property
    def level(self) -> str:
        """How sure the provider is (`acr`), in words."""
        acr = str(self._proof.get("acr") or "")
        return self._words.of("acr", acr.removeprefix("urn:vpk:acr:")) or self._words("acr.unknown", value=acr or "–")

    @property
    def methods(self) -> list[str]:
        """What the person proved themselves with (`amr`), in words; that they were two kinds comes last."""
        methods = sorted(map(str, self._proof.get("amr", [])), key=lambda method: (method == "mfa", method))
        return [self._words.of("amr", method) or method for method in methods]

    @property
    def proven_at(self) -> str:
        """When (`auth_time`), in Swiss time."""
        return self._value("auth_time", self._proof.get("auth_time"))

    @property
    def person(self) -> Iterator[Line]:
        """Every claim of userinfo, the familiar ones first."""
        familiar = [name for name in FIRST if name in self._person]
        rest = sorted(self._person.keys() - set(familiar))
        return (self._line(name, self._person[name]) for name in (*familiar, *rest))

    @property
    def proof(self) -> Iterator[Line]:
        """Every claim of the ID token."""
        return (self._line(name, value) for name, value in self._proof.items())

    def _line(self, name: str, value: object) -> Line:
        known = self._words.of("claim", name)
        is_code = name in {"sub", "sid", "nonce", "at_hash", "iss", "aud", "acr", "amr", "azp"} or known is None
        return Line(name, known or name, self._value(name, value), is_code)

    def _value(self, name: str, value: object) -> str:
        if value is None:
            return "–"
        if isinstance(value, bool):
            return self._words("yes" if value else "no")
        if name in MOMENTS and isinstance(value, int | float):
            return self._moment(value)
        if name == "entitlement":
            return self._words.of("entitlement", str(value)) or str(value)
        if name == "locale" and isinstance(value, str):
            return LANGUAGES.get(value[:2], value)
        if name in DAYS and isinstance(value, str):
            return self._day(value)
        if isinstance(value, list):
            return ", ".join(map(str, value))
        return str(value)

    def _moment(self, seconds: float) -> str:
        try:
            return self._words.moment(seconds)
        except (OverflowError, ValueError, OSError):
            return str(seconds)  # no date anybody could name

    def _day(self, value: str) -> str:
        try:
            return self._words.date(date.fromisoformat(value))
        except ValueError:
            return value  # OIDC Core §5.1 allows a year alone, or 0000 for a hidden one
