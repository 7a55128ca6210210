"""The decision about one authorization request: the flows propose, here it is checked again and answered.

`resume` is called when nobody needs to be asked (any more), `deny` when the person says no.
"""

from collections.abc import Mapping

from authlib.oauth2.rfc6749 import AccessDeniedError
from authlib.oauth2.rfc6749 import OAuth2Error
from authlib.oidc.core.errors import ConsentRequiredError
from authlib.oidc.core.errors import LoginRequiredError
from flask import Response
from sqlalchemy import select

from . import answers
from . import assurance
from . import audit
from . import authorization_response
from . import backchannel_logout
from . import consents
from . import decoupled
from . import endings
from . import errors
from . import frontchannel_logout
from . import id_token
from . import interaction as interactions
from . import known_devices
from . import outbox
from . import profiles
from . import pushed
from . import redirects
from . import response as responses
from . import session as sessions
from . import session_management
from . import subjects
from . import tokens
from .assurance import Proof
from .authorization import Authorization
from .authorization_request import AuthorizationRequest
from .db import db
from .db import transaction
from .demands import demanded
from .grants import authorization_code
from .interaction import Interaction
from .models import Account
from .models import Client
from .provider import provider
from .session import Session

FRESH_PROMPTS = frozenset({"login", "create", "select_account"})
"""Prompts after which only what was proven in this very interaction counts."""
TOLD_IN_FRONT = ("access_token", "token_type", "expires_in", "scope")
"""What is said of an access token in an authorization response (RFC 6749 §4.2.2); RFC 9396 §4 adds nothing to it."""


class UnmetAuthenticationRequirements(OAuth2Error):  # type: ignore[misc]
    """The sign-in did not reach what is demanded (OpenID Connect Unmet Authentication Requirements §2)."""

    error = "unmet_authentication_requirements"
    description = "The required authentication was not reached."


def resume(interaction: Interaction) -> Response:
    """Answer a request for which nobody needs to be asked any more: if everything holds."""
    return decide(interaction, sessions.current())


def decide(interaction: Interaction, before: Session | None) -> Response:
    """The same, for whoever knows the browser's session already."""
    request, client = interaction.request, interaction.client
    if request is None:
        return _end_visit(interaction, before)
    if client is None or not may_still_answer(request, client):
        return _finish(interaction, errors.client_error("client or redirect_uri withdrawn"))
    try:
        account, proofs = _check(interaction, request, client, before)
    except OAuth2Error as error:
        return _finish(interaction, refuse(request, error))
    if not pushed.use_up(request):
        return _finish(interaction, _answered_before())
    session, is_new = _session(interaction, account, proofs, before)
    try:
        response = _answer(request, client, account, session, proofs)
    except OAuth2Error as error:  # a key to encrypt to cannot be had
        return _finish(interaction, _tell(request, error))
    if is_new or sessions.needs_keeping(session, client.client_id):
        session.clients = list(dict.fromkeys([*session.clients, client.client_id]))
        _keep(session, account, response, is_new=is_new)
    _record("authorization", session, before, client)
    return _finish(interaction, response)


def deny(interaction: Interaction) -> Response:
    """The person says no: the client is told; a visit of our own begins anew."""
    request, client = interaction.request, interaction.client
    if request is None:
        return responses.go("/signin")
    if client is None or not may_still_answer(request, client):
        return errors.client_error("client or redirect_uri withdrawn")
    return refuse(request, AccessDeniedError("The person declined."))


def decline(interaction: Interaction) -> Response:
    """The same by a button of ours: the request is over, and so is this visit."""
    return _finish(interaction, deny(interaction))


def refuse(request: AuthorizationRequest, error: OAuth2Error) -> Response:
    """Answer with an error, which is an answer, too: one that was pushed is void from now on (RFC 9126 §4, §7.3).

    That of `prompt=none` is no exception: the prompt is part of what was pushed, so nothing else could come of it.
    """
    return _tell(request, error) if pushed.use_up(request) else _answered_before()


def _answered_before() -> Response:
    return errors.client_error("pushed request answered before")


def _finish(interaction: Interaction, response: Response) -> Response:
    """Over; where it led is kept first, so that whoever presses twice is sent the same way again."""
    answers.keep(interaction, response)
    interactions.finish(interaction)
    return response


