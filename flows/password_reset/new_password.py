"""F4: the new password; all sessions and refresh tokens of the account end with it."""

from typing import Any

from wtforms import Form
from wtforms import ValidationError

from idp import accounts
from idp import audit
from idp import outbox
from idp import passwords
from idp import throttle
from idp.clock import now
from idp.db import transaction
from idp.flow import Step
from idp.interaction import Interaction
from idp.models import Account
from idp.texts import Text
from pensioners import activation

from ..fields import NEW_PASSWORD
from ..fields import SecretField
from ..passwords import judge
from ..passwords import repeated
from ..passwords import rules
from . import progress


class NewPasswordForm(Form):
    """The new password, twice."""

    password = SecretField("fp.new.pw", empty="pw.err.empty", render_kw=NEW_PASSWORD)
    password2 = SecretField("fp.new.pw2", empty="pw.err.repeat_empty", render_kw=NEW_PASSWORD)

    account_id: str

    def validate_password(self, field: Any) -> None:
        """The rule, with the person's own words, and not the password of today."""
        account = accounts.by_id(self.account_id)
        if account is None or not field.data:
            return
        judge(field.data, email=account.email, words=activation.words_of(account.id))
        if passwords.verify(account.password_hash, field.data):
            raise ValidationError(Text("pw.err.same"))

    def validate_password2(self, field: Any) -> None:
        """The two must be the same."""
        repeated(self.password, field)


class NewPassword(Step):
    """Sets the password; the person then signs in with it, which proves that it was kept."""

    name = "new"

    def is_due(self, interaction: Interaction) -> bool:
        return True

    def form(self, interaction: Interaction) -> type[Form]:
        account = progress.proven_account(interaction)
        return type("BoundForm", (NewPasswordForm,), {"account_id": account.id if account else ""})

    def show(self, interaction: Interaction) -> dict[str, Any]:
        return {"rules": rules()}

    def submit(self, interaction: Interaction, form: Any) -> None:
        account = progress.proven_account(interaction)
        if account is None or "second_factor" not in progress.of(interaction):
            raise LookupError("A new password is set for nobody.")
        account_id = account.id
        _set(account_id, passwords.hash(form.password.data))
        for limit in (accounts.WRONG_PASSWORDS, accounts.WRONG_PASSWORDS_OF_KNOWN_DEVICES):
            throttle.clear(limit, f"account:{account_id}")  # the pause page led here
        interaction.answers.pop(progress.NAME)
        interaction.goal = "sign_in"
        interaction.notify("ok", Text("fp.done.h1"))
        interaction.notify("ok", Text("fp.done.p"))

    def can_return(self, interaction: Interaction) -> bool:
        return False


def _set(account_id: str, password_hash: str) -> None:
    with transaction() as session:
        account = session.get_one(Account, account_id)
        account.password_hash = password_hash
        account.password_changed_at = now()
        accounts.end_everything(account)
        audit.record("password_changed", account_id=account_id)
        outbox.mail("pw_changed", account.email, account.language, lives=7 * 86400, when=True)
