"""Sign-in: user name and password; the second factor is a flow of its own."""

from authlib.oidc.core.errors import LoginRequiredError

from idp.flow import Flow
from idp.interaction import Interaction

from .credentials import Credentials

NAME = "sign_in"


def flow() -> Flow:
    """One page; due until the password is proven."""
    return Flow(NAME, (Credentials(),), is_due=_is_due, error=LoginRequiredError, entrance="/signin", cancel="client")


def _is_due(interaction: Interaction) -> bool:
    return interaction.goal == NAME and not any(proof.method == "pwd" for proof in interaction.proofs)
