"""Entrances: addresses of our own that begin an interaction without a client (decision 16).

A flow names its address (`/signin`, `/enrol` …). Such a visit ends at the default client, or at the fund's site.
"""

from collections.abc import Callable

from flask import Flask
from flask import Response
from flask import request
from sqlalchemy import select

from .. import interaction as interactions
from .. import session as sessions
from .. import throttle
from ..db import db
from ..flow import Flow
from ..models import Client
from ..provider import provider
from ..whereabouts import open_page

LONGEST_CARRIED = 64
FROM_ONE_ADDRESS = ("entrance", 300, 600)
"""Each begins a visit that is kept for an hour."""


def init_app(app: Flask) -> None:
    """One address for every flow that has one."""
    for flow in app.extensions["idp.flows"]:
        if flow.entrance:
            app.add_url_rule(flow.entrance, f"entrance.{flow.name}", _enter(flow), methods=["GET"])


def _enter(flow: Flow) -> Callable[[], Response]:
    def enter() -> Response:
        """Begin at this flow; what the address carries is kept in the interaction and leaves the address at once."""
        throttle.per_address(*FROM_ONE_ADDRESS)
        session = None if flow.starts_anew else sessions.current()
        interaction = interactions.begin(flow.name, request=None, client_id=_default_client(), session=session)
        for name in flow.carries:
            if value := request.args.get(name, "")[:LONGEST_CARRIED]:
                interaction.answers[name] = value
        response = open_page(interaction)
        if request.args.get("lang") in provider.texts.languages:
            response.location = f"{response.location}?lang={request.args['lang']}"
        return response

    return enter


def _default_client() -> str | None:
    return db.session.scalar(
        select(Client.client_id)
        .where(Client.is_default, Client.disabled_at.is_(None))
        .order_by(Client.client_id)
        .limit(1)
    )
