"""The relying party: what is asked of the provider, and what is checked before its answer is believed.

Everything about the provider comes from its discovery document. Authlib sends the requests and checks the ID token;
what it leaves to its users is checked here: the issuer of the document (OIDC Discovery §4.3), `iss` in the answer
(RFC 9207 §2.4), the audience (OIDC Core §3.1.3.7) and the `sub` of userinfo (OIDC Core §5.3.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.flask_client import FlaskOAuth2App
from authlib.integrations.flask_client import OAuth
from flask import Flask
from flask import Response
from flask import session
from joserfc.errors import JoseError
from requests import RequestException

from .settings import Settings

NAME = "provider"
SCOPE = "openid profile email phone pension"
PENDING = f"_state_{NAME}_"
MOST_PENDING = 20
TIMEOUT_SECONDS = 10
LEEWAY_SECONDS = 30

CANCELLED = frozenset({"access_denied"})
UNAVAILABLE = frozenset({"server_error", "temporarily_unavailable"})
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
"""Never `none`, and never one that would make our own secret the provider's key (RFC 8725 §3.1)."""


class Refused(Exception):
    """The sign-in did not succeed; `kind` names the page that says so."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind


class UnknownState(Refused):
    """An answer that this browser did not ask for, or asked for too long ago."""

    def __init__(self) -> None:
        super().__init__("expired", "the state is unknown")


@dataclass(frozen=True)
class SignIn:
    """A person who was proven."""

    id_token: str
    proof: dict[str, Any]
    """The claims of the ID token: who said it, how and when the person was proven."""
    person: dict[str, Any]
    """The claims of userinfo."""


class RelyingParty:
    """The portal, seen from the provider."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._settings = settings
        self._oauth = OAuth(app)
        self._client: FlaskOAuth2App = self._oauth.register(
            NAME,
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            server_metadata_url=f"{settings.issuer}/.well-known/openid-configuration",
            client_kwargs={
                "scope": SCOPE,
                "code_challenge_method": "S256",
                "default_timeout": TIMEOUT_SECONDS,
            },
        )

    def begin(self, language: str, **wishes: str) -> Response:
        """Send the browser to the provider; `wishes` are `prompt` and `login_hint`."""
        client = self._discovered()
        _forget_oldest_attempts()
        return client.authorize_redirect(self._settings.callback, ui_locales=language, **wishes)

    def finish(self, answer: Mapping[str, str]) -> SignIn:
        """Check the provider's answer and fetch who it is."""
        client = self._discovered()
        state = answer.get("state", "")
        if not client.framework.get_state_data(session, state):
            raise UnknownState()
        self._check_issuer(answer)
        if "error" in answer:
            client.framework.clear_state_data(session, state)
            raise Refused(_kind_of(answer["error"]), "the provider answered with an error")
        try:
            return self._redeem(client)
        except RequestException as error:
            raise Refused("unavailable", f"the provider cannot be reached: {type(error).__name__}") from error
        except (AuthlibBaseError, JoseError, ValueError, KeyError) as error:
            raise Refused("refused", f"the answer cannot be trusted: {error}") from error

    def end(self, id_token: str | None, language: str) -> Response:
        """Send the browser to end the session at the provider, too (OIDC RP-Initiated Logout §2)."""
        return self._discovered().logout_redirect(
            post_logout_redirect_uri=self._settings.signed_out,
            id_token_hint=id_token,
            client_id=self._settings.client_id,
            ui_locales=language,
        )

    def has_ended(self) -> bool:
        """Whether this request is the provider's answer to `end`: its `state` is the one that was sent."""
        try:
            self._client.validate_logout_response()
        except AuthlibBaseError:
            return False
        return True

    def _discovered(self) -> FlaskOAuth2App:
        """The client, knowing its provider; a document of another issuer is not believed."""
        try:
            metadata = self._client.load_server_metadata()
        except (RequestException, ValueError) as error:
            raise Refused("unavailable", f"discovery failed: {type(error).__name__}") from error
        if metadata.get("issuer") != self._settings.issuer:
            metadata.clear()
            raise Refused("unavailable", "the discovery document is of another issuer")
        offered = metadata.get("id_token_signing_alg_values_supported", ["RS256"])
        metadata["id_token_signing_alg_values_supported"] = [name for name in offered if name in ALGORITHMS]
        return self._client

    def _check_issuer(self, answer: Mapping[str, str]) -> None:
        """Whoever answers must be who was asked, errors included (RFC 9207 §2.4)."""
        expected = bool(self._client.server_metadata.get("authorization_response_iss_parameter_supported"))
        if (expected or "iss" in answer) and answer.get("iss") != self._settings.issuer:
            raise Refused("refused", "the answer names another issuer")

    def _redeem(self, client: FlaskOAuth2App) -> SignIn:
        """Exchange the code; the ID token is checked before anything is believed, userinfo after."""
        token = client.authorize_access_token(
            leeway=LEEWAY_SECONDS,
            claims_options={
                "iss": {"essential": True, "value": self._settings.issuer},
                "aud": {"essential": True, "value": self._settings.client_id},
            },
        )
        proof = token.get("userinfo")
        if proof is None:
            raise Refused("refused", "there is no ID token")
        person = client.userinfo(token=token)
        if person.get("sub") != proof["sub"]:
            raise Refused("refused", "userinfo speaks of somebody else")
        return SignIn(token["id_token"], dict(proof), dict(person))


def _forget_oldest_attempts() -> None:
    """Many a sign-in is begun and never finished; the newest are enough."""
    pending = sorted((value["exp"], key) for key, value in session.items() if key.startswith(PENDING))
    for _, key in pending[: max(0, len(pending) - MOST_PENDING + 1)]:
        session.pop(key)


def _kind_of(error: str) -> str:
    if error in CANCELLED:
        return "cancelled"
    return "unavailable" if error in UNAVAILABLE else "refused"
