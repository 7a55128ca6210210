"""`idp register …`: the import of the register, and the activation codes.

What went wrong goes to stderr line by line, the outcome to stdout; a progress bar is drawn on a terminal only.
"""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn
from rich.progress import Progress
from rich.progress import TaskProgressColumn
from rich.progress import TextColumn
from rich.progress import TimeRemainingColumn
from rich.table import Column
from rich.table import Table

from idp import setting_mistakes
from idp.provider import provider

from . import campaigns
from . import closing
from . import codes as activation_codes
from .letters import Window
from .register import BadFile
from .register import Overtaken
from .register import Summary
from .register import import_file
from .swiss_time import SWISS_TIME

FILE_TO_READ = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
FILE_TO_WRITE = click.Path(dir_okay=False, path_type=Path)
LONGEST_NAME = 100
NEW_CODE = "A new code: idp register codes issue --campaign NAME --output FILE.csv --letters FILE.pdf"


@click.group()
def register() -> None:
    """The fund's register of pensioners."""


@register.command("import")
@click.argument("file", type=FILE_TO_READ)
@click.option("--dry-run", is_flag=True, help="Check and compare only; write nothing.")
@click.option("--skip-bad", is_flag=True, help="Write the good rows although others are bad.")
def import_command(file: Path, dry_run: bool, skip_bad: bool) -> None:
    """Bring the register up to date with FILE (CSV in UTF-8: comma, semicolon or tab).

    Bad rows are listed with their line; then nothing of the file is written, unless --skip-bad is given.
    """
    try:
        with _progress({"read": "Reading", "write": "Writing"}) as progress:
            summary = import_file(file, dry_run=dry_run, skip_bad=skip_bad, report=_report, progress=progress)
    except (BadFile, Overtaken) as error:
        raise click.ClickException(f"{file}: {error}") from None
    _print_summary(summary)
    if summary.bad and not (skip_bad and not dry_run):
        _say_what_to_do(summary, dry_run)
        raise SystemExit(1)


@register.group()
def codes() -> None:
    """Activation codes for people without an account."""


@codes.command()
@click.option("--campaign", required=True, help="Name of the mailing, for example 2026-autumn.")
@click.option("--output", required=True, type=FILE_TO_WRITE, help="CSV file for the fund's own printing.")
@click.option("--letters", type=FILE_TO_WRITE, help="PDF file with one letter a person.")
@click.option("--window", type=click.Choice(["right", "left"]), default="right", show_default=True)
@click.option(
    "--valid-days",
    type=click.IntRange(1, 730),
    default=activation_codes.VALID_DAYS,
    show_default=True,
    help="How long the codes are accepted.",
)
@click.option("--again", is_flag=True, help="Issue a campaign anew: ends its codes, overwrites its files.")
def issue(*, campaign: str, output: Path, letters: Path | None, window: Window, valid_days: int, again: bool) -> None:
    """Give every active person without an account a new code; it ends the person's older one."""
    name = campaign.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise click.BadParameter(f"a name of 1 to {LONGEST_NAME} characters", param_hint="--campaign")
    if letters is not None and letters.resolve() == output.resolve():
        raise click.BadParameter("the same file as --output", param_hint="--letters")
    if letters is not None:
        setting_mistakes.refuse_letters(provider.settings)
    try:
        with _progress({"print": "Printing", "write": "Putting in force"}) as progress:
            issued = activation_codes.issue(
                name, output, letters=letters, window=window, valid_days=valid_days, again=again, progress=progress
            )
    except activation_codes.NobodyWaits:
        raise click.ClickException(_nobody()) from None
    except activation_codes.CampaignExists as found:
        raise click.ClickException(_repetition(found)) from None
    except FileExistsError as error:
        raise click.ClickException(f"{error} exists already; choose another name, or add --again.") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    table = _table("Codes issued", f"{issued.codes}")
    table.add_row("Older codes ended", f"{issued.replaced}")
    table.add_row("Valid until", f"{issued.valid_until:%d.%m.%Y}")
    for path in issued.files:
        table.add_row("Written", str(path))
    _print(table)
    for person_number, characters in issued.unprintable:
        click.echo(f"{person_number}: the letter lacks {characters} and shows others; write this one by hand", err=True)


