"""Front-channel logout: where applications sign out in this browser (OpenID Connect Front-Channel Logout 1.0 §2)."""

from sqlalchemy import select

from . import response as responses
from . import subjects
from .db import db
from .models import Client
from .models import SignedInClient
from .provider import provider
from .session import Session


def is_wanted(client: Client) -> bool:
    """Whether this client is to be loaded at the end of the sessions that signed in to it."""
    return client.frontchannel_logout_uri is not None and provider.settings.frontchannel_logout


def frames(session: Session) -> list[str]:
    """The addresses to load for the clients of a session, each with the issuer and the session it is about (§3).

    Asked before they are told of the end, which forgets them. What was shut out has no page in a person's browser; its
    tokens are over anyway.
    """
    if not provider.settings.frontchannel_logout:
        return []
    remembered = select(SignedInClient.client_id).where(SignedInClient.sid == session.sid)
    query = select(Client).where(
        Client.client_id.in_(remembered) | Client.client_id.in_(session.clients),
        Client.frontchannel_logout_uri.is_not(None),
        Client.disabled_at.is_(None),
    )
    return [_address(client, session) for client in db.session.scalars(query.order_by(Client.client_id))]


def _address(client: Client, session: Session) -> str:
    told = {"iss": provider.settings.issuer, "sid": subjects.session_name(session.sid, client)}
    return responses.with_params(client.frontchannel_logout_uri or "", told)
