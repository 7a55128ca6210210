"""SMS: a six-digit code sent to a mobile number (NIST SP 800-63B §5.1.3: a restricted authenticator)."""

from collections.abc import Mapping
from typing import Any
from typing import ClassVar

from wtforms import Form

from idp import one_time_codes
from idp import outbox
from idp.db import transaction
from idp.models import Authenticator
from idp.one_time_codes import ENROL_SMS
from idp.one_time_codes import SIGN_IN_SMS
from idp.one_time_codes import Purpose
from idp.provider import provider
from idp.texts import Text

from ..factor import Enrolled
from ..factor import Factor
from ..factor import Holder
from ..fields import CodeForm
from ..fields import MobileNumberField
from ..sent_codes import SentCodeField
from ..sent_codes import check
from ..sent_codes import permit


class NumberForm(Form):
    """Step 4b: the mobile number."""

    phone = MobileNumberField(
        "phone.label",
        description="phone.hint",
        render_kw={"type": "tel", "autocomplete": "tel", "inputmode": "tel"},
    )


class EnrolForm(Form):
    """Step 5a, in the paper's words."""

    code = SentCodeField("e5.sms.label", paper="e5.sms.err.paper")


class Sms(Factor):
    """A code by SMS."""

    kind = "sms"
    word = "sms"
    method = "sms"
    preparation: ClassVar[type[Form] | None] = NumberForm
    answer = CodeForm
    enrolment = EnrolForm
    resendable = True

    def prepare(self, draft: dict[str, Any], form: Any) -> None:
        draft["phone"], draft["typed"] = form.phone.meant, form.phone.data

    def stored(self, draft: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"phone": draft.get("typed", "")}

    def is_prepared(self, draft: Mapping[str, Any]) -> bool:
        return "phone" in draft

    def begin(self, draft: dict[str, Any], holder: Holder) -> None:
        """Send the code, unless the one sent before is still good: whoever only looked back has it already."""
        if not one_time_codes.is_open(ENROL_SMS, holder.interaction, draft["phone"]):
            self.resend(draft, holder)

    def resend(self, draft: Mapping[str, Any], holder: Holder) -> None:
        self._send(ENROL_SMS, draft["phone"], holder)

    def show_enrolment(self, draft: Mapping[str, Any], holder: Holder) -> dict[str, Any]:
        return {"phone": draft["typed"], "minutes": ENROL_SMS.minutes}

    def enrol(self, draft: Mapping[str, Any], form: Any, holder: Holder) -> Enrolled:
        renewed = Text("code.err.expired", {"target": draft["typed"]})
        self._check(ENROL_SMS, draft["phone"], form, holder, renewed)
        return Enrolled(self.kind, {"phone": draft["phone"]})

    def challenge(self, authenticator: Authenticator, holder: Holder) -> None:
        self._send(SIGN_IN_SMS, authenticator.data["phone"], holder)

    def verify(self, authenticator: Authenticator, form: Any, holder: Holder) -> None:
        phone = authenticator.data["phone"]
        self._check(SIGN_IN_SMS, phone, form, holder, Text("tf.sms.expired", {"phone_end": _end(phone)}))

    def show(self, authenticator: Authenticator) -> dict[str, Any]:
        return {"phone_end": _end(authenticator.data["phone"]), "minutes": SIGN_IN_SMS.minutes}

    def hints(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return {"phone_end": _end(data["phone"])}

    def _check(self, purpose: Purpose, phone: str, form: Any, holder: Holder, renewed: Text) -> None:
        check(
            purpose,
            holder.interaction,
            phone,
            form.code.meant,
            person=holder.person,
            renew=lambda: self._send(purpose, phone, holder),
            renewed=renewed,
        )

    def _send(self, purpose: Purpose, phone: str, holder: Holder) -> None:
        permit(purpose, holder.interaction, phone, person=holder.person)
        with transaction():
            code = one_time_codes.issue(purpose, holder.interaction, phone)
            outbox.sms(
                "code",
                phone,
                holder.language,
                lives=purpose.seconds,
                code=code,
                host=provider.settings.host,
            )


def _end(phone: str) -> str:
    return phone[-2:]