def _check(
    interaction: Interaction, request: AuthorizationRequest, client: Client, before: Session | None
) -> tuple[Account, list[Proof]]:
    """Everything a code stands on, checked without trusting the flows; the account and the proofs that count."""
    account = _standing(interaction.account)
    proofs = living_proofs(interaction, account, before)
    if not proofs:
        raise LoginRequiredError()
    if request.subjects is not None and subjects.of(account.id, client) not in request.subjects:
        raise LoginRequiredError()
    if not assurance.reaches(proofs, demanded(request, client)) or not _essential_is_met(request, proofs):
        raise UnmetAuthenticationRequirements()
    scope = consents.scope_of(request.scope, request.claims, client)
    is_open = consents.is_needed(client, account.id, scope, request.authorization_details)
    if is_open or ("consent" in request.prompt and not consents.is_noted(interaction)):
        raise ConsentRequiredError()
    return account, proofs


def _standing(account: Account | None) -> Account:
    """An account that may sign in (CVE-2025-29928, CVE-2025-14559)."""
    if account is None:
        raise LoginRequiredError()
    if not account.is_active:
        raise AccessDeniedError("The account is not active.")
    return account


def living_proofs(interaction: Interaction, account: Account, before: Session | None) -> list[Proof]:
    """The proofs that still count: young enough for the request, and nothing has ended them (OIDC Core §3.1.2.1).

    Those of a session that was signed out meanwhile, or from before an "end all", are gone. Proofs count whole seconds,
    so one made here is held against an "end all" by its exact moment, and one of a session by the session that is
    living still (`Session.is_over`).

    One of a session must be young enough now, for the client judges by `auth_time` (§3.1.3.7 item 13) and a page may
    stay open for long. One made here must be so when the visit began: whoever is slow is not asked for ever.
    """
    request, ended = interaction.request, account.sessions_valid_after.timestamp()
    is_joined = before is not None and before.sid == interaction.sid
    oldest_joined = max(int(ended), _oldest(request, int(sessions.began().timestamp())))
    oldest_made = max(int(ended), _oldest(request, interaction.started_at))

    def lives(proof: Proof) -> bool:
        if interaction.sid is not None and proof.method not in interaction.proven_at:
            return is_joined and proof.at >= oldest_joined
        return interaction.proven_at.get(proof.method, proof.at) >= ended and proof.at >= oldest_made

    return [proof for proof in interaction.proofs if lives(proof)]


def _oldest(request: AuthorizationRequest | None, moment: int) -> int:
    """From when on proofs were young enough at this moment; 0 where any age will do."""
    if request is None:
        return 0
    if FRESH_PROMPTS & set(request.prompt):
        return moment
    return 0 if request.max_age is None else moment - request.max_age


def _essential_is_met(request: AuthorizationRequest, proofs: list[Proof]) -> bool:
    named = request.essential_acr
    return named is None or any(assurance.reaches(proofs, value) for value in named)


def may_still_answer(request: AuthorizationRequest, client: Client) -> bool:
    """Whether the client is active and its address registered now: the person may have taken an hour."""
    if not client.is_active:
        return False
    if request.decoupled is not None:
        return True
    native = client.application_type == "native"
    return redirects.fits(request.redirect_uri, client.redirect_uris, native=native)


def _answer(
    request: AuthorizationRequest, client: Client, account: Account, session: Session, proofs: list[Proof]
) -> Response:
    """What the response type promises: a code, an access token, an ID token, or several (OIDC Core §3.3.2.5)."""
    authorization = Authorization(
        account_id=account.id,
        client_id=client.client_id,
        scope=request.scope,
        auth_time=max(proof.at for proof in proofs),
        acr=_stated_acr(request, proofs),
        amr=tuple(assurance.amr(proofs)),
        sid=session.sid,
        nonce=request.nonce,
        claims=request.claims,
        resource=request.resource,
        authorization_details=request.authorization_details,
        at=sessions.moment(account),
    )
    if request.decoupled is not None:
        return _end_elsewhere("done", decoupled.approve(request.decoupled, authorization))
    kinds, params = request.response_type.split(), {}
    if "code" in kinds:
        params["code"], authorization = authorization_code.issue(authorization, request)
    if "token" in kinds:
        given = tokens.access(authorization, client)
        params |= {name: str(given[name]) for name in TOLD_IN_FRONT}
    if "id_token" in kinds:
        params["id_token"] = _id_token(authorization, client, account, request, params)
    watched = session_management.session_state(session, client.client_id, request.redirect_uri)
    if watched is not None:
        params["session_state"] = watched
    return authorization_response.answer(request.address, params)


def _tell(request: AuthorizationRequest, error: OAuth2Error) -> Response:
    """Tell the client: at its address, or when the program asks next."""
    if request.decoupled is not None:
        return _end_elsewhere("refused", decoupled.refuse(request.decoupled, error))
    return authorization_response.refuse(request.address, error)


def _end_elsewhere(outcome: str, notify: Mapping[str, str] | None) -> Response:
    """A page that says to go on at the other device; a program that wants to be told is told (CIBA §10.2)."""
    if notify is not None:
        with transaction():
            outbox.ping(**notify, lives=decoupled.SECONDS)
    return responses.go(f"/device/{outcome}")


