"""What a field accepts: all usual spellings of a number, a date, a code (pages.md 2.2).

A field keeps what was typed (`data`, shown back unchanged) and offers what was meant (`meant`, once the form is valid).
Labels and hints are text keys, errors are `Text`s.
"""

import re
import unicodedata
from typing import Any

import phonenumbers
from phonenumbers import NumberParseException
from phonenumbers import PhoneNumberType
from wtforms import BooleanField
from wtforms import Form
from wtforms import PasswordField
from wtforms import StringField
from wtforms import ValidationError

from idp.clock import now
from idp.email_address import EmailProblem
from idp.email_address import parse as parse_email
from idp.provider import provider
from idp.texts import Text
from pensioners import activation_code
from pensioners import ahv_number
from pensioners import birth_date

ANY_DASH_OR_BLANK = re.compile(r"[\s\u00ad\u200b-\u200d\u2060\ufeff\-\u2010-\u2015\u2212.]")
SIX_DIGITS = re.compile(r"(?<![0-9])([0-9]{3})[ \u00a0\u202f-]?([0-9]{3})(?![0-9])")
CODE_DIGITS = 6
ONE_TIME_CODE = {"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false"}
USERNAME = {"autocomplete": "username", "inputmode": "email", "autocapitalize": "none", "spellcheck": "false"}
NEW_PASSWORD = {"autocomplete": "new-password", "autocapitalize": "none", "spellcheck": "false"}
MOBILE = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})


def wrong(key: str, **params: Any) -> ValidationError:
    """The error of a field, in no language yet."""
    return ValidationError(Text(key, params))


class TolerantField(StringField):
    """A text field that keeps what was typed and understands what was meant."""

    meant: Any = None

    def pre_validate(self, form: Any) -> None:
        """Understand the text, or say what to do."""
        self.meant = self.understand(self.data or "")

    def understand(self, text: str) -> Any:
        """What was meant; raises `ValidationError` with a `Text`."""
        raise NotImplementedError


class IdentifierField(TolerantField):
    """E-mail address or AHV number: `meant` is `("email", address)` or `("ahv", digits)`."""

    def __init__(self, *args: Any, empty: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.empty = empty

    def understand(self, text: str) -> tuple[str, str]:
        plain = unicodedata.normalize("NFKC", text).strip(" \t\r\n\u00a0\u202f\u200b")
        if not plain:
            raise wrong(self.empty)
        if "@" in plain:
            try:
                return "email", parse_email(plain)
            except EmailProblem:
                raise wrong("signin.err.user_format") from None
        if any(character.isalpha() for character in plain):
            raise wrong("signin.err.user_format")
        return "ahv", understand_ahv(plain)


class AhvNumberField(TolerantField):
    """An AHV number; `meant` is `("ahv", digits)`."""

    def understand(self, text: str) -> tuple[str, str]:
        return "ahv", understand_ahv(text)


def understand_ahv(text: str) -> str:
    """The thirteen digits; the check digit costs no try and no look-up."""
    try:
        return ahv_number.parse(text)
    except ahv_number.AhvProblem as problem:
        params = {"n": problem.count} if problem.kind == "length" else {}
        raise wrong(f"ahv.err.{problem.kind}", **params) from None


class BirthDateField(TolerantField):
    """A date of birth; `meant` is a `date`."""

    def understand(self, text: str) -> Any:
        try:
            return birth_date.parse(text, now().date())
        except birth_date.BirthDateProblem as problem:
            raise wrong(f"dob.err.{problem.kind}") from None


class ActivationCodeField(TolerantField):
    """The code of the letter; `meant` is its canonical spelling."""

    def understand(self, text: str) -> str:
        try:
            return activation_code.parse(text)
        except activation_code.CodeProblem as problem:
            if problem.kind == "empty":
                raise wrong("act.err.empty") from None
            raise wrong("act.err.length", len=activation_code.LENGTH, n=problem.count) from None


class CodeField(TolerantField):
    """Six digits, alone, in groups, or within the pasted message; never shown back."""

    def __init__(self, label: str = "tf.code", **kwargs: Any) -> None:
        super().__init__(label, description="code.hint", render_kw=ONE_TIME_CODE, **kwargs)

    def understand(self, text: str) -> str:
        plain = unicodedata.normalize("NFKC", text)
        compact = ANY_DASH_OR_BLANK.sub("", plain)
        if not compact:
            raise wrong("code.err.empty")
        if compact.isascii() and compact.isdigit() and len(compact) == CODE_DIGITS:
            return compact
        runs = {first + second for first, second in SIX_DIGITS.findall(plain)}
        if len(runs) == 1:  # the last line of an SMS repeats the code (`@host #447683`)
            return runs.pop()
        raise wrong("code.err.digits", n=sum(character.isdigit() for character in compact))

    def _value(self) -> str:
        return ""


class EmailField(TolerantField):
    """An e-mail address in the spelling to send to."""

    def understand(self, text: str) -> str:
        try:
            return parse_email(text)
        except EmailProblem as problem:
            raise wrong(f"email.err.{problem.kind}") from None


class MobileNumberField(TolerantField):
    """A mobile number an SMS may go to; `meant` is E.164."""

    def understand(self, text: str) -> str:
        plain = unicodedata.normalize("NFKC", text).strip()
        if not any(character.isdigit() for character in plain):
            raise wrong("phone.err.empty" if not plain else "phone.err.format")
        number = self._parse(re.sub(r"\(0\)", "", plain))
        countries = phonenumbers.region_codes_for_country_code(number.country_code)
        if not set(countries) & set(provider.settings.sms_countries):
            raise wrong("phone.err.country")
        kind = phonenumbers.number_type(number)
        if kind not in {*MOBILE, PhoneNumberType.UNKNOWN}:
            raise wrong("phone.err.landline")
        if not phonenumbers.is_possible_number(number) or (kind not in MOBILE and "CH" in countries):
            raise wrong("phone.err.format")  # a young range abroad may be unknown here: its length decides
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

    def _parse(self, text: str) -> Any:
        digits = re.sub(r"[^0-9+]", "", text)
        if len(digits) == 9 and digits.startswith("7"):
            digits = f"0{digits}"
        try:
            return phonenumbers.parse(digits, "CH")
        except NumberParseException:
            raise wrong("phone.err.format") from None


class SecretField(PasswordField):
    """A password: never trimmed, never shown back; without a text in `empty` it may be left out."""

    def __init__(self, *args: Any, empty: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.empty = empty

    def pre_validate(self, form: Any) -> None:
        if not self.data and self.empty:
            raise wrong(self.empty)


class AcceptField(BooleanField):
    """A box that must be ticked."""

    def __init__(self, *args: Any, refused: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.refused = refused

    def pre_validate(self, form: Any) -> None:
        if not self.data:
            raise wrong(self.refused)


class CodeForm(Form):
    """One code that was sent, or that an app shows."""

    code = CodeField()
