"""The commands `idp clients consents …`: what people allowed to applications of others, and how it is taken back."""

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from idp import audit
from idp import consents as given
from idp.db import db
from pensioners.models import Pensioner


@click.group()
def consents() -> None:
    """Show and withdraw what a person has allowed to applications of others."""


@consents.command("list")
@click.argument("person_number")
@click.option("--operator", required=True, help="Who asks: a name for the journal.")
def list_(person_number: str, operator: str) -> None:
    """List the applications a person has allowed something; the journal keeps who looked (DSV art. 4)."""
    account_id = _account_of(person_number)
    audit.record_alone("consents_shown", account_id=account_id, operator=operator)
    table = Table("client_id", "scope", "since")
    for consent in given.of_account(account_id):
        table.add_row(consent.client_id, " ".join(consent.scope), f"{consent.granted_at:%Y-%m-%d %H:%M}")
    Console().print(table)


@consents.command()
@click.argument("person_number")
@click.argument("client_id")
@click.option("--operator", required=True, help="Who does this: a name for the journal.")
@click.option("--reason", required=True, help="Why, in a few words without personal data.")
def withdraw(person_number: str, client_id: str, operator: str, reason: str) -> None:
    """Take a consent back: the application's tokens of this person end at once, and it must ask anew."""
    try:
        given.withdraw(client_id, _account_of(person_number), operator=operator, reason=reason)
    except given.NoConsent:
        raise click.ClickException(f"{person_number} has allowed {client_id} nothing.") from None
    click.echo(f"The consent is withdrawn; the tokens of {client_id} for {person_number} have ended.")


def _account_of(person_number: str) -> str:
    account_id = db.session.scalar(select(Pensioner.account_id).where(Pensioner.person_number == person_number))
    if account_id is None:
        raise click.ClickException(f"{person_number}: there is no such person, or no account")
    return account_id
