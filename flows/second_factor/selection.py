"""Which authenticator of an account is asked now."""

from idp.interaction import Interaction
from idp.models import Account
from idp.models import Authenticator

from ..factors import of_kind

KEY = "authenticator"


def usable(account: Account | None) -> list[Authenticator]:
    """The account's authenticators that a module here can read."""
    if account is None:
        return []
    return [authenticator for authenticator in account.authenticators if of_kind(authenticator.kind)]


def asked(interaction: Interaction, account: Account | None) -> Authenticator | None:
    """The one chosen in this interaction, else the one used last, else the first."""
    candidates = usable(account)
    wanted = interaction.answers.get(KEY)
    chosen = next((authenticator for authenticator in candidates if authenticator.id == wanted), None)
    if chosen:
        return chosen
    used = [authenticator for authenticator in candidates if authenticator.last_used_at]
    return max(used, key=lambda one: one.last_used_at or one.created_at, default=next(iter(candidates), None))


def choose(interaction: Interaction, authenticator_id: str) -> None:
    """Ask this one from now on."""
    interaction.answers[KEY] = authenticator_id
