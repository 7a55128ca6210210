"""form_post: a page that posts itself to the client (OAuth 2.0 Form Post Response Mode §2)."""

from collections.abc import Mapping

from flask import Response
from flask import g
from flask import make_response
from flask import render_template

from ..response import origin_of


def send(redirect_uri: str, params: Mapping[str, str]) -> Response:
    """It posts itself by script or by its button, and to nobody else."""
    g.form_action = [origin_of(redirect_uri)]
    html = render_template("form_post.html", action=redirect_uri, params=params, scripts=["form_post.js"])
    return make_response(html)
