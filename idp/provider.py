"""The parts of one assembled provider, and the way to reach them: `provider.vault`, `provider.store` …

`create_app` (`idp/__init__.py`) builds the parts once and keeps them on the application; `provider` stands for those of
the current application, as Flask's `current_app` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import cast

from flask import current_app
from werkzeug.local import LocalProxy

if TYPE_CHECKING:
    from keys import KeyRing
    from keys import Vault

    from .claims import ClaimsSource
    from .flow import Flow
    from .settings import Settings
    from .store import Store
    from .texts import Texts


@dataclass
class Provider:
    """What one provider is made of."""

    settings: Settings
    vault: Vault
    store: Store
    keys: KeyRing
    texts: Texts
    flows: Sequence[Flow]
    claims_source: ClaimsSource


provider: Provider = cast("Provider", LocalProxy(lambda: current_app.extensions["idp"]))
