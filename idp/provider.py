"""The parts of one assembled provider, and the way to reach them: `provider.vault`, `provider.store` …

`create_app` (`idp/__init__.py`) builds the parts once and keeps them on the application; `provider` stands for those of
the current application, as Flask's `current_app` does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from typing import cast

from flask import current_app
from werkzeug.local import LocalProxy

from keys import KeyRing
from keys import Vault

from .claims_source import ClaimsSource
from .settings import Settings
from .store import Store
from .texts import Texts

Chore = tuple[float, Callable[[], Any]]
"""Seconds between two rounds, and the work; several processes may do it at once."""


@dataclass
class Provider:
    """What one provider is made of."""

    settings: Settings
    vault: Vault
    store: Store
    keys: KeyRing
    texts: Texts
    claims_source: ClaimsSource
    chores: tuple[Chore, ...] = ()
    """What the fund's own tables need again and again, beside what this package does by itself."""


provider: Provider = cast("Provider", LocalProxy(lambda: current_app.extensions["idp"]))
