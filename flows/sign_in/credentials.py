"""Connexion: e-mail or AHV number, and password (pages.md P2)."""

from collections.abc import Mapping
from typing import Any

from wtforms import Form

from idp import accounts
from idp import audit
from idp import known_devices
from idp import pages
from idp import passwords
from idp import spraying
from idp import throttle
from idp.accounts import WRONG_PASSWORDS
from idp.accounts import WRONG_PASSWORDS_OF_KNOWN_DEVICES
from idp.db import transaction
from idp.flow import Blocked
from idp.flow import Step
from idp.interaction import Interaction
from idp.models import Account

from ..fields import USERNAME
from ..fields import IdentifierField
from ..fields import SecretField
from ..tries import wrong_password
from ..user_name import find_account

FROM_ONE_ADDRESS = ("sign_in", 120, 600)


class CredentialsForm(Form):
    """The paper's two fields."""

    username = IdentifierField(
        "signin.username",
        description="signin.username_hint",
        empty="signin.err.user_empty",
        render_kw=USERNAME,
    )
    password = SecretField(
        "signin.password",
        empty="signin.err.pw_empty",
        render_kw={"autocomplete": "current-password", "autocapitalize": "none", "spellcheck": "false"},
    )


class Credentials(Step):
    """Proves the password; one answer for a wrong name, a wrong password and nobody."""

    name = "credentials"

    def is_due(self, interaction: Interaction) -> bool:
        return not any(proof.method == "pwd" for proof in interaction.proofs)

    def form(self, interaction: Interaction) -> type[Form]:
        return CredentialsForm

    def stored(self, interaction: Interaction) -> Mapping[str, Any]:
        hint = interaction.request.login_hint if interaction.request else None
        return {"username": hint or ""}

    def can_return(self, interaction: Interaction) -> bool:
        return False

    def submit(self, interaction: Interaction, form: Any) -> None:
        throttle.per_address(*FROM_ONE_ADDRESS)
        kind, name = form.username.meant
        account = find_account(kind, name)
        subject = f"account:{account.id}" if account else f"{kind}:{accounts.canonical(kind, name)}"
        is_known = known_devices.is_known(account)
        if not is_known:
            spraying.refuse_neighbours()
        limit = WRONG_PASSWORDS_OF_KNOWN_DEVICES if is_known else WRONG_PASSWORDS
        left = throttle.spend(limit, subject)
        account_id = account.id if account else None
        if not passwords.verify(account.password_hash if account else None, form.password.data) or not account:
            audit.record_alone("password", "refused", account_id=account_id, client_id=interaction.client_id)
            spraying.note_wrong_password()
            if left == 0:
                accounts.tell_locked(account, subject, pages.language(), limit.pause)
            raise wrong_password(left, limit.pause)
        throttle.clear(limit, subject)
        if not account.is_active:
            audit.record_alone("password", "refused", account_id=account_id, reason="disabled")
            raise Blocked
        interaction.language = account.language
        interaction.prove("pwd", account.id)
        _remember(account, form.password.data, interaction)


def _remember(account: Account, password: str, interaction: Interaction) -> None:
    """Note the proof; hash anew if the parameters or the pepper have changed (decision 27)."""
    new_hash = passwords.hash(password) if passwords.needs_rehash(account.password_hash) else None
    account_id = account.id
    with transaction() as session:
        if new_hash and (stored := session.get(Account, account_id)):
            stored.password_hash = new_hash
        audit.record("password", account_id=account_id, client_id=interaction.client_id)
