"""The pages on which a decoupled request ends: the answer waits for the program, the person is done here."""

from flask import Blueprint
from flask import render_template

blueprint = Blueprint("device", __name__)


@blueprint.get("/device/done")
def done() -> str:
    """Confirmed."""
    return render_template("device/done.html")


@blueprint.get("/device/refused")
def refused() -> str:
    """Refused, or not let in."""
    return render_template("device/refused.html")
