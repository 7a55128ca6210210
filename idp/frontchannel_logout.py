"""Front-channel logout: where applications sign out in this browser (OpenID Connect Front-Channel Logout 1.0 §2)."""

from sqlalchemy import select

from . import response as responses
from . import subjects
from .db import db
from .models import Client
from .provider import provider
from .session import Session


def frames(session: Session) -> list[str]:
    """The addresses to load for the clients of a session, each with the issuer and the session it is about (§3).

    What was shut out has no page in a person's browser; its tokens are over anyway.
    """
    if not session.clients or not provider.settings.frontchannel_logout:
        return []
    query = select(Client).where(
        Client.client_id.in_(session.clients),
        Client.frontchannel_logout_uri.is_not(None),
        Client.disabled_at.is_(None),
    )
    return [_address(client, session) for client in db.session.scalars(query.order_by(Client.client_id))]


def _address(client: Client, session: Session) -> str:
    told = {"iss": provider.settings.issuer, "sid": subjects.session_name(session.sid, client)}
    return responses.with_params(client.frontchannel_logout_uri or "", told)
