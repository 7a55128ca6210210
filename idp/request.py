"""The strict front door: one parsed, validated authorization request (OIDC Core §3.1.2.2).

`parse` either returns a request that nobody needs to check again, or raises: `BadRequestPage` while it is not certain
whom to answer, `RefusedRequest` with an error for the client once it is.
"""

from collections.abc import Callable

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749 import OAuth2Error

from . import profiles
from . import redirects
from . import request_object as request_objects
from . import request_rules as rules
from . import resources
from .authorization_request import AuthorizationRequest
from .models import Client
from .parameters import Parameters
from .provider import provider
from .response import ReturnAddress

FindClient = Callable[[str], Client | None]


class BadRequestPage(Exception):
    """The browser must stay here: an error redirect could carry it anywhere (RFC 6749 §4.1.2.1)."""


class RefusedRequest(Exception):
    """The client is told of its mistake at the address it registered."""

    def __init__(self, error: OAuth2Error, address: ReturnAddress) -> None:
        super().__init__(error.error)
        self.error = error
        self.address = address


def parse(params: Parameters, find_client: FindClient, *, pushed: bool = False) -> AuthorizationRequest:
    """Validate a request: first whom to answer, then everything else; `pushed` by a client that proved who it is."""
    client = _client(params, find_client)
    try:
        inner, stated = request_objects.open_(params, client)
    except OAuth2Error as error:
        if pushed:  # the client itself is told, wherever its browser should have gone
            raise
        raise RefusedRequest(error, _return_address(params, client, is_read=False)) from None
    address = _return_address(inner, client)
    try:
        if not pushed and _must_push(client):
            raise InvalidRequestError("The client must push its requests.")
        request_objects.check(stated, client)
        return _validated(inner, client, address, pushed=pushed)
    except OAuth2Error as error:
        raise RefusedRequest(error, address) from None


def without_browser(
    params: Parameters, client: Client, kind: str, *, subject: str | None = None
) -> AuthorizationRequest:
    """Validate what a program asks without a browser (RFC 8628 §3.1, CIBA §7.1); consent is always asked for."""
    rules.refuse_oversize(params)
    return AuthorizationRequest(
        client_id=client.client_id,
        redirect_uri="",
        response_type=kind,
        response_mode="",
        scope=rules.scope(params, client, kind),
        prompt=("consent",),
        max_age=client.default_max_age,
        acr_values=rules.acr_values(params, client),
        id_token_hint_sub=subject,
        resource=rules.resource(params, client, resources.userinfo()),
        authorization_details=rules.authorization_details(params, client, consent=True),
        binding_message=rules.binding_message(params),
    )


def _must_push(client: Client) -> bool:
    return client.require_pushed_authorization_requests or profiles.of(client).pushed_request


def _client(params: Parameters, find_client: FindClient) -> Client:
    client_id = params.get("client_id")
    if client_id is None or "client_id" in params.repeated:
        raise BadRequestPage("client_id missing or repeated")
    client = find_client(client_id)
    if client is None or not client.is_active:
        raise BadRequestPage("unknown client")
    return client


def _return_address(params: Parameters, client: Client, *, is_read: bool = True) -> ReturnAddress:
    """Where to answer, before anything else is looked at (CVE-2026-44681): exactly a registered address."""
    redirect_uri = params.get("redirect_uri")
    if redirect_uri is None or "redirect_uri" in params.repeated:
        raise BadRequestPage("redirect_uri missing or repeated")
    native = client.application_type == "native"
    if not redirects.fits(redirect_uri, client.redirect_uris, native=native):
        raise BadRequestPage("redirect_uri not registered")
    mode = rules.response_mode_for_errors(params, client, is_read=is_read)
    return ReturnAddress(client.client_id, redirect_uri, mode, rules.state_for_errors(params), _signed_with(client))


def _validated(params: Parameters, client: Client, address: ReturnAddress, *, pushed: bool) -> AuthorizationRequest:
    if params.repeated:
        raise InvalidRequestError("A parameter is repeated.")
    rules.refuse_unsupported(params)
    rules.refuse_oversize(params)
    response_type = rules.response_type(params, client)
    challenge = rules.code_challenge(params)
    nonce = rules.nonce(params, client, response_type, challenge, pushed=pushed)
    prompt = rules.prompt(params)
    return AuthorizationRequest(
        client_id=client.client_id,
        redirect_uri=address.redirect_uri,
        response_type=response_type,
        response_mode=rules.response_mode(params, response_type, client),
        scope=rules.scope(params, client, response_type),
        state=params.get("state"),
        nonce=nonce,
        code_challenge=challenge,
        code_challenge_method="S256" if challenge else None,
        prompt=prompt,
        max_age=rules.max_age(params, client),
        acr_values=rules.acr_values(params, client),
        login_hint=params.get("login_hint"),
        id_token_hint_sub=rules.id_token_hint(params, client),
        ui_locales=rules.words(params, "ui_locales"),
        claims=rules.claims(params),
        resource=rules.resource(params, client, resources.userinfo()),
        authorization_details=rules.authorization_details(params, client, consent="consent" in prompt),
        dpop_jkt=rules.dpop_jkt(params),
        signed_with=address.signed_with,
    )


def _signed_with(client: Client) -> str:
    return client.authorization_signed_response_alg or profiles.usual_algorithm(client, provider.keys.algorithms)
