"""The second factors: one module each, in the order they are offered.

A new factor is one module here (the shape is `flows/factor.py`), two templates below `templates/factors/<kind>/`, its
word in `FACTORS`, and its texts (`e4.<word>` …) in the catalogues.
"""

from collections.abc import Sequence

from ..factor import Enrolled
from ..factor import Factor
from .sms import Sms
from .totp import Totp

FACTORS: tuple[Factor, ...] = (Sms(), Totp())

__all__ = ["FACTORS", "Enrolled", "Factor", "of_kind", "offered"]


def of_kind(kind: str) -> Factor | None:
    """The factor that reads authenticators of this kind."""
    return next((factor for factor in FACTORS if factor.kind == kind), None)


def offered(kinds: Sequence[str]) -> tuple[Factor, ...]:
    """The factors an operator offers (`IDP_FACTORS`), in the operator's order."""
    chosen = [of_kind(kind) for kind in kinds]
    if None in chosen:
        known = ", ".join(factor.kind for factor in FACTORS)
        raise SystemExit(f"The provider cannot start.\n  IDP_FACTORS: name some of {known}.")
    return tuple(factor for factor in chosen if factor is not None)
