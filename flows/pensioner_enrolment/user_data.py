"""Step 2: e-mail address and password (pages.md E2)."""

from collections.abc import Mapping
from typing import Any

from wtforms import Form
from wtforms import HiddenField
from wtforms import ValidationError

from idp import email_address
from idp import passwords
from idp.flow import Step
from idp.interaction import Interaction
from idp.texts import Text
from pensioners import activation

from ..fields import NEW_PASSWORD
from ..fields import EmailField
from ..fields import SecretField
from ..passwords import judge
from ..passwords import repeated
from ..passwords import rules
from . import progress


class UserDataForm(Form):
    """E-mail, password, password again."""

    email = EmailField(
        "e2.email",
        description="e2.email_hint",
        render_kw={
            "type": "email",
            "autocomplete": "email",
            "inputmode": "email",
            "autocapitalize": "none",
            "spellcheck": "false",
        },
    )
    password = SecretField("e2.pw", empty="pw.err.empty", render_kw=NEW_PASSWORD)
    password2 = SecretField("e2.pw2", empty="pw.err.repeat_empty", render_kw=NEW_PASSWORD)
    suggested = HiddenField()
    """The suggestion shown with the last answer: asked once, then the address is accepted as it is."""

    pensioner_id: str

    def validate_email(self, field: Any) -> None:
        """Ask once about a likely slip; the same answer again is taken as it is."""
        suggestion = email_address.typo_suggestion(field.meant) if field.meant else None
        if suggestion and self.suggested.data != suggestion:
            self.suggested.data = suggestion
            raise ValidationError(Text("email.warn.typo", {"suggestion": suggestion}))

    def validate_password(self, field: Any) -> None:
        """The rule, with the person's own words."""
        if field.data:
            words = activation.words_of_pensioner(self.pensioner_id)
            judge(field.data, email=self.email.meant or "", words=words)

    def validate_password2(self, field: Any) -> None:
        """The two must be the same."""
        repeated(self.password, field)


class ChangeForm(UserDataForm):
    """The same page later: a password that is set may stay, its fields empty."""

    password = SecretField("e2.pw", description="e2.pw_kept", empty="", render_kw=NEW_PASSWORD)
    password2 = SecretField("e2.pw2", empty="", render_kw=NEW_PASSWORD)

    def validate(self, extra_validators: Any = None) -> bool:
        """Both empty keep the password; one of them asks for the other."""
        kept = not self.password.data and not self.password2.data
        self.password.empty = "" if kept else "pw.err.empty"
        self.password2.empty = "" if kept else "pw.err.repeat_empty"
        return bool(super().validate(extra_validators))


class UserData(Step):
    """Takes the e-mail address (proven in step 3) and the password (kept as a hash at once)."""

    name = "user-data"
    number = 2

    def is_due(self, interaction: Interaction) -> bool:
        return "email" not in progress.of(interaction)

    def form(self, interaction: Interaction) -> type[Form]:
        facts = progress.of(interaction)
        kind = ChangeForm if "password_hash" in facts else UserDataForm
        return type("BoundForm", (kind,), {"pensioner_id": facts["pensioner_id"]})

    def stored(self, interaction: Interaction) -> Mapping[str, Any]:
        facts = progress.of(interaction)
        return {"email": facts.get("typed_email") or facts.get("suggested_email") or ""}

    def show(self, interaction: Interaction) -> dict[str, Any]:
        return {"rules": rules()}

    def submit(self, interaction: Interaction, form: Any) -> None:
        facts = progress.of(interaction)
        if form.password.data:
            facts["password_hash"] = passwords.hash(form.password.data)
        facts["email"], facts["typed_email"] = form.email.meant, form.email.data
        progress.keep_draft(interaction)
