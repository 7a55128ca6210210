"""Forgotten password: a code by e-mail **and** the existing second factor, then a new password (pages.md F1–F5)."""

from authlib.oidc.core.errors import LoginRequiredError

from idp.flow import Flow
from idp.interaction import Interaction

from ..second_factor import Methods
from ..second_factor import Verify
from . import progress
from .email_code import EmailCode
from .new_password import NewPassword
from .username import Username


def flow() -> Flow:
    """Who, e-mail code, second factor, new password; afterwards the person signs in with it."""
    verify = Verify(account=progress.proven_account, proven=_proven, is_done=_is_proven)
    steps = (Username(), EmailCode(), Methods(progress.proven_account), verify, NewPassword())
    return Flow(
        progress.NAME,
        steps,
        is_due=_is_due,
        error=LoginRequiredError,
        entrance="/password/forgot",
        starts_anew=True,
        cancel="client",
    )


def _is_due(interaction: Interaction) -> bool:
    return interaction.goal == progress.NAME and not interaction.proofs


def _proven(interaction: Interaction, method: str) -> None:
    progress.of(interaction)["second_factor"] = method


def _is_proven(interaction: Interaction) -> bool:
    return "second_factor" in progress.of(interaction)
