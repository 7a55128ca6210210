"""Pensioner enrolment: the five steps of the paper instruction, and the success page.

1 Identification → 2 Données d'utilisateur → 3 Confirmer l'e-mail → 4 Sélection à deux facteurs → 5 Confirmez les deux
facteurs. The account comes into being with step 5, in one transaction that uses up the activation code.
"""

from authlib.oidc.core.errors import LoginRequiredError

from idp.flow import Flow
from idp.interaction import Interaction

from ..factors import Factor
from ..second_factor import Choose
from ..second_factor import Confirm
from ..second_factor import Prepare
from . import activation
from . import progress
from .account_exists import AccountExists
from .confirm_email import ConfirmEmail
from .done import Done
from .identification import Identification
from .kept_address import KeptAddress
from .user_data import UserData

NUMBERED = ("enrol.s1", "enrol.s2", "enrol.s3", "enrol.s4", "enrol.s5")


def flow(factors: tuple[Factor, ...]) -> Flow:
    """The five steps, and what surrounds them."""
    confirm = Confirm(holder=activation.holder, enrolled=activation.activate, is_done=progress.is_activated)
    steps = (
        Identification(),
        AccountExists(),
        UserData(),
        KeptAddress(),
        ConfirmEmail(),
        Choose(factors),
        Prepare(),
        confirm,
        Done(),
    )
    return Flow(
        progress.NAME,
        steps,
        is_due=_is_due,
        error=LoginRequiredError,
        entrance="/enrol",
        carries=("act",),
        starts_anew=True,
        numbered=NUMBERED,
        cancel="confirm",
    )


def _is_due(interaction: Interaction) -> bool:
    return interaction.goal == progress.NAME and not progress.of(interaction).get("finished")
