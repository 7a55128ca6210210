"""Codes that were sent: the limits and answers of `idp/one_time_codes.py` in the words of the pages."""

from collections.abc import Callable

from idp import one_time_codes
from idp.flow import Refused
from idp.one_time_codes import CodeExpired
from idp.one_time_codes import CodeOld
from idp.one_time_codes import CodeSpent
from idp.one_time_codes import CodeWrong
from idp.one_time_codes import Purpose
from idp.one_time_codes import SendLimit
from idp.one_time_codes import Wait
from idp.texts import Text
from idp.throttle import TELL_FROM


def permit(purpose: Purpose, holder: str, target: str, *, person: str) -> None:
    """Whether another code may be sent now; raises `Refused` with when."""
    try:
        one_time_codes.may_send(purpose, holder, target, person=person)
    except Wait as wait:
        raise Refused("code.err.wait", seconds=wait.seconds) from None
    except SendLimit as limit:
        raise Refused("code.err.limit", time=limit.until) from None


def check(
    purpose: Purpose,
    holder: str,
    target: str,
    entered: str,
    *,
    person: str,
    renew: Callable[[], None],
    shown: str,
) -> None:
    """Accept the code once; raises `Refused` with what to do, or `Paused`.

    In place of an expired code `renew` sends a new one at once, to the address as `shown`.
    """
    try:
        one_time_codes.check(purpose, holder, target, entered, person=person)
    except CodeWrong as problem:
        more = (Text("code.err.left", {"n": problem.left}),) if problem.left <= TELL_FROM else ()
        raise Refused("code.err.wrong", *more, field="code") from None
    except CodeOld:
        raise Refused("code.err.old", field="code") from None
    except CodeExpired:
        renew()
        raise Refused("code.err.expired", field="code", target=shown) from None
    except CodeSpent:
        raise Refused("code.err.spent", field="code") from None
