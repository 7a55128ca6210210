"""Device: a code from another device or from the telephone brings its request here (RFC 8628 §3.3, CIBA)."""

from authlib.oidc.core.errors import InteractionRequiredError

from idp.flow import Flow
from idp.interaction import Interaction

from .user_code import CARRIED
from .user_code import UserCode

NAME = "device"


def flow() -> Flow:
    """One page; what follows is an ordinary sign-in, with consent."""
    return Flow(
        NAME,
        (UserCode(),),
        is_due=_is_due,
        error=InteractionRequiredError,
        entrance="/device",
        carries=(CARRIED,),
        cancel="client",
    )


def _is_due(interaction: Interaction) -> bool:
    return interaction.goal == NAME
