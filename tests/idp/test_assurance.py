"""Proofs and what they reach: `acr`, `amr` and `auth_time` are computed, and an unknown class is never reached."""

import pytest

from idp import assurance
from idp.assurance import PASSWORD
from idp.assurance import PHISHING_RESISTANT
from idp.assurance import TWO_FACTOR
from idp.assurance import Proof


def proofs(*methods: str) -> list[Proof]:
    return [Proof(method, 1000 + number) for number, method in enumerate(methods)]


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ((), None),
        (("sms",), None),
        (("sms", "otp"), None),  # two of a kind are not two factors
        (("pwd",), PASSWORD),
        (("pwd", "email"), PASSWORD),  # a mailbox is no second factor (decision 25)
        (("pwd", "sms"), TWO_FACTOR),
        (("otp", "pwd"), TWO_FACTOR),
        (("hwk",), PHISHING_RESISTANT),
    ],
)
def test_the_class_that_methods_reach(methods: tuple[str, ...], expected: str | None) -> None:
    assert assurance.acr(proofs(*methods)) == expected


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (("pwd",), ["pwd"]),
        (("sms", "pwd"), ["mfa", "pwd", "sms"]),
        (("sms", "otp"), ["otp", "sms"]),
        ((), []),
    ],
)
def test_amr_says_mfa_for_two_kinds_only(methods: tuple[str, ...], expected: list[str]) -> None:
    """RFC 8176 §2."""
    assert assurance.amr(proofs(*methods)) == expected


def test_auth_time_is_that_of_the_newest_proof() -> None:
    assert assurance.auth_time([Proof("pwd", 5), Proof("sms", 9), Proof("otp", 7)]) == 9
    assert assurance.auth_time([]) is None


@pytest.mark.parametrize("reached", range(3))
@pytest.mark.parametrize("wanted", range(3))
def test_a_stronger_class_reaches_a_weaker_one(reached: int, wanted: int) -> None:
    methods = [("pwd",), ("pwd", "sms"), ("hwk",)][reached]

    assert assurance.reaches(proofs(*methods), assurance.ACR_VALUES[wanted]) == (reached >= wanted)


def test_an_unknown_class_is_never_reached() -> None:
    assert not assurance.reaches(proofs("pwd", "hwk"), "urn:vpk:acr:anything")
    assert not assurance.reaches([], PASSWORD)


def test_the_strongest_of_several_demands_counts() -> None:
    assert assurance.strongest(None, PASSWORD, TWO_FACTOR, "unknown") == TWO_FACTOR
    assert assurance.strongest(None, "unknown") == PASSWORD


def test_a_proof_survives_the_store() -> None:
    proof = Proof("sms", 12)

    assert Proof.from_json(proof.to_json()) == proof
