"""Two-factor enrolment on its own: for an account whose second factor is gone, right after the password."""

from authlib.oidc.core.errors import LoginRequiredError

from idp import assurance
from idp import audit
from idp import outbox
from idp.clock import now
from idp.db import transaction
from idp.demands import demanded
from idp.flow import Flow
from idp.interaction import Interaction
from idp.models import Account
from idp.models import Authenticator

from ..factor import Holder
from ..factors import Enrolled
from ..factors import Factor
from ..factors import of_kind
from ..language import spoken
from ..second_factor import Choose
from ..second_factor import Confirm
from ..second_factor import Prepare
from ..second_factor import selection
from .unknown_factor import UnknownFactor


def flow(factors: tuple[Factor, ...]) -> Flow:
    """Choose, prepare, confirm; the proof of the confirmation counts for this sign-in.

    Before that: nobody whose account has a factor enrols another one here, not even where no module reads it.
    """
    confirm = Confirm(holder=_holder, enrolled=_add, is_done=_is_done)
    steps = (UnknownFactor(), Choose(factors), Prepare(), confirm)
    return Flow("two_factor_enrolment", steps, is_due=_is_due, error=LoginRequiredError, cancel="client")


def _is_due(interaction: Interaction) -> bool:
    return (
        interaction.account_id is not None
        and demanded(interaction.request, interaction.client) != assurance.PASSWORD
        and not any(proof.method in assurance.POSSESSION for proof in interaction.proofs)
        and not _is_done(interaction)
    )


def _is_done(interaction: Interaction) -> bool:
    return bool(selection.usable(interaction.account))


def _holder(interaction: Interaction) -> Holder:
    account = interaction.account
    if account is None:
        raise LookupError("A second factor is enrolled for nobody.")
    return Holder(interaction.id, f"account:{account.id}", spoken(interaction), account_name=account.email)


def _add(interaction: Interaction, enrolled: Enrolled) -> None:
    factor = of_kind(enrolled.kind)
    if factor is None or interaction.account_id is None:
        return
    with transaction() as session:
        account = session.get_one(Account, interaction.account_id)
        added = Authenticator(account_id=account.id, kind=enrolled.kind, last_step=enrolled.last_step)
        added.data = dict(enrolled.data)
        session.add(added)
        account.factors_changed_at = now()
        audit.record("factor_added", account_id=account.id, kind=enrolled.kind)
        method = factor.name_in_mail(enrolled.data)
        outbox.mail("factor_added", account.email, account.language, lives=86400, when=True, method=method)
    interaction.prove(factor.method, interaction.account_id)
