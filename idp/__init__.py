"""An OpenID Connect provider that knows no flow and no pensioner.

`create_app` assembles it, top to bottom; `wsgi.py` hands it the fund's flows and the fund's claims. What lives where:
`request.py` is the strict front door, `flow.py` computes the next page, `endpoints/interaction.py` runs it,
`authorization_response.py` answers the client; `grants/`, `client_auth/`, `endpoints/` and `response_modes/` are lists
of one file each.
"""

from collections.abc import Sequence
from pathlib import Path

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from keys import KeyRing
from keys import Vault
from keys.encryption import OPENED_BY

from . import api
from . import endpoints
from . import errors
from . import headers
from . import hosts
from . import outbox
from . import pages
from . import session as sessions
from . import session_management
from .claims_source import ClaimsSource
from .clock import now
from .db import init_db
from .flow import Flow
from .flow import offer_flows
from .provider import Chore
from .provider import Provider
from .server import init_server
from .settings import Settings
from .signing import SqlKeyStorage
from .store import open_store
from .texts import load_texts

ROOT = Path(__file__).parent
FILES = ROOT if (ROOT / "templates").is_dir() else ROOT.parent
"""Where templates, static files and locales lie: beside this package in a checkout, inside it in a wheel."""


def create_app(
    settings: Settings, *, flows: Sequence[Flow] = (), claims_source: ClaimsSource, chores: Sequence[Chore] = ()
) -> Flask:
    """The provider, assembled: one Flask application over one database and one store."""
    app = Flask("idp", template_folder=str(FILES / "templates"), static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=256 * 1024, MAX_FORM_MEMORY_SIZE=256 * 1024, MAX_FORM_PARTS=200)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    init_db(app, settings)
    vault = Vault(
        settings.secret.get_secret_value(),
        old_secrets=[secret.get_secret_value() for secret in settings.old_secrets],
    )
    app.extensions["idp"] = Provider(
        settings=settings,
        vault=vault,
        store=open_store(settings),
        keys=KeyRing(SqlKeyStorage(app), vault, encryption=tuple(OPENED_BY), clock=now),
        texts=load_texts(FILES / "locales", settings),
        claims_source=claims_source,
        chores=tuple(chores),
    )
    hosts.init_app(app, settings)
    offer_flows(app, flows)
    sessions.init_app(app)
    session_management.init_app(app)
    init_server(app)
    endpoints.init_app(app)
    pages.init_app(app, FILES / "static")
    errors.init_app(app)
    api.init_app(app)
    headers.init_app(app)
    if "sms" in settings.factors:
        with app.app_context():
            outbox.refuse_long_sms()
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    return app
