"""check_session_iframe: the page that applications load in a frame and ask (OIDC Session Management §3.2)."""

from flask import Blueprint
from flask import Response
from flask import abort
from flask import make_response
from flask import render_template

from .. import session_management
from ..headers import framed_by_anybody
from ..provider import provider

blueprint = Blueprint("check_session", __name__)


@blueprint.get(session_management.PATH)
def check_session() -> Response:
    """The same for everybody: it holds nothing but a script, which reads one cookie without rights."""
    if not provider.settings.session_management:
        abort(404)
    return framed_by_anybody(make_response(render_template("check_session.html")))
