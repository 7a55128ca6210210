"""A provider on a free port that says whatever a test wants: the portal's checks are tried against its lies."""

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from urllib.parse import parse_qsl
from urllib.parse import urlsplit

from flask import Flask
from flask import Response
from flask import jsonify
from flask import request
from joserfc import jwt
from joserfc.jwk import ECKey
from werkzeug.serving import make_server

CLIENT_ID, CLIENT_SECRET = "demo", "s3cret-of-the-portal"
PERSON = {
    "sub": "4f1c",
    "name": "Élisabeth Rochat",
    "given_name": "Élisabeth",
    "family_name": "Rochat",
    "birthdate": "1948-03-27",
    "locale": "fr",
    "email": "e.rochat@example.org",
    "email_verified": True,
    "person_number": "P-100234",
    "enrolled_at": 1764241200,
}
SEVEN_PAST_TWO = 1773320700  # 12 March 2026, 14:05 in Zurich (13:05 UTC)


@dataclass
class FakeProvider:
    """What it says of itself and of the person; tests change it."""

    issuer: str
    key: ECKey = field(
        default_factory=lambda: ECKey.generate_key("P-256", {"kid": "one", "use": "sig", "alg": "ES256"})
    )
    signing_key: ECKey | None = None
    """Signs instead of the published key."""
    metadata: dict[str, Any] = field(default_factory=dict)
    id_token: dict[str, Any] = field(default_factory=dict)
    person: dict[str, Any] = field(default_factory=lambda: dict(PERSON))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    token_requests: list[dict[str, str]] = field(default_factory=list)

    def answer(self, location: str, **changes: str | None) -> dict[str, str]:
        """What it sends back to the callback for this authorization request, changed as told; None removes."""
        asked = dict(parse_qsl(urlsplit(location).query))
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        told = {"code": code, "state": asked["state"], "iss": self.issuer, **changes}
        return {name: value for name, value in told.items() if value is not None}

    def describe(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "end_session_endpoint": f"{self.issuer}/logout",
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }

    def redeem(self, form: dict[str, str]) -> tuple[dict[str, Any], int]:
        self.token_requests.append(form)
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or form.get("redirect_uri") != asked["redirect_uri"]:
            return {"error": "invalid_grant"}, 400
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]:
            return {"error": "invalid_grant"}, 400
        now = int(time.time())
        claims = {
            **{"iss": self.issuer, "aud": CLIENT_ID, "sub": PERSON["sub"], "iat": now, "exp": now + 300},
            **{"nonce": asked["nonce"], "auth_time": SEVEN_PAST_TWO, "acr": "urn:vpk:acr:two-factor"},
            "amr": ["mfa", "pwd", "sms"],
            **self.id_token,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        key = self.signing_key or self.key
        token = jwt.encode({"alg": "ES256", "kid": self.key.kid}, claims, key, algorithms=["ES256"])
        return {"access_token": "the-access-token", "token_type": "Bearer", "expires_in": 300, "id_token": token}, 200


@contextmanager
def running(port: int) -> Iterator[FakeProvider]:
    provider = FakeProvider(f"http://localhost:{port}")
    app = Flask("fake_provider")

    @app.get("/.well-known/openid-configuration")
    def discovery() -> Response:
        return jsonify(provider.describe())

    @app.get("/jwks")
    def jwks() -> Response:
        return jsonify({"keys": [provider.key.as_dict(private=False)]})

    @app.post("/token")
    def token() -> Response | tuple[Response, int]:
        given = request.authorization
        if given is None or (given.username, given.password) != (CLIENT_ID, CLIENT_SECRET):
            return jsonify({"error": "invalid_client"}), 401
        value, status = provider.redeem(request.form.to_dict())
        return jsonify(value), status

    @app.get("/userinfo")
    def userinfo() -> Response | tuple[str, int]:
        if request.headers.get("Authorization") != "Bearer the-access-token":
            return "", 401
        return jsonify(provider.person)

    server = make_server("localhost", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