@codes.command()
def status() -> None:
    """Show what became of the codes of every campaign."""
    counts = ("Used", "Open", "Replaced", "Void", "Expired")
    table = Table("Campaign", "Issued", *(Column(name, justify="right") for name in counts))
    for each in campaigns.campaigns():
        numbers = (each.used, each.open, each.replaced, each.void, each.expired)
        table.add_row(each.name, _moment(each.issued_at), *map(str, numbers))
    _print(table)
    reach = campaigns.reach()
    people = _table("Active persons with an account", f"{reach.with_account}")
    people.add_row("Without account, with an open code", f"{reach.with_open_code}")
    people.add_row("Without account and without an open code", f"{reach.without}")
    _print(people)


@register.command("close-account")
@click.argument("person_number")
@click.option("--operator", required=True, help="Who does this: a name for the journal.")
@click.option("--reason", required=True, help="Why, in a few words without personal data.")
@click.confirmation_option(prompt="The person must enrol again with a new letter. Go on?")
def close_account(person_number: str, operator: str, reason: str) -> None:
    """Remove a person's account, for a new enrolment: the telephone is lost, say."""
    try:
        closing.close(person_number, operator=operator, reason=reason)
    except closing.NoAccount:
        raise click.ClickException(f"{person_number}: there is no such person, or no account") from None
    click.echo(f"The account is closed, its address is told. {NEW_CODE}")


def _report(line: int, reason: str) -> None:
    click.echo(f"line {line}: {reason}", err=True)


def _print_summary(summary: Summary) -> None:
    table = _table("New", f"{summary.new}")
    table.add_row("Changed", f"{summary.changed}")
    table.add_row("Unchanged", f"{summary.unchanged}")
    table.add_row("Gone (not in the file; not touched)", f"{summary.gone}")
    table.add_row("Bad lines", f"{summary.bad}")
    table.add_row("Accounts closed", f"{summary.closed}")
    table.add_row("Accounts opened again", f"{summary.reopened}")
    table.add_row("Written", "yes" if summary.written else "no")
    _print(table)
    if summary.gone_persons:
        more = summary.gone - len(summary.gone_persons)
        numbers = ", ".join(summary.gone_persons) + (f" and {more} more" if more else "")
        click.echo(f"Gone: {numbers}")


def _say_what_to_do(summary: Summary, dry_run: bool) -> None:
    lines = "1 line is bad" if summary.bad == 1 else f"{summary.bad} lines are bad"
    outcome = "This was a dry run." if dry_run else "Nothing was written."
    click.echo(f"{lines}. {outcome} Mend the file, or add --skip-bad to write the others.", err=True)


def _nobody() -> str:
    reach = campaigns.reach()
    if reach.with_account:
        return f"Nobody needs a code: each of the {reach.with_account} active persons has an account."
    return "Nobody needs a code: there is no active person in the register. First: idp register import FILE.csv"


def _repetition(found: activation_codes.CampaignExists) -> str:
    return (
        f"Campaign {found.campaign} was issued on {_moment(found.issued_at)} ({found.codes} codes). Issuing it again "
        "ends those codes: letters on their way would no longer work. Add --again if that is meant."
    )


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(SWISS_TIME):%d.%m.%Y %H:%M}"


def _table(name: str, value: str) -> Table:
    table = Table(Column(), Column(justify="right", overflow="fold"), show_header=False)
    table.add_row(name, value)
    return table


def _print(table: Table) -> None:
    Console(soft_wrap=False).print(table)


@contextmanager
def _progress(phases: dict[str, str]) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each phase, on a terminal; elsewhere nothing."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bars:
        tasks = {phase: bars.add_task(name, visible=False) for phase, name in phases.items()}
        yield lambda phase, done, total: bars.update(tasks[phase], completed=done, total=total, visible=True)
