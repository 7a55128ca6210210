"""What the portal must know before it starts, read once from the environment (`DEMO_ISSUER`, `DEMO_CLIENT_ID` …)."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from urllib.parse import urlsplit


class BadSetting(SystemExit):
    """The portal does not start; the text says which setting is wrong and how to make it right."""


@dataclass(frozen=True)
class Settings:
    """The frozen configuration of one portal."""

    issuer: str
    """The provider's address, exactly as it names itself: `http://localhost:8400`."""
    client_id: str
    """The name the provider knows the portal by."""
    client_secret: str = field(repr=False)
    """What the portal proves itself with."""
    base_url: str
    """The portal's own address as browsers see it, without a slash at the end: `http://localhost:8401`."""
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)
    """Signs the portal's cookie; sessions live in memory, so that a new one at each start loses nothing more."""

    @property
    def secure(self) -> bool:
        """Whether browsers reach the portal over TLS."""
        return self.base_url.startswith("https://")

    @property
    def callback(self) -> str:
        """Where the provider answers: registered as `redirect_uris`."""
        return f"{self.base_url}/callback"

    @property
    def signed_out(self) -> str:
        """Where the provider sends people after the end of their session: `post_logout_redirect_uris`."""
        return f"{self.base_url}/"

    @property
    def issuer_origin(self) -> str:
        """Scheme and host of the provider."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process; raises `BadSetting` with a sentence somebody can act on."""
    given = {
        "issuer": _address(environment, "DEMO_ISSUER", "http://localhost:8400"),
        "base_url": _address(environment, "DEMO_BASE_URL", "http://localhost:8401"),
        "client_id": environment.get("DEMO_CLIENT_ID") or "myvpk",
        "client_secret": _client_secret(environment),
    }
    if environment.get("DEMO_SECRET"):
        given["secret"] = environment["DEMO_SECRET"]
    return Settings(**given)


def _address(environment: Mapping[str, str], name: str, default: str) -> str:
    address = environment.get(name) or default
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname or address.endswith("/"):
        raise BadSetting(f"{name}: give the full address without a slash at the end, for example {default}.")
    return address


def _client_secret(environment: Mapping[str, str]) -> str:
    file = environment.get("DEMO_CLIENT_SECRET_FILE")
    if file:
        try:
            value = Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BadSetting(f"DEMO_CLIENT_SECRET_FILE: {file} cannot be read ({error.strerror}).") from None
    else:
        value = environment.get("DEMO_CLIENT_SECRET", "")
    if not value:
        raise BadSetting(
            "DEMO_CLIENT_SECRET: it is not set; give the secret that `idp clients add` showed, "
            "or name the file that holds it in DEMO_CLIENT_SECRET_FILE."
        )
    return value
