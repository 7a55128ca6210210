"""The backchannel authentication endpoint: a program asks a person it knows to confirm (CIBA Core §7).

Useful where the fund's telephone service must know whom it is speaking with. The person gets a mail with a code, types
it at `/device`, signs in with the second factor and sees who asks and why; no link, as in every mail of ours.
"""

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749 import OAuth2Error
from authlib.oauth2.rfc6749 import UnauthorizedClientError
from flask import Response
from flask import jsonify

from .. import accounts
from .. import api
from .. import audit
from .. import decoupled
from .. import id_token
from .. import outbox
from .. import profiles
from .. import request_object as request_objects
from .. import subjects
from .. import throttle
from ..db import transaction
from ..decoupled import INTERVAL
from ..email_address import EmailProblem
from ..email_address import parse as parse_email
from ..grants.ciba import CibaGrant
from ..models import Account
from ..models import Client
from ..parameters import Parameters
from ..provider import provider
from ..request import without_browser
from ..server import FormRequest
from ..server import server
from ..throttle import Limit

blueprint = api.blueprint("backchannel_authentication")
METADATA = {"backchannel_authentication_endpoint": "/bc-authorize"}

HINTS = ("login_hint", "id_token_hint", "login_hint_token")
LONGEST_TOKEN = 1024
MAILS = Limit("confirmation", 10, 3600, 900)
"""How often one client may write to one person."""
UNKNOWN = Limit("unknown_hint", 20, 3600, 3600)
"""How often one client may name nobody: enough for slips of the hand, too little to try out a list of addresses."""


class UnknownUserId(OAuth2Error):  # type: ignore[misc]
    """Nobody here is meant by the hint (CIBA Core §13)."""

    error = "unknown_user_id"
    description = "The hint names nobody."


class TooManyConfirmations(OAuth2Error):  # type: ignore[misc]
    """The person has had enough mails from this client (decision 23)."""

    error = "temporarily_unavailable"
    description = "The person has been asked too often."
    status_code = 429
    pause = MAILS.pause

    def get_headers(self) -> list[tuple[str, str]]:
        """RFC 6585 §4"""
        return [*super().get_headers(), ("Retry-After", str(self.pause))]


class TooManyUnknown(TooManyConfirmations):
    """The client has guessed for a while; now nobody is looked for, so that no answer tells who is a member."""

    description = "Too many hints named nobody."
    pause = UNKNOWN.pause


@blueprint.post("/bc-authorize")
def ask() -> Response:
    """Find the person, write the mail, and answer with the handle to ask with (CIBA Core §7.3)."""
    form = FormRequest()
    client = server.authenticate_client(form, server.client_auth_methods, "backchannel_authentication")
    if CibaGrant.GRANT_TYPE not in client.grant_types:
        raise UnauthorizedClientError("The client may not use this grant_type.")
    params = request_objects.open_backchannel(form.params, client)
    if profiles.of(client).binding_message and params.get("binding_message") is None:
        raise InvalidRequestError("A binding_message is required.")
    account = _person(params, client)
    request = without_browser(params, client, CibaGrant.GRANT_TYPE, subject=subjects.of(account.id, client))
    seconds, notify = _seconds(params), _notify(params, client)
    _spend_mail(account, client)
    pending = decoupled.begin(request, seconds=seconds, notify=notify)
    with transaction():
        outbox.mail(
            "confirm",
            account.email,
            account.language,
            lives=pending.seconds,
            frame=(),  # it asks for a code to be entered: what we never ask for would contradict it
            app=client.name_in(account.language),
            host=provider.settings.host,
            code=pending.spelled,
            minutes=pending.seconds // 60,
        )
        audit.record("confirmation_asked", account_id=account.id, client_id=client.client_id)
    response = jsonify(auth_req_id=pending.handle, expires_in=pending.seconds, interval=INTERVAL)
    response.headers["Cache-Control"] = "no-store"
    return response


def _person(params: Parameters, client: Client) -> Account:
    """Exactly one hint says who it is (CIBA Core §7.1): an e-mail address, a subject, or an ID token of ours."""
    given = [name for name in HINTS if params.get(name) is not None]
    if len(given) != 1 or given == ["login_hint_token"]:
        raise InvalidRequestError("Exactly one of login_hint and id_token_hint is required.")
    if throttle.paused_until(UNKNOWN, client.client_id) is not None:
        raise TooManyUnknown()
    hint = params.get(given[0]) or ""
    account = _of_login_hint(hint) if given == ["login_hint"] else _of_id_token(hint, client)
    if account is None or not account.is_active:
        _spend_guess(client)
        raise UnknownUserId()
    return account


def _spend_guess(client: Client) -> None:
    """One hint fewer that may name nobody; the official suite names nobody on purpose, and is let pass."""
    if provider.settings.conformance:
        return
    try:
        throttle.spend(UNKNOWN, client.client_id)
    except throttle.Paused:
        raise TooManyUnknown() from None


def _of_login_hint(hint: str) -> Account | None:
    try:
        return accounts.by_email(parse_email(hint))
    except EmailProblem:
        return None


def _of_id_token(hint: str, client: Client) -> Account | None:
    stated = id_token.read(hint)
    if stated is None or stated["aud"] != client.client_id:
        raise InvalidRequestError("The id_token_hint is not an ID token of this client.")
    account_id = subjects.account_of(str(stated["sub"]), client)
    return None if account_id is None else accounts.by_id(account_id)


def _spend_mail(account: Account, client: Client) -> None:
    """One mail fewer for this person; the official suite asks one person a hundred times, and is let pass."""
    if provider.settings.conformance:
        return
    try:
        throttle.spend(MAILS, f"{client.client_id} {account.id}")
    except throttle.Paused:
        raise TooManyConfirmations() from None


def _seconds(params: Parameters) -> int:
    """The life the program wishes, within ours (CIBA Core §7.1)."""
    wished = params.get("requested_expiry")
    if wished is None:
        return decoupled.SECONDS
    if not wished.isdecimal() or not wished.isascii() or int(wished[:9]) == 0:
        raise InvalidRequestError("The requested_expiry must be a number of seconds.")
    return min(max(int(wished[:9]), 60), decoupled.SECONDS)


def _notify(params: Parameters, client: Client) -> dict[str, Any] | None:
    """Whom to tell in ping mode (CIBA Core §7.1, §10.2); in poll mode the program asks by itself."""
    if client.backchannel_token_delivery_mode != "ping":
        return None
    token = params.get("client_notification_token") or ""
    if not token or len(token) > LONGEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise InvalidRequestError("The client_notification_token is missing or malformed.")
    return {
        "client_id": client.client_id,
        "uri": client.backchannel_client_notification_endpoint,
        "token": token,
    }
