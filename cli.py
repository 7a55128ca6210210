"""The command `idp`: every command of the house, each contributed by the package it belongs to.

A command gets the assembled application's context; a setting, database or schema that does not do ends it with one
sentence that says how to mend it, never with a traceback.
"""

import functools
import secrets
import sys
from collections.abc import Callable
from typing import Any

import click
import structlog
from flask import Flask
from flask import has_app_context
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import ProgrammingError

from admin.commands import clients
from admin.conformance import conformance
from flows import flows as all_flows
from idp import audit
from idp import doctor as surgery
from idp import drawing
from idp import logs
from idp import restoring
from idp import schema
from idp import serve as server
from idp import setting_mistakes
from idp.clock import now
from idp.db import db
from idp.provider import provider
from idp.settings import BadSetting
from idp.settings import Settings
from idp.settings import load
from idp.store import StoreUnavailable
from keys import StoredKey
from keys import WrongKey
from pensioners import codes as activation_codes
from pensioners.account_commands import accounts
from pensioners.commands import NEW_CODE
from pensioners.commands import register
from wsgi import create_app

REFUSED = 2
"""Exit status of a program that was not set up right."""


class Refused(click.ClickException):
    """A sentence for the operator instead of a traceback."""

    exit_code = REFUSED

    def show(self, file: Any = None) -> None:
        click.echo(self.format_message(), file=file or sys.stderr, err=True)


class Commands(click.Group):
    """The commands, in the order they are written here; what an operator can mend is said in a sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (BadSetting, server.CannotServe, StoreUnavailable, schema.DataDamaged) as error:
            raise Refused(str(error)) from error
        except WrongKey as error:
            raise Refused(f"IDP_SECRET: it does not open what is stored ({error}).") from error
        except (OperationalError, ProgrammingError) as error:
            reason = str(error.orig).strip().partition("\n")[0]
            raise Refused(f"IDP_DATABASE_URL: the database cannot be used ({reason}).") from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The identity provider of the pension fund."""


