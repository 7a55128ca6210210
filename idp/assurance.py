"""How sure we are who it is: proofs, and what they reach.

A proof is a method (RFC 8176 `amr`) and the moment it succeeded. `acr`, `amr` and `auth_time` are computed from proofs
and stored nowhere. Flows propose; the authorize endpoint asks here again before it answers a client.
"""

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

PASSWORD = "urn:vpk:acr:password"
TWO_FACTOR = "urn:vpk:acr:two-factor"
PHISHING_RESISTANT = "urn:vpk:acr:phishing-resistant"
ACR_VALUES = (PASSWORD, TWO_FACTOR, PHISHING_RESISTANT)
"""From weak to strong; a stronger one always reaches a weaker one."""

KNOWLEDGE = frozenset({"pwd"})
POSSESSION = frozenset({"sms", "otp", "hwk", "swk"})
BOUND_TO_ORIGIN = frozenset({"hwk", "swk"})


@dataclass(frozen=True)
class Proof:
    """One method that succeeded, and when (seconds since 1970)."""

    method: str
    at: int

    def to_json(self) -> list[object]:
        return [self.method, self.at]

    @classmethod
    def from_json(cls, value: Sequence[object]) -> Self:
        return cls(str(value[0]), int(str(value[1])))


def acr(proofs: Iterable[Proof]) -> str | None:
    """The strongest class these proofs reach, or None without any."""
    methods = {proof.method for proof in proofs}
    if methods & BOUND_TO_ORIGIN:
        return PHISHING_RESISTANT
    if methods & KNOWLEDGE and methods & POSSESSION:
        return TWO_FACTOR
    if methods & KNOWLEDGE:
        return PASSWORD
    return None


def amr(proofs: Iterable[Proof]) -> list[str]:
    """The methods used, with `mfa` when they are of two kinds (RFC 8176 §2)."""
    methods = {proof.method for proof in proofs}
    if methods & KNOWLEDGE and methods & POSSESSION:
        methods.add("mfa")
    return sorted(methods)


def auth_time(proofs: Iterable[Proof]) -> int | None:
    """When the person was last proven: the newest proof (OIDC Core §2)."""
    return max((proof.at for proof in proofs), default=None)


def reaches(proofs: Iterable[Proof], wanted: str) -> bool:
    """Whether the proofs are at least as strong as `wanted`; an unknown class is never reached."""
    reached = acr(proofs)
    if reached is None or wanted not in ACR_VALUES:
        return False
    return ACR_VALUES.index(reached) >= ACR_VALUES.index(wanted)


def strongest(*classes: str | None) -> str:
    """The strongest of several demands; password is the least there is."""
    known = [value for value in classes if value in ACR_VALUES]
    return max(known, key=ACR_VALUES.index, default=PASSWORD)
