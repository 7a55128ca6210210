"""The commands `idp clients tokens …`: who may register an application without an operator."""

from datetime import timedelta

import click
from rich.console import Console
from rich.table import Table

from idp import initial_access_tokens
from idp.clock import now
from idp.models import InitialAccessToken
from idp.provider import provider


@click.group()
def tokens() -> None:
    """Let others register applications at /register (IDP_REGISTRATION=token)."""


@tokens.command()
@click.option("--note", required=True, help="Whom it is for.")
@click.option("--uses", default=1, show_default=True, type=click.IntRange(1, 1000), help="How many applications.")
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 365), help="How long it can be used.")
def issue(note: str, uses: int, days: int) -> None:
    """Make an initial access token; it is shown once."""
    if not 0 < len(note) <= 200 or not note.isprintable():
        raise click.ClickException("--note: 1 to 200 visible characters.")
    token = initial_access_tokens.issue(note, uses=uses, life=timedelta(days=days))
    click.echo(f"initial access token (shown once): {token}")
    if provider.settings.registration_policy != "token":
        click.echo(f"IDP_REGISTRATION is {provider.settings.registration_policy}: it counts once that is token.")


@tokens.command("list")
def list_() -> None:
    """List every token there ever was."""
    table = Table("id", "for", "uses left", "until", "state")
    for token in initial_access_tokens.all_tokens():
        table.add_row(token.id, token.note, str(token.uses_left), f"{token.expires_at:%Y-%m-%d %H:%M}", _state(token))
    Console().print(table)


@tokens.command()
@click.argument("token_id")
def revoke(token_id: str) -> None:
    """Let nobody register with a token any more; applications that have are left alone."""
    if not initial_access_tokens.revoke(token_id):
        raise click.ClickException(f"There is no token {token_id}.")
    click.echo(f"{token_id} is revoked.")


def _state(token: InitialAccessToken) -> str:
    if token.revoked_at is not None:
        return "revoked"
    if token.uses_left == 0:
        return "used up"
    return "valid" if now() < token.expires_at else "expired"
