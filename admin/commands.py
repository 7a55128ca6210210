"""The commands `idp clients …`."""

import json
from pathlib import Path
from typing import Any
from typing import get_args

import click
from rich.console import Console
from rich.table import Table

from idp.client_fields import AuthMethod
from idp.client_rules import Policy
from idp.models import Client

from . import clients as registry
from .client_description import BadDescription
from .client_description import describe
from .consent_commands import consents
from .token_commands import tokens


@click.group()
def clients() -> None:
    """Register, change and disable the applications people sign in to."""


clients.add_command(tokens)
clients.add_command(consents)


@clients.command()
@click.argument("client_id")
@click.option("--name", "client_name", required=True, help="The name people see.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, required=True, help="May be given several times.")
@click.option("--post-logout-redirect-uri", "post_logout_redirect_uris", multiple=True)
@click.option("--initiate-login-uri")
@click.option("--type", "application_type", type=click.Choice(["web", "native", "browser"]), default="web")
@click.option(
    "--auth",
    "token_endpoint_auth_method",
    type=click.Choice(get_args(AuthMethod)),
    default="client_secret_basic",
    help="How it proves who it is at the token endpoint.",
)
@click.option("--jwks", "jwks_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--scope", default="openid profile email", show_default=True)
@click.option("--refresh", is_flag=True, help="Refresh tokens and the scope offline_access.")
@click.option("--alg", "id_token_signed_response_alg", type=click.Choice(["RS256", "ES256"]), default="ES256")
@click.option("--first-party", is_flag=True, help="An application of the fund itself: no consent page.")
@click.option("--default", "default", is_flag=True, help="Where a visit that began at the provider ends.")
@click.option("--without-pkce", is_flag=True, help="Older software that cannot do PKCE; it must send a nonce.")
def add(jwks_file: Path | None, refresh: bool, without_pkce: bool, **values: Any) -> None:
    """Register a client; its secret is shown once."""
    if jwks_file is not None:
        values["jwks"] = _read_jwks(jwks_file)
    if refresh:
        values["grant_types"] = ("authorization_code", "refresh_token")
        values["scope"] += " offline_access"
    try:
        change = registry.compare(describe({**values, "require_pkce": not without_pkce}, Policy.current()))
    except BadDescription as mistake:
        raise click.ClickException(str(mistake)) from None
    if not change.is_new:
        raise click.ClickException(f"{change.description.client_id} exists; use a file and `clients apply`")
    registry.apply([change])
    click.echo(f"{change.description.client_id} is registered.")
    _show_secret(change)


@clients.command("list")
def list_() -> None:
    """List every client."""
    table = Table("client_id", "name", "type", "authentication", "state")
    for client in registry.all_clients():
        state = "active" if client.is_active else "disabled"
        name = client.name_in("en")
        table.add_row(client.client_id, name, client.application_type, client.token_endpoint_auth_method, state)
    Console().print(table)


@clients.command()
@click.argument("client_id")
def show(client_id: str) -> None:
    """Show all that is registered of a client; never its secret."""
    client = _find(client_id)
    for column in Client.__table__.columns:
        value = getattr(client, column.key)
        if column.key == "secret_hashes":
            click.echo(f"secrets: {len(value)}")
        elif column.key == "registration_token_hash":
            click.echo(f"registered itself: {'yes' if value else 'no'}")
        elif column.key == "secret_sealed":
            continue
        elif value not in (None, [], ""):
            click.echo(f"{column.key}: {_text(value)}")


@clients.command()
@click.argument("client_id")
def disable(client_id: str) -> None:
    """Shut a client out at once; its refresh tokens end."""
    _find(client_id)
    registry.disable(client_id)
    click.echo(f"{client_id} is disabled.")


@clients.command()
@click.argument("client_id")
def enable(client_id: str) -> None:
    """Let a disabled client in again."""
    _find(client_id)
    registry.enable(client_id)
    click.echo(f"{client_id} is enabled.")


@clients.command("rotate-secret")
@click.argument("client_id")
@click.option("--now", "at_once", is_flag=True, help="The old secret ends at once (it has leaked).")
@click.option("--finish", is_flag=True, help="Draw nothing; end the old secret.")
def rotate_secret(client_id: str, at_once: bool, finish: bool) -> None:
    """Draw a new secret, shown once; the old one lives beside it until --finish."""
    _find(client_id)
    if finish:
        registry.end_old_secret(client_id)
        click.echo(f"Only the newest secret of {client_id} counts now.")
        return
    try:
        secret = registry.rotate_secret(client_id, keep_old=not at_once)
    except BadDescription as mistake:
        raise click.ClickException(str(mistake)) from None
    click.echo(f"client_secret (shown once): {secret}")


@clients.command("apply")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show the difference and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def apply_(file: Path, dry_run: bool, yes: bool) -> None:
    """Make the clients be as a TOML file says; shows the difference first."""
    try:
        changes = [registry.compare(description) for description in registry.read(file, Policy.current())]
    except BadDescription as mistake:
        raise click.ClickException(str(mistake)) from None
    for change in changes:
        _show_change(change)
    if dry_run or all(change.is_empty for change in changes):
        return
    if not yes:
        click.confirm("Apply?", abort=True)
    registry.apply(changes)
    for change in changes:
        _show_secret(change)


def _find(client_id: str) -> Client:
    try:
        return registry.find(client_id)
    except registry.UnknownClient:
        raise click.ClickException(f"There is no client {client_id}.") from None


def _read_jwks(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise click.ClickException(f"{path} is not JSON.") from None


def _show_change(change: registry.Change) -> None:
    name = change.description.client_id
    if change.is_empty:
        click.echo(f"= {name}: as it is")
        return
    click.echo(f"{'+' if change.is_new else '~'} {name}")
    for field, old, new in change.fields:
        click.echo(f"    {field}: {_text(new)}" if change.is_new else f"    {field}: {_text(old)} -> {_text(new)}")
    if change.secret is not None:
        click.echo("    secret: drawn anew" if change.shown_once else "    secret: the one given; an older one ends")


def _show_secret(change: registry.Change) -> None:
    if change.secret is not None and change.shown_once:
        click.echo(f"client_secret of {change.description.client_id} (shown once): {change.secret}")
    elif change.secret is not None and change.description.secret_file is not None:
        click.echo(f"client_secret of {change.description.client_id}: in {change.description.secret_file}")


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)
