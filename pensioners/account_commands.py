"""`idp accounts …`: what the telephone service does for a person who calls."""

from collections.abc import Iterator
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table

from . import ahv_number
from . import help_desk
from .commands import NEW_CODE
from .help_desk import View
from .models import Pensioner
from .swiss_time import SWISS_TIME

WHO = click.argument("who", required=False)
OPERATOR = click.option("--operator", required=True, help="Who does this: a name for the journal.")
REASON = click.option("--reason", required=True, help="Why, in a few words without personal data.")


@click.group()
def accounts() -> None:
    """Help for a person who calls; WHO is an AHV number, e-mail address or person number, asked for if left out."""


@accounts.command()
@WHO
@OPERATOR
def show(who: str | None, operator: str) -> None:
    """Show what is known of a person's access; the journal notes who looked."""
    view = help_desk.look(_find(who), operator=operator)
    table = Table(show_header=False)
    for name, value in _lines(view):
        table.add_row(name, value)
    Console().print(table)


@accounts.command()
@WHO
@OPERATOR
@REASON
def unlock(who: str | None, operator: str, reason: str) -> None:
    """End the pauses after wrong passwords, codes or identifications."""
    lifted = help_desk.unlock(_find(who), operator=operator, reason=reason)
    click.echo("The person may try again." if lifted else "Nothing was counted against this person.")


@accounts.command("reset-factors")
@WHO
@OPERATOR
@REASON
@click.confirmation_option(prompt="Are you sure whom you speak with? The person must enrol again with a new letter")
def reset_factors(who: str | None, operator: str, reason: str) -> None:
    """Take lost second factors away; with a new letter the person goes on with the same account."""
    try:
        help_desk.reset_factors(_find(who), operator=operator, reason=reason)
    except help_desk.NoAccount:
        raise click.ClickException("this person has no account that could be used") from None
    click.echo(f"The factors are gone, the address is told. {NEW_CODE}")


def _find(who: str | None) -> Pensioner:
    """Asked for rather than typed into the command, an AHV number stands in no history of the shell."""
    try:
        return help_desk.find(who if who is not None else click.prompt("AHV number, e-mail or person number"))
    except help_desk.NotFound:
        raise click.ClickException("nobody of the register, or more than one person, has this name") from None


def _lines(view: View) -> Iterator[tuple[str, str]]:
    person, account = view.person, view.account
    yield "Person", f"{person.person_number}, {person.first_name} {person.last_name}, {person.town}"
    yield "AHV number", ahv_number.mask(str(person.ahv_number))
    yield "Register", person.status
    yield "Account", _state(view)
    yield "Open letter", "yes" if view.has_open_code else "no"
    if account is not None:
        local, _, domain = str(account.email).rpartition("@")
        yield "E-mail", f"{local[:1]}…@{domain}"
        yield "Language", account.language
        yield "Password set", _moment(account.password_changed_at)
    for factor in account.authenticators if account is not None else ():
        used = _moment(factor.last_used_at) if factor.last_used_at else "never"
        yield f"Factor {factor.kind}", f"since {_moment(factor.created_at)}, last used {used}"
    for name, until in view.pauses.items():
        yield f"Pause: {name}", f"until {_moment(until)}"
    yield "Applications", ", ".join(view.applications) or "none"
    for event in view.events:
        told = " ".join(part for part in (event.event, event.outcome, event.client_id, event.reason) if part)
        yield _moment(event.at), told


def _state(view: View) -> str:
    if view.account is None:
        return "none"
    if view.is_waiting:
        return "shut until the person enrols again with a new letter"
    return "open" if view.account.is_active else "shut"


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(SWISS_TIME):%d.%m.%Y %H:%M}"
