"""The endpoints. An endpoint is one file, its test, and a word in this list.

Each has a `blueprint`; those that clients find by discovery have `METADATA`, the members they add to it; one that the
operator can do without says in `is_offered(settings)` whether it is there.
"""

from flask import Flask

from . import authorize
from . import backchannel_authentication
from . import check_session
from . import dev_outbox
from . import device
from . import device_authorization
from . import discovery
from . import end_session
from . import entrances
from . import health
from . import interaction
from . import introspection
from . import jwks
from . import protected_resource
from . import pushed_authorization
from . import registration
from . import revocation
from . import token
from . import userinfo

ENDPOINTS = (
    *(authorize, pushed_authorization, interaction, end_session, check_session),
    *(device_authorization, backchannel_authentication, device),
    *(token, userinfo, protected_resource, introspection, revocation, jwks, discovery),
    *(registration, health, dev_outbox),
)


def init_app(app: Flask) -> None:
    """Register every endpoint, and let discovery know what each adds."""
    settings = app.extensions["idp"].settings
    app.config[discovery.CONFIG] = {}
    for endpoint in ENDPOINTS:
        app.register_blueprint(endpoint.blueprint)
        if not hasattr(endpoint, "is_offered") or endpoint.is_offered(settings):
            app.config[discovery.CONFIG].update(getattr(endpoint, "METADATA", {}))
    entrances.init_app(app)
