"""The authorization endpoint: a request comes in, and either a page is due or the client is answered.

`begin` reads the request and starts an interaction; what happens between, and the decision at the end, is the flows'
and `decision.py`'s business.
"""

from functools import cache

from flask import Blueprint
from flask import Response
from flask import request as http

from .. import authorization_response
from .. import errors
from .. import interaction as interactions
from .. import posted
from .. import pushed
from .. import response as responses
from .. import session as sessions
from .. import subjects
from ..authorization_request import AuthorizationRequest
from ..decision import FRESH_PROMPTS
from ..decision import decide
from ..decision import may_still_answer
from ..decision import refuse
from ..flow import next_page
from ..flow import offered_flows
from ..models import Account
from ..models import Client
from ..parameters import Malformed
from ..parameters import Parameters
from ..parameters import read_form
from ..parameters import read_query
from ..request import BadRequestPage
from ..request import FindClient
from ..request import RefusedRequest
from ..request import parse
from ..server import find_client
from ..session import Session
from ..whereabouts import open_page

blueprint = Blueprint("authorize", __name__)
METADATA = {"authorization_endpoint": "/authorize"}

KIND = "posted_authorization"


@blueprint.get("/authorize")
def begin() -> Response:
    """Answer a request, or show the first page that is due."""
    errors.refuse_head()
    find = cache(find_client)  # each row is read once; held here, the database session keeps it
    params = read_query(http)
    handle = params.get(posted.HANDLE)
    request = _read(params, find) if handle is None else _posted(handle)
    client, session = find(request.client_id), sessions.current()
    account = session.account if session else None
    if client is None or not may_still_answer(request, client):  # pushed or posted some time ago
        raise BadRequestPage("client or redirect_uri withdrawn")
    interaction = interactions.begin(
        "enrol" if "create" in request.prompt else "sign_in",
        request=request,
        client_id=request.client_id,
        session=_usable(session, account, request, client),
    )
    page = next_page(offered_flows(), interaction)
    if page is None:
        return decide(interaction, session)
    if "none" in request.prompt:
        return refuse(request, page[0].error())
    return open_page(interaction)


@blueprint.post("/authorize")
def accept() -> Response:
    """Check a posted request at once, and go on by GET (OIDC Core §3.1.2.1, decision 10)."""
    request = _read(read_form(http), find_client)
    reference = pushed.reference(request)
    if reference is not None:  # it waits already, and must not outlive its minute (RFC 9126 §4)
        return responses.go("/authorize", {"client_id": request.client_id, "request_uri": reference})
    return responses.go("/authorize", {posted.HANDLE: posted.keep(KIND, request.to_json())})


@blueprint.errorhandler(Malformed)
@blueprint.errorhandler(BadRequestPage)
def stay(error: Exception) -> Response:
    """A page here, and no redirect anywhere (RFC 6749 §4.1.2.1)."""
    return errors.client_error(str(error))


@blueprint.errorhandler(RefusedRequest)
def tell(refusal: RefusedRequest) -> Response:
    """The client is told at its registered address."""
    return authorization_response.refuse(refusal.address, refusal.error)


def _read(params: Parameters, find: FindClient) -> AuthorizationRequest:
    """The request itself, or the one its client pushed before (RFC 9126 §4)."""
    reference, client = params.get("request_uri") or "", find(params.get("client_id") or "")
    if not reference.startswith(pushed.PREFIX):
        return parse(params, find)
    if params.repeated or client is None or not client.is_active:
        raise BadRequestPage("pushed request of nobody")
    return pushed.find(reference, client)


def _posted(handle: str) -> AuthorizationRequest:
    value = posted.find(KIND, handle)
    if value is None:
        raise BadRequestPage("posted request expired")
    return AuthorizationRequest.from_json(value)


def _usable(
    session: Session | None, account: Account | None, request: AuthorizationRequest, client: Client
) -> Session | None:
    """The session, if its proofs may count here (OIDC Core §3.1.2.1).

    Not where the client wants the person asked again, nor where it expects somebody else.
    """
    if session is None or account is None or FRESH_PROMPTS & set(request.prompt) or request.max_age == 0:
        return None
    if request.subjects is not None and subjects.of(account.id, client) not in request.subjects:
        return None
    return session
