"""The one place where the parts meet: the fund's flows and register, and the provider."""

from flask import Flask

from flows import flows
from idp import create_app as assemble
from idp.settings import Settings
from idp.settings import load
from pensioners.claims import PensionerClaims


def create_app(settings: Settings | None = None) -> Flask:
    """The application that `idp serve` runs."""
    settings = settings or load()
    return assemble(settings, flows=flows(settings), claims_source=PensionerClaims())
