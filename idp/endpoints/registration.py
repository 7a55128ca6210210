"""The registration endpoint and the place where a client manages itself (RFC 7591 §3, RFC 7592 §2)."""

import json
from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc7591.errors import InvalidClientMetadataError
from flask import Response
from flask import abort
from flask import jsonify
from flask import request as http

from .. import api
from .. import registration
from .. import throttle
from ..provider import provider
from ..registration import Registered
from ..settings import Settings

blueprint = api.blueprint("registration")
METADATA = {"registration_endpoint": "/register"}

NOTHING: Mapping[str, Any] = {}
LARGEST = 64 * 1024
PER_HOUR = 20
"""Registrations, and as many changes, from one address."""


def is_offered(settings: Settings) -> bool:
    """Whether clients can register themselves here at all."""
    return settings.registration_policy != "closed"


@blueprint.before_request
def refuse_where_closed() -> None:
    """Closed means that there is nothing here."""
    if not is_offered(provider.settings):
        abort(404)


@blueprint.post("/register")
def register() -> Response:
    """Register a client (RFC 7591 §3.1)."""
    _limit("register")
    sent = _read_body()
    return _answer(*registration.register(sent, _bearer()), status=201, sent=sent)


@blueprint.get("/register/<client_id>")
def read(client_id: str) -> Response:
    """Tell a client what is registered of it (RFC 7592 §2.1)."""
    token = _bearer() or ""
    return _answer(registration.describe(registration.authenticate(client_id, token)), token)


@blueprint.put("/register/<client_id>")
def replace(client_id: str) -> Response:
    """Let a client say everything anew (RFC 7592 §2.2)."""
    token = _bearer() or ""
    client = registration.authenticate(client_id, token)
    _limit("registration_change")
    sent = _read_body()
    return _answer(registration.replace(client, sent), token, sent=sent)


@blueprint.delete("/register/<client_id>")
def remove(client_id: str) -> Response:
    """Let a client go (RFC 7592 §2.3)."""
    registration.remove(registration.authenticate(client_id, _bearer() or ""))
    response = Response(status=204)
    response.headers["Cache-Control"] = "no-store"
    return response


def _limit(name: str) -> None:
    """A ceiling against machines; the official suite is one, and is let pass."""
    if not provider.settings.conformance:
        throttle.per_address(name, PER_HOUR, 3600)


def _bearer() -> str | None:
    """The access token, from the header and from nowhere else (RFC 6750 §2.1)."""
    scheme, _, token = http.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _read_body() -> dict[str, Any]:
    """One JSON object of a bounded size, with no name twice (RFC 7591 §3.1)."""
    if http.mimetype != "application/json":
        raise InvalidClientMetadataError("The body must be application/json.")
    if (http.content_length or 0) > LARGEST:
        abort(413)
    try:
        sent = json.loads(http.get_data(), object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise InvalidClientMetadataError("The body is not JSON.") from None
    if not isinstance(sent, dict):
        raise InvalidClientMetadataError("The body must be a JSON object.")
    return sent


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("A member is repeated.")
    return members


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON.")


def _answer(client: Registered, token: str, *, status: int = 200, sent: Mapping[str, Any] = NOTHING) -> Response:
    """Everything that is registered, and what only the provider says (RFC 7591 §3.2.1, RFC 7592 §3)."""
    secret = {"client_secret": client.secret, "client_secret_expires_at": 0} if client.secret is not None else {}
    statement = {name: sent[name] for name in ("software_statement",) if sent.get(name) is not None}
    response = jsonify(
        client_id=client.client_id,
        client_id_issued_at=client.issued_at,
        **secret,
        registration_access_token=token,
        registration_client_uri=f"{provider.settings.issuer}/register/{client.client_id}",
        **{**client.metadata, **statement},
    )
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response
