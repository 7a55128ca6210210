"""Every setting: name, type, default, meaning; read once, checked at start.

Each field is an environment variable with the prefix `IDP_` (`IDP_ISSUER`, `IDP_DATABASE_URL` …); lists and tables are
JSON. A file per setting below `/run/secrets` (`idp_secret` …) works as well. `load()` turns a mistake into one sentence
that names the setting and says how to mend it.
"""

import json
import math
import re
import ssl
from collections import Counter
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated
from typing import Any
from typing import Literal
from urllib.parse import urlsplit

import phonenumbers
from pydantic import Field
from pydantic import SecretStr
from pydantic import ValidationError
from pydantic import field_validator
from pydantic import model_validator
from pydantic_settings import BaseSettings
from pydantic_settings import NoDecode
from pydantic_settings import SettingsConfigDict
from pydantic_settings import SettingsError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from .assertion_issuer import AssertionIssuer
from .assurance import ACR_VALUES
from .audience import Audience
from .details_type import DetailsType
from .languages import LANGUAGES
from .protected_resource import ProtectedResource

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
SECRETS_FOLDER = Path("/run/secrets")


class BadSetting(SystemExit):
    """The program does not start; the text says which setting is wrong and how to make it right."""


class Settings(BaseSettings):
    """The frozen configuration of one provider."""

    model_config = SettingsConfigDict(
        env_prefix="IDP_",
        frozen=True,
        extra="ignore",
        secrets_dir=SECRETS_FOLDER if SECRETS_FOLDER.is_dir() else None,
    )

    # The provider
    environment: Literal["development", "production"] = "production"
    """`development` adds the readable outbox, the page gallery and the fictive register; loopback issuers only."""
    issuer: str
    """The provider's address exactly as clients see it, without a slash at the end: `https://login.fund.ch`."""
    secret: SecretStr
    """The root of all keys, 32 random bytes or more; `idp secret` prints a good one."""
    old_secrets: tuple[SecretStr, ...] = ()
    """Roots used before; what they sealed can still be opened and is sealed anew as it is written."""
    trusted_proxies: int = Field(default=0, ge=0, le=5)
    """How many reverse proxies stand in front and set X-Forwarded-For, -Proto and -Host."""
    check_host: bool = True
    """Whether requests under another name than the issuer's (or `mtls_base`'s) are refused with 421, all but health;
    with an https issuer only. `false` where the proxy in front cannot pass on the name."""

    client_certificate_header: str | None = None
    """The header in which the proxy in front passes on the certificate that a client showed (`X-Client-Cert`); it must
    delete it, also as `X_Client_Cert`, from what clients send."""
    client_certificate_verified_header: str | None = None
    """The header in which the proxy says `SUCCESS` of a certificate whose chain it has verified."""
    mtls_base: str | None = None
    """The address where the proxy asks clients for a certificate, where that is another than the issuer's:
    `https://mtls.login.fund.ch`."""

    # Where things are kept
    database_url: str = "sqlite:///var/idp.sqlite"
    """`sqlite:///PATH` (embedded) or `postgresql://user:password@host/name`."""
    database_pool: int = Field(default=10, ge=1, le=200)
    """Connections each worker keeps to PostgreSQL; as many again in a rush."""
    redis_url: str | None = None
    """`redis://host:6379/0`; without it the store is a table of the database."""

    # The protocol
    profile: Literal["standard", "conformance"] = "standard"
    """`conformance` is what the official test suite needs: a password alone, registration open to everybody, implicit
    and hybrid flows, and neither PKCE nor a nonce demanded of clients without a security profile; test hosts only."""
    dpop_nonce: bool = False
    """Whether DPoP proofs must contain a nonce of ours, so that none can be made in advance (RFC 9449 §8)."""
    implicit: bool = False
    """Whether clients may be registered for tokens in the browser's address (implicit and hybrid flows)."""
    registration: Literal["closed", "token", "open"] = "closed"
    """Who may register an application at `/register`: nobody, holders of a token (`idp clients tokens`), or all."""
    software_statement_issuers: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Whose signed statements about applications are believed: `{"https://fund.ch": {"jwks_uri": "https://…"}}`, or
    `jwks` with the keys themselves."""

    assertion_issuers: dict[str, AssertionIssuer] = Field(default_factory=dict)
    """Who may vouch for people in a JWT (RFC 7523): `{"https://staff.fund.ch": {"jwks_uri": "https://…", "clients":
    ["desk"], "scopes": ["benefits.read"]}}`; nobody by default. Its `sub` is the one this provider gives to public
    clients."""

    resources: tuple[ProtectedResource, ...] = ()
    """The APIs that take access tokens from here: `[{"uri": "https://api.fund.ch", "scopes": ["benefits.read"], …}]`;
    the other members are those of `idp/protected_resource.py`. Userinfo is one of them: `<issuer>/userinfo`."""
    authorization_details_types: tuple[DetailsType, ...] = ()
    """The types of rich authorization requests, named in discovery (RFC 9396): `["reading", {"type": "payment",
    "title": {"de": "Zahlung", …}, "fields": {"amount.value": {"de": "Betrag", …}, …}}]`. Applications of others may use
    those with a title, and no field but those named: all of it is shown to the person."""

    # The fund and its words
    portal: str = "myVPK"
    """The portal's name in texts and titles."""
    fund: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=lambda: {
            "de": "Valora Pensionskasse",
            "fr": "Caisse de pension Valora",
            "it": "Cassa pensioni Valora",
            "en": "Valora Pension Fund",
        }
    )
    """The fund's name, as it signs letters, mails and SMS: one text, or JSON with one per language."""
    fund_url: str = "https://www.valora-pensionskasse.com"
    """The fund's public site: the way back from the signed-out page."""
    help_phone: str = "061 555 01 23"
    """The telephone number people may call."""
    help_hours: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=lambda: {
            "de": "Mo–Fr 9–12 Uhr, 13.30–16 Uhr",
            "fr": "lu–ve 9h–12h, 13h30–16h",
            "it": "lu–ve 9–12, 13.30–16",
            "en": "Mon–Fri 9–12, 13:30–16",
        }
    )
    """The hours of the telephone: one text, or JSON with one per language."""
    letter_sender: Annotated[dict[str, str] | None, NoDecode] = None
    """The fund's postal address in one line, small above the recipient's on letters, where the window shows it:
    `Pensionskasse Beispiel, Postfach, 4002 Basel`; one text, or JSON with one per language."""
    default_language: Literal["de", "fr", "it", "en"] = "de"
    """The language when nobody said one."""
    theme: dict[str, str] = Field(default_factory=dict)
    """Colours of the fund (brand, brand_strong, on_brand, link); refused below a contrast of 4.5."""
    audiences: tuple[Audience, ...] = (Audience(name="member"),)
    """The entries of the choice page: `{"name": "member"}` and external ones `{"name": "employer", "url": "https://…"}`;
    skipped when there is only one. The names are those of `idp/audience.py`."""
    terms_version: str = Field(default="2026-01", min_length=1)
    """The version of the terms of use, noted with each account; change it together with their words."""
    enrol_identifier: Literal["ahv", "ahv_or_email"] = "ahv_or_email"
    """What step 1 of the enrolment accepts as identification."""

    # Passwords and second factors
    password_rule: Literal["groups", "length"] = "groups"
    """`groups`: 8 characters from four groups, as on the paper; `length`: 12 characters of any kind."""
    second_factor: Literal["required", "off"] = "required"
    """`off` only exists for conformance tests, with a loopback or test issuer."""
    factors: tuple[str, ...] = ("sms", "totp")
    """The second factors offered, in order."""
    sms_countries: tuple[str, ...] = ("CH", "LI", "DE", "AT", "FR", "IT")
    """Countries an SMS may go to (ISO 3166)."""
    sms_daily_budget: int = Field(default=5000, ge=1)
    """SMS a day for everybody together; the breaker against pumping."""
    alert_wrong_passwords: int = Field(default=200, ge=10)
    """Wrong passwords an hour, of everybody together, at which the operator is warned; four times as many in a day."""

    # Messages
    mail_channel: Literal["outbox", "smtp"] = "smtp"
    """`outbox` keeps mails readable at /dev/outbox (development only)."""
    mail_from: str = "myVPK <noreply@localhost>"
    """Sender of every mail."""
    mail_reply_to: str | None = None
    """A mailbox somebody reads."""
    smtp_host: str = "localhost"
    smtp_port: int = 587
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    sms_channel: Literal["outbox", "sms_http", "smpp"] = "sms_http"
    """`outbox` keeps SMS readable at /dev/outbox (development only)."""
    sms_sender: str = "Valora PK"
    """The sender's name, at most 11 characters."""
    sms_gateway: Literal["generic", "ecall", "aspsms"] = "generic"
    """Ready settings of two gateways used in Switzerland, or all of it by hand."""
    sms_url: str | None = None
    sms_username: str | None = None
    sms_password: SecretStr | None = None
    sms_request: dict[str, Any] = Field(default_factory=dict)
    """For `generic`: method, format (`json` or `form`), auth (`none` or `basic`), headers, fields and success of the
    request; see docs/operations.md."""
    sms_timeout: float = 10.0
    """Seconds to wait for an SMS gateway or SMSC."""
    smpp_host: str | None = None
    smpp_port: int = 2775
    smpp_security: Literal["tls", "none"] = "tls"
    """`none` only where the way to the SMSC is protected otherwise (a VPN, a leased line)."""
    smpp_system_id: str | None = None
    smpp_password: SecretStr | None = None

    # Addresses that clients name
    fetch_private_hosts: tuple[str, ...] = ()
    """Names (`portal.fund.internal`), addresses and networks (`10.1.2.0/24`) inside to which clients' URIs may lead."""
    fetch_ca_file: str | None = None
    """Certificates of authorities (PEM) to trust there beside those of the system."""
    backchannel_logout: bool = True
    """Whether applications that registered a `backchannel_logout_uri` are told from here that somebody signed out."""
    frontchannel_logout: bool = True
    """Whether the signed-out page loads the `frontchannel_logout_uri` of applications that registered one."""
    session_management: bool = False
    """Whether applications may watch the sign-in by an iframe; it needs third-party cookies, rare today."""

    # Lives, in seconds
    code_seconds: int = Field(default=60, ge=10, le=600)
    """Life of an authorization code."""
    access_token_seconds: int = Field(default=300, ge=60, le=3600)
    id_token_seconds: int = Field(default=600, ge=60, le=3600)
    refresh_idle_seconds: int = 30 * 86400
    refresh_absolute_seconds: int = 180 * 86400
    interaction_idle_seconds: int = 3600
    draft_seconds: int = 86400
    """How long finished enrolment steps are kept."""
    session_idle_seconds: int = 1800
    session_absolute_seconds: int = 12 * 3600
    known_device_days: int = Field(default=30, ge=0, le=400)
    """How long after a full sign-in a browser counts as known to that person: its wrong passwords are counted apart, so
    that nobody elsewhere can lock the person out of it. It never replaces a second factor. 0: no browser is known."""

    # Running
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"
    smtp_timeout: float = 10.0
    outbox_worker: bool = True
    """Whether this process sends messages from the outbox."""

    @property
    def secure(self) -> bool:
        """Whether browsers reach the provider over TLS."""
        return self.issuer.startswith("https://")

    @property
    def bases(self) -> tuple[str, ...]:
        """The addresses under which programs reach the endpoints."""
        return (self.issuer, self.mtls_base) if self.mtls_base else (self.issuer,)

    @property
    def development(self) -> bool:
        return self.environment == "development"

    @property
    def conformance(self) -> bool:
        return self.profile == "conformance"

    @property
    def offers_implicit(self) -> bool:
        """Whether the implicit and hybrid flows exist here at all."""
        return self.implicit or self.conformance

    @property
    def registration_policy(self) -> str:
        """Who may register an application."""
        return "open" if self.conformance else self.registration

    @property
    def host(self) -> str:
        """The issuer's host, as it stands in the last line of an SMS."""
        return urlsplit(self.issuer).hostname or ""

    @field_validator("fund", "help_hours", "letter_sender", mode="before")
    @classmethod
    def _one_text_for_all_languages(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value) if value.startswith("{") else dict.fromkeys(LANGUAGES, value)
        except ValueError:
            raise ValueError('write it as one text, or as JSON: {"de": "…", "fr": "…", "it": "…", "en": "…"}') from None

    @field_validator("issuer")
    @classmethod
    def _issuer_is_an_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("give the full address people see, for example https://login.fund.ch")
        if parts.query or parts.fragment or value.endswith("/"):
            raise ValueError("give it without query, fragment or a slash at the end")
        if parts.path:
            raise ValueError("give it without a path; the provider has a host of its own")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError("use https; http is accepted for localhost only")
        return value

    @field_validator("database_url")
    @classmethod
    def _database_is_one_we_know(cls, value: str) -> str:
        """The message quotes nothing: a password may stand in the address."""
        value = re.sub(r"^postgres://", "postgresql://", value)
        try:
            scheme = make_url(value).get_backend_name()
        except (ArgumentError, ValueError):
            scheme = ""
        if scheme not in {"postgresql", "sqlite"}:
            raise ValueError(
                "give postgresql://user:password@host/name or sqlite:////path/of/file; "
                "write special characters of the password as %40 and the like"
            )
        return value

    @field_validator("factors", "audiences", "sms_countries")
    @classmethod
    def _there_is_at_least_one(cls, value: Any) -> Any:
        if not value:
            raise ValueError("name at least one")
        return value

    @field_validator("sms_countries")
    @classmethod
    def _countries_are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [each for each in value if each not in phonenumbers.SUPPORTED_REGIONS]
        if unknown:
            good = ", ".join(sorted(phonenumbers.SUPPORTED_REGIONS))
            raise ValueError(f"{', '.join(map(repr, unknown))}: not among the countries to choose from: {good}")
        return value

    @field_validator("audiences")
    @classmethod
    def _each_audience_once(cls, value: tuple[Audience, ...]) -> tuple[Audience, ...]:
        if len({each.name for each in value}) < len(value):
            raise ValueError("name each entry once")
        return value

    @field_validator("fund", "help_hours", "letter_sender")
    @classmethod
    def _there_is_one_for_each_language(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        if value is not None and not (set(value) == set(LANGUAGES) and all(text.strip() for text in value.values())):
            raise ValueError('write it in each of the four languages: {"de": "…", "fr": "…", "it": "…", "en": "…"}')
        return value

    @field_validator("fetch_private_hosts")
    @classmethod
    def _private_hosts_are_names_or_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            if re.fullmatch(r"[0-9.]*|.*[:/].*", each):
                try:
                    ip_network(each)
                except ValueError:
                    raise ValueError(f"give names, addresses or networks like 10.1.2.0/24; not {each!r}") from None
        return tuple(each.lower().rstrip(".") for each in value)

    @field_validator("fetch_ca_file")
    @classmethod
    def _ca_file_holds_certificates(cls, value: str | None) -> str | None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=value) if value else None
        except OSError:
            raise ValueError("give the path of a file with certificates in PEM form") from None
        return value

    @field_validator("software_statement_issuers")
    @classmethod
    def _issuers_have_keys(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        if any(len(keys) != 1 or not set(keys) <= {"jwks", "jwks_uri"} for keys in value.values()):
            raise ValueError('give each issuer its keys: {"jwks": {…}} or {"jwks_uri": "https://…"}')
        return value

    @field_validator("secret")
    @classmethod
    def _secret_is_strong(cls, value: SecretStr) -> SecretStr:
        if _entropy_bits(value.get_secret_value()) < 128:
            raise ValueError("it is too weak; take what this prints: idp secret")
        return value

    @field_validator("mtls_base")
    @classmethod
    def _mtls_base_is_an_address(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "https://none")
        if parts.scheme != "https" or not parts.hostname or parts.path or parts.query or parts.fragment:
            raise ValueError("give an https address without path, for example https://mtls.login.fund.ch")
        return value

    @model_validator(mode="after")
    def _resources_fit(self) -> "Settings":
        if len({each.uri for each in self.resources}) < len(self.resources):
            raise ValueError("resources: describe each uri once")
        if any((each.seconds or 0) > self.access_token_seconds for each in self.resources):
            raise ValueError("resources: seconds cannot exceed IDP_ACCESS_TOKEN_SECONDS")
        if any(each.acr not in {None, *ACR_VALUES} for each in self.resources):
            raise ValueError(f"resources: acr is one of {', '.join(ACR_VALUES)}")
        return self

    @field_validator("authorization_details_types")
    @classmethod
    def _each_type_once(cls, value: tuple[DetailsType, ...]) -> tuple[DetailsType, ...]:
        if len({each.type for each in value}) < len(value):
            raise ValueError("describe each type once")
        return value

    @model_validator(mode="after")
    def _certificates_come_through_a_proxy(self) -> "Settings":
        for name in ("client_certificate_header", "client_certificate_verified_header"):
            if getattr(self, name) and not self.trusted_proxies:
                raise ValueError(f"{name}: only a proxy can be believed; set IDP_TRUSTED_PROXIES to how many there are")
        if self.mtls_base and not self.client_certificate_header:
            raise ValueError("mtls_base: name the header with the certificate in IDP_CLIENT_CERTIFICATE_HEADER, too")
        return self

    @model_validator(mode="after")
    def _development_stays_at_home(self) -> "Settings":
        host = urlsplit(self.issuer).hostname
        if self.development and host not in LOOPBACK:
            raise ValueError("environment: development is for a loopback issuer only; set IDP_ENVIRONMENT=production")
        if not self.development and "outbox" in {self.mail_channel, self.sms_channel}:
            raise ValueError(
                "mail_channel/sms_channel: outbox shows codes to everybody and is for development only; "
                "set IDP_MAIL_CHANNEL=smtp and IDP_SMS_CHANNEL=sms_http or smpp"
            )
        if self.profile == "conformance" and not is_test_host(host or ""):
            raise ValueError("profile: conformance is refused for this issuer; it exists for the official suite only")
        if self.second_factor == "off" and not is_test_host(host or ""):
            raise ValueError("second_factor: off is refused for this issuer; it exists for conformance tests only")
        if len(self.sms_sender) > 11:
            raise ValueError("sms_sender: at most 11 characters")
        return self


def load(**given: Any) -> Settings:
    """The settings of this process; raises `BadSetting` with a sentence an operator can act on."""
    try:
        return Settings(**given)
    except SettingsError as error:
        name = re.search(r'field "(\w+)"', str(error))
        told = f"IDP_{name[1].upper()}" if name else "A setting"
        raise BadSetting(f'The provider cannot start.\n{told}: write it as JSON, a list as ["one", "two"]') from None
    except ValidationError as error:
        lines = [_sentence(problem) for problem in error.errors()]
        raise BadSetting("The provider cannot start.\n" + "\n".join(lines)) from None


def _sentence(problem: Any) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not problem["loc"]:
        name, _, message = message.partition(": ")
    else:
        name, *inner = problem["loc"]
        message = "".join(f"{_place(part)}: " for part in inner) + message
    if problem["type"] == "missing" and len(problem["loc"]) == 1:
        message = "it is not set"
        if name == "secret":
            message += "; take what this prints: idp secret"
    return f"  IDP_{name.upper()}: {message}."


def _place(part: str | int) -> str:
    """A part of a list or table, as people count."""
    return f"entry {part + 1}" if isinstance(part, int) else part


def _entropy_bits(text: str) -> float:
    """Shannon entropy of the whole text: what a repeated or patterned secret does not have."""
    counts = Counter(text)
    return -sum(n * math.log2(n / len(text)) for n in counts.values()) if text else 0.0


def is_test_host(host: str) -> bool:
    """Whether nobody but those who try the provider out can come there."""
    return host in LOOPBACK or host.endswith(".test") or host == "localhost.emobix.co.uk"
