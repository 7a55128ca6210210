"""Two factors: after the password, the person's own second factor."""

from authlib.oidc.core.errors import LoginRequiredError

from idp import assurance
from idp.demands import demanded
from idp.flow import Flow
from idp.interaction import Interaction
from idp.models import Account

from ..second_factor import Methods
from ..second_factor import Verify


def flow() -> Flow:
    """Asked until the proofs reach what is demanded."""
    verify = Verify(account=_account, proven=_proven, is_done=_is_done)
    steps = (Methods(_account), verify)
    return Flow("two_factor", steps, is_due=_is_due, error=LoginRequiredError, cancel="client")


def _is_due(interaction: Interaction) -> bool:
    return interaction.account_id is not None and not _is_done(interaction)


def _is_done(interaction: Interaction) -> bool:
    wanted = demanded(interaction.request, interaction.client)
    if assurance.ACR_VALUES.index(wanted) <= assurance.ACR_VALUES.index(assurance.PASSWORD):
        return True
    return any(proof.method in assurance.POSSESSION for proof in interaction.proofs)


def _account(interaction: Interaction) -> Account | None:
    return interaction.account


def _proven(interaction: Interaction, method: str) -> None:
    if interaction.account_id is not None:
        interaction.prove(method, interaction.account_id)
