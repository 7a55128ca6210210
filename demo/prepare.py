"""Makes a database ready to be tried: tables, fictive register, the portal as a client. May be run again at any time.

`make run` does it on this machine, `compose.yaml` in a job of its own: `python -m demo.prepare`.
"""

import os
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from admin import clients
from idp import logs
from idp import schema
from idp.db import db
from idp.settings import load
from pensioners.demo import DemoPerson
from pensioners.demo import load_demo
from wsgi import create_app

DESCRIPTION = Path(__file__).parent / "clients.toml"
PORTAL = "http://localhost:8401"
"""The portal's address in the description."""


@dataclass(frozen=True)
class Prepared:
    """What can be tried, and how the portal proves itself."""

    people: list[DemoPerson]
    client_id: str
    secret_file: Path


def prepare(folder: Path, portal: str) -> Prepared:
    """Migrate, load the register, register the portal at this address; codes and secrets are kept in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    description = _describe(folder, portal)
    settings = load()
    logs.configure(settings.model_copy(update={"log_level": "WARNING", "log_format": "console"}), sys.stderr)
    with create_app(settings).app_context():
        print("Bringing the tables to this version …", flush=True)
        schema.upgrade(db.engine)
        print("Loading the fictive register and its activation codes …", flush=True)
        people = load_demo(folder)
        print("Registering the portal …", flush=True)
        clients.apply([clients.compare(each) for each in clients.read(description)])
        db.session.remove()
        db.engine.dispose()
    client = tomllib.loads(description.read_text(encoding="utf-8"))["client"][0]
    return Prepared(people, client["client_id"], Path(client["secret_file"]))


def tell(people: list[DemoPerson]) -> None:
    """Print who can enrol, and with what."""
    console = Console(width=None if Console().is_terminal else 110)
    if not people:
        console.print("Everybody of the fictive register is enrolled; `make reset` starts anew.")
        return
    table = Table("name", "language", "AHV number", "birth date", "activation code", box=None, pad_edge=False)
    for person in people:
        table.add_row(person.name, person.language, person.ahv_number, person.birth_date, person.activation_code)
    console.print(table)


def _describe(folder: Path, portal: str) -> Path:
    """The portal's description with the addresses and the folder of this run."""
    file = folder / "clients.toml"
    text = DESCRIPTION.read_text(encoding="utf-8").replace(PORTAL, portal).replace('"var/', f'"{folder}/')
    file.write_text(text, encoding="utf-8")
    return file


if __name__ == "__main__":
    tell(prepare(Path(os.environ.get("FOLDER", "var")).resolve(), os.environ.get("DEMO_BASE_URL", PORTAL)).people)
