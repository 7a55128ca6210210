"""Registration: applications that register, read, change and remove themselves (RFC 7591, RFC 7592).

What they say goes through `client_metadata.py` like what an operator says; what only an operator decides (first party,
profile, resources …) they cannot say at all. `endpoints/registration.py` speaks HTTP.
"""

import hmac
import secrets
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Error
from authlib.oauth2.rfc7591.errors import InvalidClientMetadataError
from authlib.oauth2.rfc7591.errors import InvalidRedirectURIError
from pydantic import ValidationError
from sqlalchemy import delete

from . import audit
from . import backchannel_logout
from . import client_identity
from . import client_secrets
from . import consents
from . import endings
from . import families
from . import initial_access_tokens
from . import look_alikes
from . import software_statements
from .claims import SCOPES
from .client_addresses import check_addresses
from .client_metadata import CONTRADICTION
from .client_metadata import ClientMetadata
from .client_rules import CIBA
from .client_rules import Policy
from .db import transaction
from .languages import LANGUAGES
from .models import Client
from .provider import provider
from .redirects import BadAddress
from .server import find_client

PURPOSE = "registration_access_token"
MAX_LENGTH = 128
STANDARD_SCOPES = ("openid", "profile", "email", "address", "phone", "offline_access")
"""What a client may have that no operator has looked at; the fund's own scopes are not among them."""
GRANTS = frozenset({"authorization_code", "implicit", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"})
"""In each of them a person begins; whatever happens without one is for clients an operator has registered."""
DECOUPLED = frozenset({CIBA, "urn:ietf:params:oauth:grant-type:device_code"})
ISSUED = ("registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at")
"""What only the provider says (RFC 7592 §2.2)."""


class NotAuthorized(OAuth2Error):  # type: ignore[misc]
    """No token, an unknown one or one for another client: one answer (RFC 6750 §3.1)."""

    error = "invalid_token"
    description = "A valid access token is needed."
    status_code = 401

    def get_headers(self) -> list[tuple[str, str]]:
        """RFC 6750 §3"""
        return [*super().get_headers(), ("WWW-Authenticate", 'Bearer realm="registration", error="invalid_token"')]


@dataclass(frozen=True)
class Registered:
    """A client as it is told of itself."""

    client_id: str
    issued_at: int
    metadata: Mapping[str, Any]
    """Everything that is registered, in the words of RFC 7591 §2."""
    secret: str | None = None
    """A new secret, told once."""


def register(sent: Mapping[str, Any], initial_token: str | None) -> tuple[Registered, str]:
    """Register a client, and return it with its registration access token; `initial_token` is what it brought along."""
    grant = _permission(initial_token)
    metadata = _read(sent)
    token = secrets.token_urlsafe(32)
    client = Client(
        client_id=secrets.token_hex(16),
        registration_token_hash=provider.vault.fingerprint(PURPOSE, token),
        **metadata.columns(),
    )
    secret = _new_secret(client)
    with transaction() as session:
        if grant is not None and not initial_access_tokens.spend(grant):
            raise NotAuthorized()
        session.add(client)
        audit.record("client_registered", client_id=client.client_id, reason=grant)
        return describe(client, secret), token


def authenticate(client_id: str, token: str) -> Client:
    """The client that the token manages, and no other one (CVE-2026-9793); a disabled one cannot change itself."""
    client = find_client(client_id)
    kept = (client.registration_token_hash if client is not None else None) or "-" * 43
    given = provider.vault.fingerprints(PURPOSE, token if 0 < len(token) <= MAX_LENGTH else "-")
    fits = [hmac.compare_digest(each.encode(), kept.encode()) for each in given]
    if client is None or not client.is_active or not any(fits):
        raise NotAuthorized()
    return client


def replace(client: Client, sent: Mapping[str, Any]) -> Registered:
    """Put other metadata in the place of all there is, with a secret where a new one is needed (RFC 7592 §2.2).

    Who becomes somebody else by it begins anew: what people allowed the client before is not for the one they have not
    seen (RFC 7591 §5), nor may it learn by which names they are known elsewhere (OIDC Core §8.1).
    """
    _check_identity(client, sent)
    client_id, metadata = client.client_id, _read(sent)
    before, after = client_identity.of(client), client_identity.of(Client(client_id=client_id, **metadata.columns()))
    is_another = after != before
    with endings.ending_client(client_id) if is_another else nullcontext(), transaction() as session:
        current = session.get(Client, client_id, populate_existing=True, with_for_update=True)
        if current is None or not current.is_active:  # removed or disabled while its addresses were being looked at
            raise NotAuthorized()
        if client_identity.of(current) != before:
            raise InvalidClientMetadataError("Another request has changed the client meanwhile.")
        if is_another:
            _end_all(client_id)
        for name, value in metadata.columns().items():
            setattr(current, name, value)
        client_secrets.keep_as_needed(current)
        secret = _new_secret(current)
        audit.record("client_changed", client_id=client_id, reason="by itself")
        return describe(current, secret)


def _end_all(client_id: str) -> None:
    """End what outlives the marks of `endings`, and tell the client under the names by which it knows people still."""
    families.end_of_client(client_id, "client_changed")
    consents.forget_client(client_id)
    backchannel_logout.tell_of_client(client_id)


def remove(client: Client) -> None:
    """The client is gone, with its refresh families, consents and, as nobody's, its access tokens (RFC 7592 §2.3)."""
    client_id = client.client_id
    with transaction() as session:
        session.execute(delete(Client).where(Client.client_id == client_id))
        audit.record("client_removed", client_id=client_id, reason="by itself")


def describe(client: Client, secret: str | None = None) -> Registered:
    """The client in its own words."""
    values = {name: getattr(client, name) for name in ClientMetadata.model_fields}
    named = {name: value for name, value in values.items() if value not in (None, [])}
    names = named.pop("client_name", {})
    first = Counter(names.values()).most_common(1)[0][0] if names else client.client_id
    tagged = {f"client_name#{language}": name for language, name in names.items() if name != first}
    metadata = {"client_name": first, **tagged, **named, "scope": " ".join(client.scope)}
    return Registered(client.client_id, int(client.created_at.timestamp()), metadata, secret)


def _permission(token: str | None) -> str | None:
    """The name of the initial access token, where one is needed."""
    if provider.settings.registration_policy == "open":
        return None
    found = initial_access_tokens.find(token or "")
    if found is None:
        raise NotAuthorized()
    return found.id


def _read(sent: Mapping[str, Any]) -> ClientMetadata:
    """What is said, with its statement's claims before its own, checked; raises the errors of RFC 7591 §3.2.2."""
    if any(name in sent for name in ISSUED):
        raise InvalidClientMetadataError("The metadata contain what only the provider says.")
    statement = sent.get("software_statement")
    if statement is not None:
        sent = _outvoted(sent, software_statements.read(statement))
    policy = Policy.current(https_only=provider.settings.secure)
    try:
        metadata = ClientMetadata.model_validate(_known(sent), context=policy)
        _check_grants(metadata)
        _check_names(metadata)
        _check_sector(metadata)
        check_addresses(metadata)
    except ValidationError as error:
        raise _refusal(error) from None
    except BadAddress as error:
        raise InvalidClientMetadataError(str(error)) from None
    return metadata


def _outvoted(sent: Mapping[str, Any], statement: Mapping[str, Any]) -> dict[str, Any]:
    """What a statement says counts, in every language, whatever the client says of it (RFC 7591 §2.3)."""
    said = {name.partition("#")[0] for name in statement}
    return {**{name: value for name, value in sent.items() if name.partition("#")[0] not in said}, **statement}


def _known(sent: Mapping[str, Any]) -> dict[str, Any]:
    """What we know of, with the defaults of a client no operator has looked at; null counts as left out."""
    values = {name: sent[name] for name in ClientMetadata.model_fields if sent.get(name) is not None}
    values["client_name"] = _names(sent)
    grants = values.get("grant_types")
    refreshes = isinstance(grants, list) and "refresh_token" in grants
    asked = values.get("scope", " ".join(STANDARD_SCOPES))
    if not isinstance(asked, str):  # a list, which operators may write, would bring scopes that only they can give
        raise InvalidClientMetadataError("scope: the value cannot be registered")
    allowed = [name for name in STANDARD_SCOPES if name in SCOPES and (refreshes or name != "offline_access")]
    values["scope"] = [name for name in allowed if name in asked.split()]
    return values


def _names(sent: Mapping[str, Any]) -> Any:
    """The name in each language (RFC 7591 §2.2); who has none is called by where it lives."""
    plain = sent.get("client_name")
    tagged = {
        name.partition("#")[2].split("-")[0].lower(): value
        for name, value in sent.items()
        if name.startswith("client_name#") and value is not None
    }
    if plain is not None and not isinstance(plain, str):
        return plain  # to be refused with the field's name
    names = {language: tagged.get(language, plain) for language in LANGUAGES}
    known = {language: name for language, name in names.items() if name is not None}
    return known or _host(sent.get("redirect_uris"))


def _host(uris: object) -> str:
    first = uris[0] if isinstance(uris, list) and uris and isinstance(uris[0], str) else ""
    return first.partition("://")[2].partition("/")[0][:80] or "client"


def _check_grants(metadata: ClientMetadata) -> None:
    """A stranger must not make a pensioner's telephone ring: CIBA is for those an operator has invited."""
    settings = provider.settings
    calls = {CIBA} if settings.registration_policy == "token" or settings.conformance else set()
    if not set(metadata.grant_types) <= GRANTS | calls:
        raise InvalidClientMetadataError("grant_types: only an operator can give a client these")


def _check_names(metadata: ClientMetadata) -> None:
    """Nobody who comes by itself bears the fund's name or the portal's, or one like them (RFC 7591 §5)."""
    own = {look_alikes.skeleton(name) for name in (provider.settings.portal, *provider.settings.fund.values())} - {""}
    for shown in metadata.client_name.values():
        plain = look_alikes.skeleton(shown)
        if look_alikes.is_mixed(shown) or any(name in plain for name in own):
            raise InvalidClientMetadataError("client_name: the value cannot be registered")


def _check_sector(metadata: ClientMetadata) -> None:
    """Pairwise names are those of a sector, and what proves that one belongs to it is that the answers go there.

    Those of a decoupled request go to whoever asked: such a client is a sector of its own (OIDC Core §8.1).
    """
    names_a_sector = metadata.redirect_uris or metadata.sector_identifier_uri
    if metadata.subject_type == "pairwise" and names_a_sector and DECOUPLED & set(metadata.grant_types):
        raise InvalidClientMetadataError("subject_type: only an operator can give pairwise together with these grants")


def _refusal(error: ValidationError) -> OAuth2Error:
    """Name the field, which is a word of ours, and never its value; the rule's number has no safe characters."""
    problem = error.errors()[0]
    field = str(problem["loc"][0]) if problem["loc"] else ""
    sentence = f"{field}: the value cannot be registered"
    if problem["type"] == CONTRADICTION:
        sentence = str(problem["msg"]).partition(" (")[0]
    is_of_redirects = sentence.startswith("redirect_uris")
    return InvalidRedirectURIError(sentence) if is_of_redirects else InvalidClientMetadataError(sentence)


def _check_identity(client: Client, sent: Mapping[str, Any]) -> None:
    """RFC 7592 §2.2: its own client_id, and its own secret if it names one."""
    if sent.get("client_id") != client.client_id:
        raise InvalidClientMetadataError("client_id: it must be that of the client")
    secret = sent.get("client_secret")
    if secret is not None and not (isinstance(secret, str) and client_secrets.is_right(client, secret)):
        raise InvalidClientMetadataError("client_secret: it must be that of the client")


def _new_secret(client: Client) -> str | None:
    if not client_secrets.is_needed(client):
        return None
    secret = client_secrets.make(client.token_endpoint_auth_method)
    client_secrets.add(client, secret)
    return secret
