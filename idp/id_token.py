"""The ID token: who signed in, when and how, for one client (OIDC Core §2); and the ID tokens we get back as hints."""

from typing import Any

from keys import InvalidToken
from keys import encryption
from keys.algorithms import left_half_hash

from . import claims
from . import subjects
from .authorization import Authorization
from .client_encryption import encrypted
from .clock import epoch
from .models import Account
from .models import Client
from .provider import provider

TYPES = ("JWT",)
"""Other things we sign have types of their own and never pass for an ID token (RFC 8725 §3.11)."""


def issue(
    authorization: Authorization,
    account: Account,
    client: Client,
    *,
    access_token: str | None = None,
    code: str | None = None,
    state: str | None = None,
    nonce: str | None = None,
    with_scope_claims: bool = False,
) -> str:
    """Sign an ID token, and encrypt it for a client that registered so.

    `aud` is the client and nobody else, so there is no `azp` (OIDC Core §2).
    It vouches for the access token, code and state beside it by their hashes (OIDC Core §3.3.2.11, FAPI 1.0 Advanced
    §5.1.1). Where no access token is given, nobody can ask userinfo, and the scopes' claims stand here (§5.4).
    """
    alg, moment = client.id_token_signed_response_alg, epoch()
    stated: dict[str, Any] = {
        "iss": provider.settings.issuer,
        "sub": subjects.of(account.id, client),
        "aud": client.client_id,
        "exp": moment + provider.settings.id_token_seconds,
        "iat": moment,
        "auth_time": authorization.auth_time,
        "nonce": nonce,
        "acr": authorization.acr,
        "amr": list(authorization.amr),
        "sid": _session_name(authorization, client),
        "at_hash": left_half_hash(access_token, alg) if access_token else None,
        "c_hash": left_half_hash(code, alg) if code else None,
        "s_hash": left_half_hash(state, alg) if state else None,
    }
    asked = claims.for_id_token(account, client, authorization.claims)
    if with_scope_claims:
        asked |= claims.for_userinfo(account, client, authorization.scope, None)
    known = {name: value for name, value in stated.items() if value is not None}
    signed = provider.keys.sign({**asked, **known}, alg=alg)
    return _encrypted(signed, client)


def check_key(client: Client) -> None:
    """Raise now what would keep an ID token from being encrypted to the client later: before anything is spent."""
    _encrypted("", client)


def _encrypted(signed: str, client: Client) -> str:
    how = client.id_token_encrypted_response_alg, client.id_token_encrypted_response_enc
    return encrypted(signed, client, *how, cty="JWT")


def _session_name(authorization: Authorization, client: Client) -> str | None:
    """For a client that ends sessions or hears of their end; the name of one is nothing to others."""
    takes_part = client.backchannel_logout_uri or client.frontchannel_logout_uri or client.post_logout_redirect_uris
    sid = authorization.sid
    return subjects.session_name(sid, client) if sid is not None and takes_part else None


def read(token: str) -> dict[str, Any] | None:
    """The claims of an ID token of ours, expired or not; None for anything else (OIDC RP-Initiated Logout §2).

    Signature, key, algorithm and type are the ring's to check, issuer and audience are checked here: an access token,
    a logout token or a token of another issuer is no hint. A client whose ID tokens are encrypted opens one first, and
    may encrypt it again, to us (OIDC Core §3.1.2.1).
    """
    try:
        signed = provider.keys.decrypt(token) if encryption.is_encrypted(token) else token
        stated = provider.keys.verify(signed, typ=TYPES)
    except InvalidToken:
        return None
    texts = ("iss", "sub", "aud")
    if not all(isinstance(stated.get(name), str) for name in texts) or not isinstance(stated.get("iat"), int):
        return None
    return stated if stated["iss"] == provider.settings.issuer else None
