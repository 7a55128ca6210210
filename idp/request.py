"""The strict front door: one parsed, validated authorization request (OIDC Core §3.1.2.2).

`parse` either returns a request that nobody needs to check again, or raises: `BadRequestPage` while it is not certain
whom to answer, `RefusedRequest` with an error for the client once it is.
"""

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import fields
from typing import Any
from typing import Self

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749 import OAuth2Error

from . import profiles
from . import redirects
from . import request_object as request_objects
from . import request_rules as rules
from .models import Client
from .parameters import Parameters
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


@dataclass(frozen=True)
class AuthorizationRequest:
    """What a client asked; `scope` holds only what the client may have."""

    client_id: str
    redirect_uri: str
    response_type: str
    response_mode: str
    scope: tuple[str, ...]
    state: str | None = None
    nonce: str | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    login_hint: str | None = None
    id_token_hint_sub: str | None = None
    """The `sub` of a genuine ID token that came as a hint."""
    ui_locales: tuple[str, ...] = ()
    claims: Mapping[str, Any] | None = None
    resource: tuple[str, ...] = ()
    """The protected resources the tokens are for (RFC 8707 §2.1)."""
    authorization_details: tuple[Mapping[str, Any], ...] = ()
    """What is asked in more words than a scope has (RFC 9396 §2)."""
    dpop_jkt: str | None = None
    """Thumbprint of the key to which the code is bound (RFC 9449 §10)."""
    signed_with: str = "RS256"
    """The algorithm of a signed answer."""
    pushed: str | None = None
    """The handle under which it was pushed, used up once it is answered (RFC 9126 §4)."""
    decoupled: str | None = None
    """The name under which its answer waits for the program, where no browser carries it (`decoupled.py`)."""
    binding_message: str | None = None
    """What the program shows at its end, so that the person knows what is being confirmed (CIBA §7.1)."""

    @property
    def address(self) -> ReturnAddress:
        """Where the answer goes."""
        return ReturnAddress(self.client_id, self.redirect_uri, self.response_mode, self.state, self.signed_with)

    @property
    def essential_acr(self) -> tuple[str, ...]:
        """The classes of which one must be reached (OIDC Core §5.5.1.1)."""
        wish = self._id_token_wish("acr")
        return tuple(wish.get("values", ())) if wish.get("essential") else ()

    @property
    def subjects(self) -> tuple[str, ...] | None:
        """The persons of whom one must sign in, or None where anybody may (OIDC Core §3.1.2.1, §5.5.1)."""
        hinted = {self.id_token_hint_sub} if self.id_token_hint_sub else None
        wish = self._id_token_wish("sub")
        named = set(wish["values"]) if "values" in wish else None
        if hinted is not None and named is not None:
            return tuple(hinted & named)
        chosen = hinted if hinted is not None else named
        return None if chosen is None else tuple(chosen)

    def _id_token_wish(self, claim: str) -> Mapping[str, Any]:
        return ((self.claims or {}).get("id_token") or {}).get(claim) or {}

    def to_json(self) -> dict[str, Any]:
        """As an interaction keeps it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """As it was kept; members of another version of the program are left out."""
        known = {each.name for each in fields(cls)}
        kept: dict[str, Any] = {
            name: tuple(member) if isinstance(member, list) else member
            for name, member in value.items()
            if name in known
        }
        return cls(**kept)


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
        scope=rules.scope(params, client),
        prompt=("consent",),
        max_age=client.default_max_age,
        acr_values=rules.acr_values(params, client),
        id_token_hint_sub=subject,
        resource=rules.resource(params, client),
        authorization_details=rules.authorization_details(params, client),
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
    return AuthorizationRequest(
        client_id=client.client_id,
        redirect_uri=address.redirect_uri,
        response_type=response_type,
        response_mode=rules.response_mode(params, response_type, client),
        scope=rules.scope(params, client),
        state=params.get("state"),
        nonce=nonce,
        code_challenge=challenge,
        code_challenge_method="S256" if challenge else None,
        prompt=rules.prompt(params),
        max_age=rules.max_age(params, client),
        acr_values=rules.acr_values(params, client),
        login_hint=params.get("login_hint"),
        id_token_hint_sub=rules.id_token_hint(params, client),
        ui_locales=rules.words(params, "ui_locales"),
        claims=rules.claims(params),
        resource=rules.resource(params, client),
        authorization_details=rules.authorization_details(params, client),
        dpop_jkt=rules.dpop_jkt(params),
        signed_with=address.signed_with,
    )


def _signed_with(client: Client) -> str:
    return client.authorization_signed_response_alg or client.id_token_signed_response_alg
