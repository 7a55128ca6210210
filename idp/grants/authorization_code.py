"""The authorization code: issued to the browser, redeemed by the client, once (RFC 6749 §4.1)."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from .. import audit
from .. import endings
from .. import families
from .. import id_token
from .. import profiles
from .. import redirects
from .. import sender_constraint
from .. import tokens
from ..authorization import Authorization
from ..authorization_request import AuthorizationRequest
from ..clock import now
from ..db import db
from ..db import transaction
from ..models import Account
from ..models import Client
from ..provider import provider
from ..store import AlreadyTaken
from ..token_grant import TokenGrant
from ..token_grant import set_aside

KIND = "code"
_CODE = re.compile(r"[A-Za-z0-9_\-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")


def issue(authorization: Authorization, request: AuthorizationRequest) -> tuple[str, Authorization]:
    """Make a code of 256 random bits; only its hash is kept, for a minute (RFC 6749 §4.1.2, §10.10).

    The family's name follows from the code, so that a replay names what it must end, whatever has been forgotten. What
    travels beside the code is of that family, too: it is made from the authorization that comes back with it.
    """
    code = secrets.token_urlsafe(32)
    authorization = replace(authorization, family=_family(code))
    value = {
        "authorization": authorization.to_json(),
        "redirect_uri": request.redirect_uri,
        "code_challenge": request.code_challenge,
        "dpop_jkt": request.dpop_jkt,
    }
    provider.store.put(KIND, _key(code), value, provider.settings.code_seconds)
    return code, authorization


class AuthorizationCodeGrant(TokenGrant):
    """Exchanges a code for tokens (RFC 6749 §4.1.3)."""

    GRANT_TYPE = "authorization_code"

    def redeem(self, client: Client, form: Mapping[str, str]) -> dict[str, Any]:
        """Take the code, check everything it is bound to, mint: in this order, so that no error leaves it usable.

        Only what is not the request's fault comes before: the client may come again with the code.
        """
        code = form.get("code")
        if code is None:
            raise InvalidRequestError("The code is missing.")
        id_token.check_key(client)
        value = _take(code, client)
        authorization = Authorization.from_json(value["authorization"])
        _check_binding(value, authorization, client, form)
        _check_verifier(value["code_challenge"], form.get("code_verifier"))
        _check_key(value.get("dpop_jkt"), self.confirmation)
        account = db.session.get(Account, authorization.account_id)
        if account is None or not authorization.holds(account) or _is_over(authorization, client):
            raise InvalidGrantError("The code is not valid.")
        authorization = self.bound(authorization.within(client))
        limited = self.limited(authorization)
        with set_aside(account, client):
            refresh_token = _start_family(authorization, client)
        return tokens.mint(limited, account, client, refresh_token=refresh_token, nonce=authorization.nonce)


def _take(code: str, client: Client) -> dict[str, Any]:
    """The code's value, for whoever comes first; a replay ends what the first one got (RFC 6749 §4.1.2)."""
    if not _CODE.fullmatch(code):
        raise InvalidGrantError("The code is not valid.")
    settings = provider.settings
    remember = settings.code_seconds + settings.access_token_seconds + endings.SLACK_SECONDS
    try:
        value = provider.store.take(KIND, _key(code), remember=remember)
    except AlreadyTaken:
        _end_family(code, client)
        raise InvalidGrantError("The code is not valid.") from None
    if value is None:
        if families.exists(_family(code)):  # the store has forgotten the replayed code, the database has not
            _end_family(code, client)
        raise InvalidGrantError("The code is not valid.")
    return value


def _end_family(code: str, client: Client) -> None:
    families.end(_family(code), "code_reused")
    with transaction():
        audit.record("code_reused", outcome="refused", client_id=client.client_id)


def _check_binding(
    value: Mapping[str, Any], authorization: Authorization, client: Client, form: Mapping[str, str]
) -> None:
    """RFC 6749 §4.1.3: only the client it was issued to, with the same redirect_uri; one withdrawn since is void."""
    if authorization.client_id != client.client_id:
        with transaction():
            audit.record("code_of_another_client", outcome="refused", client_id=client.client_id)
        raise InvalidGrantError("The code is not valid.")
    redirect_uri, native = value["redirect_uri"], client.application_type == "native"
    is_registered = redirects.fits(redirect_uri, client.redirect_uris, native=native)
    if form.get("redirect_uri") != redirect_uri or not is_registered:
        raise InvalidGrantError("The redirect_uri is not the one of the authorization request.")


def _check_verifier(challenge: str | None, verifier: str | None) -> None:
    """RFC 7636 §4.6; a verifier without a challenge is a downgrade (RFC 9700 §2.1.1)."""
    if challenge is None and verifier is None:
        return
    if challenge is None or verifier is None or not _VERIFIER.fullmatch(verifier):
        raise InvalidGrantError("The code_verifier does not fit.")
    if not hmac.compare_digest(create_s256_code_challenge(verifier), challenge):
        raise InvalidGrantError("The code_verifier does not fit.")


def _check_key(jkt: str | None, confirmation: Mapping[str, str] | None) -> None:
    """A code bound to a key is for nobody who does not hold it (RFC 9449 §10)."""
    if jkt is not None and not sender_constraint.is_same({sender_constraint.KEY: jkt}, confirmation):
        raise InvalidGrantError("The code is bound to another key.")


def _is_over(authorization: Authorization, client: Client) -> bool:
    """Whether the code is too old, or its session or consent ended before it was redeemed."""
    seconds, longest = provider.settings.code_seconds, profiles.of(client).code_seconds
    ends = authorization.at + (seconds if longest is None else min(seconds, longest))
    return now().timestamp() > ends or endings.is_cut_off(authorization)


def _start_family(authorization: Authorization, client: Client) -> str | None:
    """The first refresh token, where offline access was granted (OIDC Core §11)."""
    if "offline_access" not in authorization.scope or "refresh_token" not in client.grant_types:
        return None
    return families.start(authorization)


def _key(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def _family(code: str) -> str:
    return hashlib.sha256(f"family:{code}".encode()).hexdigest()[:43]