def _id_token(
    authorization: Authorization,
    client: Client,
    account: Account,
    request: AuthorizationRequest,
    beside: Mapping[str, str],
) -> str:
    """An ID token that vouches for what travels beside it (OIDC Core §3.3.2.11, FAPI 1.0 Advanced §5.1.1)."""
    return id_token.issue(
        authorization,
        account,
        client,
        access_token=beside.get("access_token"),
        code=beside.get("code"),
        state=request.state if profiles.of(client).state_hash else None,
        nonce=request.nonce,
        with_scope_claims=request.response_type == "id_token",
    )


def _session(
    interaction: Interaction, account: Account, proofs: list[Proof], before: Session | None
) -> tuple[Session, bool]:
    """The session to go on with, and whether it is a new one.

    A silent sign-in keeps it as it is. After new proofs it begins anew under a new id (ASVS V7.2.4), joining what was
    proven before by the same person.
    """
    same = before if before is not None and before.account_id == account.id else None
    if same is not None and not interaction.proven_at:
        return same, False
    joined = [*same.proofs, *proofs] if same is not None else proofs
    newest = {proof.method: proof for proof in sorted(joined, key=lambda proof: proof.at)}
    return sessions.start(account, list(newest.values()), before=before), True


def _keep(session: Session, account: Account, response: Response, *, is_new: bool) -> None:
    """Store the session; a browser in which both factors have just been proven is known from now on.

    Signing out leaves its mark before it deletes the session; the mark is looked for after storing, so that one of the
    two finds the other.
    """
    place = sessions.keep(session, response, renew=is_new)
    if endings.is_session_over(session.sid):
        sessions.drop(place, response)
    if is_new and assurance.reaches(session.proofs, assurance.TWO_FACTOR):
        known_devices.remember(account, response)


def _stated_acr(request: AuthorizationRequest, proofs: list[Proof]) -> str | None:
    """The class to tell the client: the strongest it named that was reached, else the one reached.

    Never more than was done; and where the client names values, one of them (OIDC Core §5.5.1.1).
    """
    named = {*request.acr_values, *(request.essential_acr or ())}
    reached = [value for value in assurance.ACR_VALUES if value in named and assurance.reaches(proofs, value)]
    return reached[-1] if reached else assurance.acr(proofs)


def _end_visit(interaction: Interaction, before: Session | None) -> Response:
    """The end of a visit that began here: signed in, and on to the default application (OIDC Core §4)."""
    account = interaction.account
    proofs = living_proofs(interaction, account, before) if account is not None and account.is_active else []
    if account is None or not assurance.reaches(proofs, demanded(None, None)):
        return _finish(interaction, responses.go("/signin"))
    response = _way_on()
    session, is_new = _session(interaction, account, proofs, before)
    _keep(session, account, response, is_new=is_new)
    _record("sign_in", session, before, None)
    return _finish(interaction, response)


def origins_ahead(interaction: Interaction) -> list[str]:
    """Where the last form's answer may lead; browsers hold every hop of it against `form-action` (CSP3 §6.4.1)."""
    client = interaction.client if interaction.request else _default_client()
    ways = [client.initiate_login_uri or "", *client.redirect_uris] if client else [provider.settings.fund_url]
    if interaction.request:
        ways.append(interaction.request.redirect_uri)
    return sorted({responses.origin_of(way) for way in ways if way})


def _default_client() -> Client | None:
    return db.session.scalar(
        select(Client)
        .where(Client.is_default.is_(True), Client.disabled_at.is_(None))
        .order_by(Client.client_id)
        .limit(1)
    )


def _way_on() -> Response:
    default = _default_client()
    if default is None or default.initiate_login_uri is None:
        return responses.go(provider.settings.fund_url)
    return responses.go(default.initiate_login_uri, {"iss": provider.settings.issuer})


def _record(event: str, session: Session, before: Session | None, client: Client | None) -> None:
    """Write down what happened; another person's session in this browser is over, and its clients hear of it."""
    replaced = before.sid if before is not None and before.sid != session.sid else None
    client_id = client.client_id if client is not None else None
    hears = client is not None and _hears_of_the_end(client)
    if replaced is not None:
        endings.end_session(replaced)
    with transaction():
        if replaced is not None:
            endings.tell_of_session(replaced)
        if client_id is not None and hears:
            backchannel_logout.remember(session, client_id)
        audit.record(event, account_id=session.account_id, client_id=client_id, session=session.sid)


def _hears_of_the_end(client: Client) -> bool:
    """Whether this client is to hear of the end of the session, from us or in the browser."""
    return backchannel_logout.is_wanted(client) or frontchannel_logout.is_wanted(client)
