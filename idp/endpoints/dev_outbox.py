"""Development outbox: every mail and SMS «sent», readable by whoever runs the provider at home."""

from typing import Any

from flask import Blueprint
from flask import Response
from flask import abort
from flask import jsonify
from flask import make_response
from flask import render_template
from flask import request
from sqlalchemy import or_
from sqlalchemy import select

from .. import outbox
from ..clock import now
from ..db import db
from ..models import OutboxMessage
from ..provider import provider

blueprint = Blueprint("dev_outbox", __name__)
LAST = 200

SHOWN = ("mail", "sms")
"""What people read; calls to applications are not theirs."""


@blueprint.before_request
def refuse_outside_development() -> None:
    """There is no such page anywhere else."""
    if not provider.settings.development:
        abort(404)


@blueprint.get("/dev/outbox")
def show() -> Response:
    """The page: newest first; `?to=` shows one address only."""
    to = _asked()
    return make_response(render_template("dev/outbox.html", messages=_messages(to), to=to))


@blueprint.get("/dev/outbox.json")
def as_json() -> Response:
    """The same for programs."""
    return jsonify(_messages(_asked()))


def _asked() -> str:
    """The address asked for; a plus arrives as a blank where nobody encoded it."""
    to = request.args.get("to", "").strip()
    return f"+{to}" if to.isdecimal() else to


def _messages(to: str) -> list[dict[str, Any]]:
    """What was sent or is about to be; what expired never existed for its addressee."""
    shown = or_(OutboxMessage.state == "sent", (OutboxMessage.state == "pending") & (OutboxMessage.expires_at > now()))
    query = select(OutboxMessage).where(shown, OutboxMessage.body_sealed.is_not(None), OutboxMessage.medium.in_(SHOWN))
    if to:
        query = query.where(OutboxMessage.target.in_(outbox.fingerprints(to)))
    rows = db.session.scalars(query.order_by(OutboxMessage.created_at.desc()).limit(LAST))
    return [_shown(row) for row in rows]


def _shown(row: OutboxMessage) -> dict[str, Any]:
    body = row.body
    return {
        "id": row.id,
        "medium": row.medium,
        "name": row.name,
        "to": body["to"],
        "subject": body["subject"],
        "text": body["text"],
        "html": body["html"],
        "at": row.created_at.isoformat(),
    }
