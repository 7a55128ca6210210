"""The forms of step 2: e-mail address and password, the same again to change them, the password alone."""

from collections.abc import Mapping
from typing import Any

from wtforms import Form
from wtforms import HiddenField
from wtforms import ValidationError

from idp import email_address
from idp.texts import Text
from pensioners import activation

from ..fields import NEW_PASSWORD
from ..fields import EmailField
from ..fields import SecretField
from ..passwords import judge
from ..passwords import repeated

EMAIL = {
    "type": "email",
    "autocomplete": "email",
    "inputmode": "email",
    "autocapitalize": "none",
    "spellcheck": "false",
}


class PasswordForm(Form):
    """Password, password again, beside an address that was given before."""

    password = SecretField("e2.pw", empty="pw.err.empty", render_kw=NEW_PASSWORD)
    password2 = SecretField("e2.pw2", empty="pw.err.repeat_empty", render_kw=NEW_PASSWORD)

    pensioner_id: str
    given_email: str
    """The address given before, empty if none was."""

    @classmethod
    def bound(cls, facts: Mapping[str, Any]) -> type[Form]:
        """The form for this person."""
        own = {"pensioner_id": facts["pensioner_id"], "given_email": facts.get("email", "")}
        return type("BoundForm", (cls,), own)

    @property
    def address(self) -> str:
        """The address beside which the password must stand."""
        return self.given_email

    def validate_password(self, field: Any) -> None:
        """The rule, with the person's own words."""
        if field.data:
            judge(field.data, email=self.address, words=activation.words_of_pensioner(self.pensioner_id))

    def validate_password2(self, field: Any) -> None:
        """The two must be the same."""
        repeated(self.password, field)


class UserDataForm(PasswordForm):
    """E-mail, password, password again."""

    email = EmailField("e2.email", description="e2.email_hint", render_kw=EMAIL)
    password = SecretField("e2.pw", empty="pw.err.empty", render_kw=NEW_PASSWORD)
    password2 = SecretField("e2.pw2", empty="pw.err.repeat_empty", render_kw=NEW_PASSWORD)
    suggested = HiddenField()
    """The suggestion shown with the last answer: asked once, then the address is accepted as it is."""

    @property
    def address(self) -> str:
        """The address of this very form."""
        return self.email.meant or ""

    def validate_email(self, field: Any) -> None:
        """Ask once about a likely slip; the same answer again is taken as it is."""
        suggestion = email_address.typo_suggestion(field.meant) if field.meant else None
        if suggestion and self.suggested.data != suggestion:
            self.suggested.data = suggestion
            raise ValidationError(Text("email.warn.typo", {"suggestion": suggestion}))


class ChangeForm(UserDataForm):
    """The same later: a password that is set may stay beside the address it was judged with."""

    password = SecretField("e2.pw", description="e2.pw_kept", empty="", render_kw=NEW_PASSWORD)
    password2 = SecretField("e2.pw2", empty="", render_kw=NEW_PASSWORD)

    def validate(self, extra_validators: Any = None) -> bool:
        """Both empty keep the password; one of them asks for the other."""
        kept = not self.password.data and not self.password2.data
        self.password.empty = "" if kept else "pw.err.empty"
        self.password2.empty = "" if kept else "pw.err.repeat_empty"
        return bool(super().validate(extra_validators))

    def validate_password(self, field: Any) -> None:
        """Only its hash is kept, which cannot be held against another address: it is asked for again."""
        if not field.data and not self.password.empty and self._has_another_address():
            raise ValidationError(Text("e2.err.pw_again"))
        super().validate_password(field)

    def _has_another_address(self) -> bool:
        canonical = email_address.canonical
        return bool(self.address) and canonical(self.address) != canonical(self.given_email)
