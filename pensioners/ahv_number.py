"""The AHV number (numéro AVS): read as people write it, shown as it is printed, hidden where it need not be read."""

from typing import Literal

from stdnum.ch import ssn
from stdnum.exceptions import InvalidComponent
from stdnum.exceptions import ValidationError

from .spelling import compact

LENGTH = 13

Kind = Literal["empty", "length", "prefix", "check"]


class AhvProblem(ValueError):
    """What is wrong with a number, as the keys `ahv.err.*` name it, and how many digits were counted."""

    def __init__(self, kind: Kind, count: int = 0) -> None:
        super().__init__(f"not an AHV number: {kind}")
        self.kind: Kind = kind
        self.count = count


def parse(text: str) -> str:
    """Read thirteen digits out of any usual spelling, or say the first thing that is wrong (pages.md 2.2.1)."""
    number = compact(text)
    if not number:
        raise AhvProblem("empty")
    digits = sum(char in "0123456789" for char in number)
    if digits != len(number) or digits != LENGTH:
        raise AhvProblem("length", digits if digits != LENGTH else len(number))
    try:
        return str(ssn.validate(number))
    except InvalidComponent:
        raise AhvProblem("prefix", digits) from None
    except ValidationError:
        raise AhvProblem("check", digits) from None


def show(digits: str) -> str:
    """The number as it is printed: 756.1234.5678.97."""
    return f"{digits[:3]}.{digits[3:7]}.{digits[7:11]}.{digits[11:]}"


def mask(digits: str) -> str:
    """The number with only its ends readable: 756.••••.••••.97."""
    return f"{digits[:3]}.••••.••••.{digits[11:]}"
