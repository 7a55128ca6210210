"""A plan of the suite, as we run it."""

from dataclasses import dataclass
from dataclasses import field
from typing import Any


@dataclass(frozen=True)
class Plan:
    """One plan with one choice of variants."""

    name: str
    """Ours, for the command line and the file of results."""
    plan: str
    """The suite's."""
    variant: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    clients: tuple[dict[str, Any], ...] = ()
    """What an operator registers before."""
    secrets: dict[str, str] = field(default_factory=dict)
    """Their secrets, by the variable of the environment that an operator's file names."""
    chromium: bool = False
    """Whether its pages need a browser that keeps to the rules of today's browsers."""
    confirms: bool = False
    """Whether the person answers mails in a browser of their own (CIBA)."""
