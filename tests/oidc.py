"""Small words for protocol tests: a client, an account, a signed-in browser, a code and its tokens."""

import base64
import hashlib
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl
from urllib.parse import urlsplit

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from idp import client_secrets
from idp.assurance import Proof
from idp.clock import epoch
from idp.clock import now
from idp.db import db
from idp.models import Account
from idp.models import Authenticator
from idp.models import Client
from idp.models import Consent
from idp.provider import provider
from idp.session import Session
from keys import algorithms

CALLBACK = "https://rp.example/cb"
Configure = Callable[..., None]
"""The fixture `configure`: other settings for one test."""
SECRET = "s" * 43
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
EVERY_SCOPE = "openid profile email address phone offline_access pension"


def a_client(client_id: str = "portal", **values: Any) -> Client:
    """A registered client; what is not given is that of a careful confidential web application."""
    given = {
        "client_name": {"en": client_id},
        "application_type": "web",
        "secret_hashes": [client_secrets.fingerprint(SECRET)],
        "token_endpoint_auth_method": "client_secret_basic",
        "redirect_uris": [CALLBACK],
        "post_logout_redirect_uris": [],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "scope": EVERY_SCOPE.split(),
        "id_token_signed_response_alg": "ES256",
        "token_endpoint_auth_signing_alg": None,
        "jwks": None,
        "require_pkce": True,
        "first_party": True,
        "is_default": False,
    }
    if values.get("token_endpoint_auth_method") in ("none", "private_key_jwt"):
        given["secret_hashes"] = []
    db.session.rollback()
    client = Client(client_id=client_id, **{**given, **values})
    db.session.add(client)
    db.session.commit()
    return client


def an_account(email: str = "anna@example.ch", **values: Any) -> Account:
    """An account of yesterday, with a phone that receives codes."""
    moment = now() - timedelta(days=1)
    given = {
        "email": email,
        "email_fingerprint": provider.vault.fingerprint("email", email),
        "email_verified_at": moment,
        "password_hash": "$argon2id$unused",
        "password_changed_at": moment,
        "language": "fr",
        "terms_version": "1",
        "terms_accepted_at": moment,
        "created_at": moment,
        "factors_changed_at": moment,
        "sessions_valid_after": moment,
    }
    db.session.rollback()
    account = Account(**{**given, **values})
    db.session.add(account)
    db.session.flush()
    phone = Authenticator(account_id=account.id, kind="sms", data={"phone": "+41791234567"})
    db.session.add(phone)
    db.session.commit()
    return account


def change(row: Any, **values: Any) -> None:
    """Change a row, as somebody else would: on what is there now."""
    db.session.rollback()
    for name, value in values.items():
        setattr(row, name, value)
    db.session.commit()


def sign_in(browser: FlaskClient, account: Account, *methods: str, at: int | None = None) -> Session:
    """Give the browser a session in which these methods have succeeded: password and SMS unless said otherwise."""
    moment = epoch() if at is None else at
    proofs = [Proof(method, moment) for method in methods or ("pwd", "sms")]
    session = Session(account.id, proofs, started_at=now().timestamp() if at is None else at, seen_at=epoch())
    cookie = secrets.token_urlsafe(32)
    provider.store.put("session", hashlib.sha256(cookie.encode()).hexdigest(), session.to_json(), 43200)
    browser.set_cookie("idp_session", cookie)
    return session


def consent(account: Account, client: Client, scope: str) -> None:
    """What the account allows the client."""
    account_id, client_id = account.id, client.client_id
    db.session.rollback()
    db.session.add(Consent(account_id=account_id, client_id=client_id, scope=scope.split(), granted_at=now()))
    db.session.commit()


def request_of(client: Client, **changes: Any) -> dict[str, str]:
    """The parameters of a right authorization request; a change to None leaves one out."""
    params = {
        "client_id": client.client_id,
        "redirect_uri": client.redirect_uris[0],
        "response_type": "code",
        "scope": "openid",
        "state": "state-1",
        "nonce": "nonce-1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in {**params, **changes}.items() if value is not None}


def authorize(browser: FlaskClient, client: Client, **changes: Any) -> TestResponse:
    """Send the request."""
    return browser.get("/authorize", query_string=request_of(client, **changes))


def answer(response: TestResponse) -> dict[str, str]:
    """The parameters of an answer in the query or the fragment of a redirect, each once."""
    assert response.status_code == 303, response.text
    address = urlsplit(response.headers["Location"])
    pairs = parse_qsl(address.fragment or address.query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def code_for(browser: FlaskClient, client: Client, **changes: Any) -> str:
    """An authorization code of a signed-in browser."""
    given = answer(authorize(browser, client, **changes))
    assert "code" in given, given
    return given["code"]


def basic(client_id: str = "portal", secret: str = SECRET) -> dict[str, str]:
    """The Authorization header of client_secret_basic."""
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def redeem(
    browser: FlaskClient, code: str, /, *, headers: dict[str, str] | None = None, **changes: Any
) -> TestResponse:
    """Exchange a code as the client `portal`, unless changed."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        **changes,
    }
    sent = {name: value for name, value in form.items() if value is not None}
    return browser.post("/token", data=sent, headers=basic() if headers is None else headers)


def tokens_for(browser: FlaskClient, client: Client, **changes: Any) -> dict[str, Any]:
    """What a signed-in browser's code brings."""
    response = redeem(browser, code_for(browser, client, **changes))
    assert response.status_code == 200, response.text
    return response.json


def refresh(browser: FlaskClient, token: str, *, headers: dict[str, str] | None = None, **more: str) -> TestResponse:
    """Exchange a refresh token as the client `portal`, unless changed."""
    form = {"grant_type": "refresh_token", "refresh_token": token, **more}
    return browser.post("/token", data=form, headers=basic() if headers is None else headers)


def userinfo(browser: FlaskClient, access_token: str) -> TestResponse:
    """Ask for the claims of the person."""
    return browser.get("/userinfo", headers={"Authorization": f"Bearer {access_token}"})


def id_token_claims(token: str) -> dict[str, Any]:
    """The claims of an ID token, verified with the published key that its header names, as a client does."""
    header = algorithms.read_header(token)
    jwk = next(key for key in provider.keys.jwks()["keys"] if key["kid"] == header["kid"])
    return algorithms.verify(token, algorithms.from_jwk(jwk), header["alg"])


def is_error(response: TestResponse, error: str, status: int = 400) -> bool:
    """Whether it is this OAuth error, as JSON, kept by no cache, with a description of safe characters."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    description = response.json.get("error_description", "")
    assert all(" " <= char <= "~" and char not in '"\\' for char in description)
    return response.json["error"] == error
