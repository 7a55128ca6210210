"""Clients: registering, changing, disabling them; what the command line and the console have in common.

A file is applied declaratively: what it says is compared with what is there, the difference can be shown first, and
applying it twice changes nothing the second time. Clients the file does not name are left alone.
"""

import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy import update

from idp import audit
from idp import client_secrets
from idp import families
from idp.client_addresses import check_addresses
from idp.client_rules import Policy
from idp.clock import now
from idp.db import db
from idp.db import transaction
from idp.models import Client
from idp.redirects import BadAddress

from .client_description import BadDescription
from .client_description import ClientDescription
from .client_description import describe
from .toml_lines import TomlLines

SHORTEST_SECRET = 32


class UnknownClient(LookupError):
    """There is no client with this id."""


@dataclass
class Change:
    """What a description would change, and the secret it brings or needs."""

    description: ClientDescription
    is_new: bool
    fields: list[tuple[str, Any, Any]] = field(default_factory=list)
    """Name, old value, new value."""
    secret: str | None = None
    """A secret that is not the client's yet."""
    shown_once: bool = False
    """Whether the secret was drawn here and is known to nobody else."""

    @property
    def is_empty(self) -> bool:
        """Whether everything is already so."""
        return not self.is_new and not self.fields and self.secret is None


def read(path: Path, policy: Policy | None = None) -> list[ClientDescription]:
    """The clients of a TOML file; raises `BadDescription` with all mistakes at once, each with its line."""
    lines, tables = _tables(path)
    found, mistakes = [], []
    for number, table in enumerate(tables):
        try:
            found.append(describe(table, policy))
        except BadDescription as mistake:
            mistakes += [f"{lines.where(number, field)}{sentence}" for field, sentence in mistake.mistakes]
    names = [description.client_id for description in found]
    mistakes += [f"{name}: named twice" for name in sorted({name for name in names if names.count(name) > 1})]
    if sum(description.is_default for description in found) > 1:
        mistakes.append("only one client can be the default")
    if mistakes:
        raise BadDescription("\n".join(mistakes))
    return found


