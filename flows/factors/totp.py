"""TOTP: an authenticator app (RFC 6238: 160-bit secret, SHA-1, 30-second steps, six digits)."""

from collections.abc import Mapping
from typing import Any

import pyotp
import segno
from sqlalchemy import or_
from sqlalchemy import update
from wtforms import Form

from idp import throttle
from idp.clock import epoch
from idp.clock import now
from idp.db import transaction
from idp.models import Authenticator
from idp.provider import provider
from idp.throttle import Limit

from ..factor import Enrolled
from ..factor import Factor
from ..factor import Holder
from ..fields import CodeField
from ..fields import CodeForm
from ..tries import wrong_code

STEP_SECONDS = 30
AT_SET_UP = 2
AT_SIGN_IN = 1
"""Steps a phone's clock may be off each way (decision 23)."""
WRONG_CODES = Limit("totp", tries=10, window=3600, pause=900)


class EnrolForm(Form):
    """Step 5b, in the paper's words."""

    code = CodeField("e5.app.label")


class Totp(Factor):
    """A code of an authenticator app."""

    kind = "totp"
    word = "app"
    method = "otp"
    answer = CodeForm
    enrolment = EnrolForm

    def begin(self, draft: dict[str, Any], holder: Holder) -> None:
        """Draw the secret; it stays the same after a wrong code or a reload (pages.md E5b)."""
        draft.setdefault("secret", pyotp.random_base32(32))

    def show_enrolment(self, draft: Mapping[str, Any], holder: Holder) -> dict[str, Any]:
        secret = draft["secret"]
        uri = pyotp.TOTP(secret, name=holder.account_name, issuer=provider.settings.portal).provisioning_uri()
        return {"uri": uri, "qr": segno.make(uri, error="m"), "key": _groups(secret)}

    def enrol(self, draft: Mapping[str, Any], form: Any, holder: Holder) -> Enrolled:
        left = throttle.spend(WRONG_CODES, holder.person)
        step = _step_of(draft["secret"], form.code.meant, AT_SET_UP)
        if step is None:
            raise wrong_code("e5.app.wrong", left, WRONG_CODES.pause)
        throttle.clear(WRONG_CODES, holder.person)
        return Enrolled(self.kind, {"secret": draft["secret"]}, last_step=step)

    def verify(self, authenticator: Authenticator, form: Any, holder: Holder) -> None:
        left = throttle.spend(WRONG_CODES, holder.person)
        step = _step_of(authenticator.data["secret"], form.code.meant, AT_SIGN_IN)
        if step is None or not _accept_once(authenticator.id, step):
            raise wrong_code("e5.app.wrong", left, WRONG_CODES.pause)
        throttle.clear(WRONG_CODES, holder.person)


def _step_of(secret: str, code: str, tolerance: int) -> int | None:
    """The time step whose code this is, within the tolerance; all of them are compared, whichever fits."""
    generator = pyotp.TOTP(secret)
    current = epoch() // STEP_SECONDS
    fitting = [
        step
        for step in range(current - tolerance, current + tolerance + 1)
        if pyotp.utils.strings_equal(generator.at(step * STEP_SECONDS), code)
    ]
    return max(fitting, default=None)


def _accept_once(authenticator_id: str, step: int) -> bool:
    """Move the last accepted step forward by compare-and-set: no code counts twice, nor an older one after it."""
    with transaction() as session:
        moved = session.execute(
            update(Authenticator)
            .where(Authenticator.id == authenticator_id)
            .where(or_(Authenticator.last_step.is_(None), Authenticator.last_step < step))
            .values(last_step=step, last_used_at=now())
            .execution_options(synchronize_session=False)
        )
        return bool(moved.rowcount == 1)  # type: ignore[attr-defined]


def _groups(secret: str) -> str:
    return " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))