def in_app(command: click.Command, *, any_schema: bool = False) -> click.Command:
    """Run the command, or each command of a group, in the application's context, on tables that are current."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            in_app(inner, any_schema=any_schema)
    if command.callback and not isinstance(command, click.Group):
        command.callback = _with_app(command.callback, any_schema)
    return command


def _with_app(callback: Callable[..., Any], any_schema: bool) -> Callable[..., Any]:
    @functools.wraps(callback)
    def run(*args: Any, **kwargs: Any) -> Any:
        if has_app_context():
            return callback(*args, **kwargs)
        app = open_app()
        with app.app_context():
            if not any_schema:
                setting_mistakes.refuse(app.extensions["idp"].settings)
            if not any_schema and not schema.is_current(db.engine):
                raise Refused("IDP_DATABASE_URL: the database has an old schema, or none. Run: idp migrate")
            return callback(*args, **kwargs)

    return run


def open_app() -> Flask:
    """The application for one command; its log lines go to standard error, the result to standard output."""
    app = create_app()
    settings: Settings = app.extensions["idp"].settings
    logs.configure(settings.model_copy(update={"log_level": "WARNING", "log_format": "console"}), sys.stderr)
    return app


def worker(threads: int) -> Flask:
    """The application of one worker process of `idp serve`, which answers with so many threads."""
    try:
        settings = load()
        logs.configure(settings)  # before anything is assembled, so that what goes wrong there is redacted as well
        app = create_app(settings)
        app.config["THREADS"] = threads
        logs.init_app(app)
        return server.start_worker(app)
    except Exception as error:
        structlog.get_logger("serve").critical("a worker cannot start", exc_info=error)
        sys.exit(1)


@main.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8400, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", type=click.IntRange(1, 64), help="Processes; by default one for each core, at least 2.")
@click.option(
    "--threads", type=click.IntRange(1, 256), help="Threads of each process; by default two for each core and one."
)
def serve_command(host: str, port: int, workers: int | None, threads: int | None) -> None:
    """Serve people and applications; SIGTERM ends it after the requests that have begun."""
    settings = load()
    logs.configure(settings)
    server.check_apart(functools.partial(create_app, settings))
    server.check_port(host, port)
    workers, threads = workers or server.workers_of_this_machine(), threads or server.threads_of_this_machine()
    server.serve(functools.partial(worker, threads), host=host, port=port, workers=workers, threads=threads)


@main.command("migrate")
@click.option("--draft", metavar="MESSAGE", help="Write a new revision from the models instead (for developers).")
def migrate_command(draft: str | None) -> None:
    """Bring the database's tables to this program's version."""
    if draft:
        click.echo(schema.draft(db.engine, draft))
        return
    before = schema.state(db.engine)
    if before is schema.State.NEWER:
        click.echo("The schema is newer than this program; nothing to do.")
        return
    schema.upgrade(db.engine)
    after = schema.newest()
    click.echo(
        f"The schema was current ({after})." if before is schema.State.CURRENT else f"The schema is at {after} now."
    )


@main.command("doctor")
def doctor_command() -> None:
    """Check database, schema, secret, keys, store, mail, SMS and clock; exit 1 when something fails."""
    from flask import current_app

    findings = surgery.examine(current_app._get_current_object())  # type: ignore[attr-defined]
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(surgery.table(findings))
    if not surgery.is_healthy(findings):
        sys.exit(1)


@main.command("after-restore")
@click.option("--operator", required=True, help="Who does this: a name for the journal.")
@click.confirmation_option(prompt="Everybody signs in again, and every open activation code ends. Go on?")
def after_restore_command(operator: str) -> None:
    """End what a restored backup has brought back to life; before `idp serve` is started again."""
    codes = activation_codes.end_open()
    accounts_ended = restoring.end_all(operator)
    provider.keys.rotate(now=True)
    click.echo(f"{accounts_ended} accounts sign in again; {codes} activation codes have ended; new keys sign.")
    click.echo(NEW_CODE)


@main.command("flows")
def flows_command() -> None:
    """Print the flows as a Mermaid drawing."""
    click.echo(drawing.draw(all_flows(Settings.model_construct())), nl=False)


@main.command("secret")
def secret_command() -> None:
    """Print a good value for IDP_SECRET."""
    click.echo(secrets.token_urlsafe(48))


@main.group("keys")
def keys_group() -> None:
    """The keys to sign with, and those that applications encrypt requests to (RSA-OAEP, ECDH-ES)."""


@keys_group.command("list")
def list_keys() -> None:
    """Show every key: algorithm, where in its life it stands, from when to when it signs."""
    _print_keys(provider.keys.stored())


@keys_group.command("rotate")
@click.option("--alg", help="Only this algorithm, as `idp keys list` names it.")
@click.option("--now", "at_once", is_flag=True, help="Sign with the new key at once, not only after a day.")
@click.option("--emergency", is_flag=True, help="Revoke all other keys at once: somebody may have them.")
@click.confirmation_option(
    prompt="A new key will sign; with --emergency every older token stops being valid. Go on?",
)
def rotate_keys(alg: str | None, at_once: bool, emergency: bool) -> None:
    """Make a new key ahead of time."""
    if alg is not None and alg not in provider.keys.kinds:
        raise Refused(f"--alg: choose one of {', '.join(provider.keys.kinds)}.")
    made = provider.keys.rotate(alg, emergency=emergency, now=at_once)
    _print_keys(made)


@keys_group.command("reseal")
def reseal_keys() -> None:
    """Seal the keys under the current IDP_SECRET, so that an older one can be forgotten."""
    click.echo(f"{provider.keys.reseal()} keys lay under an older secret and lie under the current one now.")


@main.group("audit")
def audit_group() -> None:
    """The journal of who did what."""


@audit_group.command("verify")
def verify_audit() -> None:
    """Check the chain over the journal; exit 1 when a line was changed or is missing."""
    audit.seal()
    problems = audit.verify()
    for problem in problems:
        click.echo(problem)
    if problems:
        sys.exit(1)
    click.echo("The journal is complete and unchanged.")


def _print_keys(keys: Any) -> None:
    moment = now()
    result = Table("key", "algorithm", "state", "signs from", "signs until", "shown until")
    for key in keys:
        result.add_row(*_row(key, key.state(moment)))
    Console(width=None if sys.stdout.isatty() else 140).print(result)


def _row(key: StoredKey, state: str) -> tuple[str, ...]:
    moments = (key.signs_from, key.signs_until, key.shown_until)
    return (key.kid, key.alg, "revoked" if key.revoked_at else state, *(f"{each:%Y-%m-%d %H:%M}" for each in moments))


in_app(migrate_command, any_schema=True)
in_app(doctor_command, any_schema=True)
in_app(after_restore_command)
in_app(keys_group)
in_app(audit_group)
main.add_command(in_app(register))
main.add_command(in_app(accounts))
main.add_command(in_app(clients))
main.add_command(in_app(conformance))

if __name__ == "__main__":
    main()
