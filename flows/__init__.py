"""The fund's own conversations, in the order the provider asks for them.

A flow never imports another flow, a step never another step; what several share lies below them: `fields.py` (what a
field accepts), `second_factor/` (the pages of second factors), `factor.py` and `factors/` (one module a factor).
"""

from idp.flow import Flow
from idp.settings import Settings

from . import audience
from . import consent
from . import device
from . import password_reset
from . import pensioner_enrolment
from . import sign_in
from . import two_factor
from . import two_factor_enrolment
from .factors import offered


def flows(settings: Settings) -> tuple[Flow, ...]:
    """Every flow, the first one that is due comes first."""
    factors = offered(settings.factors)
    return (
        device.flow(),
        audience.flow(),
        pensioner_enrolment.flow(factors),
        password_reset.flow(),
        sign_in.flow(),
        two_factor_enrolment.flow(factors),
        two_factor.flow(),
        consent.flow(),
    )