def _tables(path: Path) -> tuple[TomlLines, list[dict[str, Any]]]:
    """Each [[client]] as it stands in the file, and where; raises `BadDescription` where there is none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        document = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise BadDescription(f"{path}: {error}") from None
    tables = document.pop("client", [])
    if document:
        raise BadDescription(f"{path}: {', '.join(document)}: only tables [[client]] may stand here")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise BadDescription(f"{path}: it names no [[client]]")
    return TomlLines(text, len(tables)), tables


def compare(description: ClientDescription) -> Change:
    """What applying it would change; draws a secret where one is needed and none is given."""
    try:
        check_addresses(description)
    except BadAddress as error:
        raise BadDescription(f"{description.client_id}: {error}") from None
    client = db.session.get(Client, description.client_id)
    change = Change(description, is_new=client is None)
    change.fields = _differences(description, client)
    if not description.has_secret:
        return change
    given = _given_secret(description)
    has_one = client is not None and _has_secret_for(client, description)
    if given is not None and not (has_one and client_secrets.is_right(client, given)):
        change.secret = given
    elif given is None and (description.secret_file or not has_one):
        change.secret = client_secrets.make(description.token_endpoint_auth_method)
        change.shown_once = description.secret_file is None
    return change


def apply(changes: Sequence[Change]) -> None:
    """Write the changes, all or none; a drawn secret is first put where the description wants it."""
    for change in changes:
        path = change.description.secret_file
        if path is not None and change.secret is not None and not Path(path).exists():
            _write_secret(Path(path), change.secret)
    with transaction():
        for change in changes:
            if not change.is_empty:
                _write(change)


def find(client_id: str) -> Client:
    """The client with this id."""
    client = db.session.get(Client, client_id)
    if client is None:
        raise UnknownClient(client_id)
    return client


def all_clients() -> Sequence[Client]:
    """Every client, by id."""
    return db.session.scalars(select(Client).order_by(Client.client_id)).all()


def disable(client_id: str) -> None:
    """Out at once: no sign-in, no token; its refresh families end, and stay ended if it is enabled again."""
    with transaction():
        _disable(find(client_id))
        audit.record("client_disabled", client_id=client_id)


def enable(client_id: str) -> None:
    """Let it in again."""
    with transaction():
        find(client_id).disabled_at = None
        audit.record("client_enabled", client_id=client_id)


def rotate_secret(client_id: str, *, keep_old: bool) -> str:
    """Draw a new secret; the one before lives on beside it if `keep_old`, until `end_old_secret`."""
    with transaction():
        client = find(client_id)
        if not client.token_endpoint_auth_method.startswith("client_secret"):
            raise BadDescription(f"{client_id}: this client has no secret")
        secret = client_secrets.make(client.token_endpoint_auth_method)
        client_secrets.add(client, secret, keep_old=keep_old)
        audit.record("client_secret_rotated", client_id=client_id)
    return secret


def end_old_secret(client_id: str) -> None:
    """Only the newest secret counts from now on."""
    with transaction():
        client_secrets.end_old(find(client_id))
        audit.record("client_secret_ended", client_id=client_id)


def _differences(description: ClientDescription, client: Client | None) -> list[tuple[str, Any, Any]]:
    wanted = description.columns()
    if client is None:
        return [(name, None, value) for name, value in wanted.items() if value not in (None, [], False)]
    different = [
        (name, getattr(client, name), value) for name, value in wanted.items() if getattr(client, name) != value
    ]
    if description.disabled == client.is_active:
        different.append(("disabled", not client.is_active, description.disabled))
    return different


def _has_secret_for(client: Client, description: ClientDescription) -> bool:
    """Whether the client has a secret already that the described method can use."""
    if description.token_endpoint_auth_method == "client_secret_jwt":
        return client.secret_sealed is not None
    return bool(client.secret_hashes)


def _given_secret(description: ClientDescription) -> str | None:
    """The secret from where the description says it is; None where it is still to be drawn."""
    name, path = description.secret_env, description.secret_file
    if name is not None:
        secret = os.environ.get(name)
        if secret is None:
            raise BadDescription(f"{description.client_id}: secret_env: {name} is not set")
    elif path is not None and Path(path).exists():
        secret = Path(path).read_text(encoding="utf-8").strip()
    else:
        return None
    if not SHORTEST_SECRET <= len(secret) <= client_secrets.MAX_LENGTH or not secret.isascii():
        raise BadDescription(
            f"{description.client_id}: the secret needs {SHORTEST_SECRET} or more ASCII characters, drawn at random"
        )
    return secret


def _write(change: Change) -> None:
    description = change.description
    client = db.session.get(Client, description.client_id)
    if client is None:
        client = Client(client_id=description.client_id, secret_hashes=[])
        db.session.add(client)
    for name, value in description.columns().items():
        setattr(client, name, value)
    client.registration_token_hash = None  # what an operator vouches for, the client changes no longer by itself
    if change.secret is not None:
        client_secrets.add(client, change.secret)
    client_secrets.keep_as_needed(client)
    if description.disabled == (client.disabled_at is None):
        client.disabled_at = None
        if description.disabled:
            _disable(client)
    if description.is_default:
        db.session.flush()
        others = update(Client).where(Client.client_id != description.client_id).values(is_default=False)
        db.session.execute(others)
    audit.record("client_added" if change.is_new else "client_changed", client_id=description.client_id)


def _disable(client: Client) -> None:
    """Called inside a transaction, by every way that disables."""
    client.disabled_at = client.disabled_at or now()
    families.end_of_client(client.client_id, "client_disabled")


def _write_secret(path: Path, secret: str) -> None:
    """Readable by its owner only, from the first moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(f"{secret}\n")
