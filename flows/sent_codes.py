"""Codes that were sent: their field, and the limits and answers of `one_time_codes.py` in the words of the pages."""

import re
from collections.abc import Callable
from typing import Any

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
from pensioners import activation_code

from .fields import CodeField
from .fields import wrong
from .tries import wrong_code

SIX_ALONE = re.compile(r"\b\d{3}[ \u00a0\u202f-]?\d{3}\b")


class SentCodeField(CodeField):
    """A code that was sent, in a place where people type the letter's: «code d'activation» means both on the paper."""

    def __init__(self, label: str, *, paper: str, **kwargs: Any) -> None:
        super().__init__(label, **kwargs)
        self.paper = paper

    def understand(self, text: str) -> str:
        """As everywhere; the letter's code costs no try, and is answered with which code is meant (`paper`)."""
        if _is_of_letter(text):
            raise wrong(self.paper)
        return super().understand(text)


def _is_of_letter(text: str) -> bool:
    """Twelve characters with a letter among them, in none of whose groups the six digits stand alone."""
    try:
        code = activation_code.parse(text)
    except activation_code.CodeProblem:
        return False
    return not code.isdigit() and not SIX_ALONE.search(text)


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
    renewed: Text,
) -> None:
    """Accept the code once; raises `Refused` with what to do, or `Paused`.

    In place of an expired code `renew` sends a new one at once, and `renewed` says so.
    """
    try:
        one_time_codes.check(purpose, holder, target, entered, person=person)
    except CodeWrong as problem:
        raise wrong_code("code.err.wrong", problem.left, one_time_codes.PAUSE_SECONDS) from None
    except CodeOld:
        raise Refused("code.err.old", field="code") from None
    except CodeExpired:
        renew()
        raise Refused(renewed.key, field="code", **renewed.params) from None
    except CodeSpent:
        raise Refused("code.err.spent", field="code") from None
