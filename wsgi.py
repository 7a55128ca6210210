"""The one place where the parts meet: the fund's flows and register, and the provider."""

from flask import Flask

from admin.conformance import WithTestPerson
from flows import flows
from flows import gallery
from idp import create_app as assemble
from idp.settings import Settings
from idp.settings import load
from pensioners.claims import PensionerClaims
from pensioners.retention import forget_codes


def create_app(settings: Settings | None = None) -> Flask:
    """The application that `idp serve` runs."""
    settings = settings or load()
    source = WithTestPerson(PensionerClaims()) if settings.conformance else PensionerClaims()
    app = assemble(settings, flows=flows(settings), claims_source=source, chores=[(3600, forget_codes)])
    if settings.development:
        app.register_blueprint(gallery.blueprint)
    return app
