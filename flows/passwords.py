"""New passwords: the rule, its words on the page, and what is wrong with one."""

from collections.abc import Sequence
from typing import Any

from wtforms import ValidationError

from idp import passwords
from idp.provider import provider
from idp.texts import Text

GROUPS = ("digit", "lower", "upper", "special")


def rules() -> list[tuple[str, Text]]:
    """The rule as a list for the page, which ticks itself where scripts run: `(test, text)`."""
    if provider.settings.password_rule == "length":
        return [("len12", Text("pw.rule.len12"))]
    return [("len", Text("pw.rule.len")), *((group, Text(f"pw.rule.{group}")) for group in GROUPS)]


def judge(password: str, *, email: str, words: Sequence[str]) -> None:
    """Raise what is wrong with it, most important first."""
    rule = provider.settings.password_rule
    problems = passwords.problems(password, rule=rule, words=[email, email.partition("@")[0], *words])
    if problems:
        raise ValidationError(problems[0])


def repeated(first: Any, second: Any) -> None:
    """Raise unless the repetition is the same; an empty first field has an error of its own."""
    if first.data and second.data and first.data != second.data:
        raise ValidationError(Text("pw.err.repeat_diff"))
