"""`idp doctor`: asks every part that the provider leans on, and says of each failure how to mend it."""

import secrets
import socket
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from typing import Literal
from urllib.parse import urlsplit

from flask import Flask
from rich.table import Table
from sqlalchemy import delete
from sqlalchemy import insert
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from keys import WrongKey

from . import channels
from . import schema
from . import setting_mistakes
from .clock import now
from .db import db
from .message import Channel
from .message import NotSent
from .models import StoreEntry
from .provider import provider
from .serve import CannotServe
from .serve import check_secret_files
from .settings import SECRETS_FOLDER
from .settings import BadSetting
from .store import StoreUnavailable

State = Literal["good", "warning", "bad"]
DRIFT_WARNING, DRIFT_BAD = timedelta(seconds=5), timedelta(seconds=30)


@dataclass(frozen=True)
class Finding:
    """What the doctor found about one part, and how to mend it where it is not good."""

    part: str
    state: State
    text: str
    remedy: str = ""


class Ailing(Exception):
    """A part does not work; `remedy` says what to do."""

    def __init__(self, reason: str, remedy: str, state: State = "bad") -> None:
        super().__init__(reason)
        self.remedy = remedy
        self.state = state


def examine(app: Flask) -> list[Finding]:
    """Ask every part in turn; one that fails does not keep the others from being asked."""
    with app.app_context():
        return [_ask(part, question) for part, question in QUESTIONS.items()]


def is_healthy(findings: list[Finding]) -> bool:
    """Whether nothing is bad; warnings do not keep the provider from running."""
    return all(finding.state != "bad" for finding in findings)


def table(findings: list[Finding]) -> Table:
    """The findings as an operator reads them."""
    colours = {"good": "green", "warning": "yellow", "bad": "red"}
    result = Table("part", "", "what was found", "how to mend it", show_lines=True)
    for finding in findings:
        state = f"[{colours[finding.state]}]{finding.state}[/]"
        result.add_row(finding.part, state, _plain(finding.text), _plain(finding.remedy))
    return result


def ask_issuer() -> str:
    """The issuer's host is known by name, and the settings around it agree."""
    settings = provider.settings
    parts = urlsplit(settings.issuer)
    if settings.secure and not settings.trusted_proxies:
        raise Ailing(
            f"{settings.issuer} needs TLS, which a proxy in front gives, and no proxy is trusted",
            "set IDP_TRUSTED_PROXIES to the number of proxies in front (1 behind one nginx)",
            "warning",
        )
    try:
        socket.getaddrinfo(parts.hostname, parts.port or 443)
    except OSError:
        raise Ailing(
            f"the name {parts.hostname} is not known here", "enter it in the DNS, or mend IDP_ISSUER", "warning"
        ) from None
    return f"{settings.issuer} ({settings.environment})"


def ask_settings() -> str:
    """Every setting is one that somebody reads, and the fund's words are the fund's own."""
    found = list(setting_mistakes.mistakes(provider.settings))
    if found:
        raise Ailing("\n".join(found), "mend these settings; idp serve refuses to start until then")
    return "all known, none left to the demonstration"


def ask_secret() -> str:
    """The secret opens what is stored, and nobody else can change it."""
    try:
        check_secret_files(SECRETS_FOLDER)
        provider.keys.jwks()
    except CannotServe as error:
        raise Ailing("others may write the secret's file", str(error)) from None
    except WrongKey:
        raise Ailing(
            "it does not open the signing keys of this database",
            "set IDP_SECRET to that of the other nodes; name an older one in IDP_OLD_SECRETS",
        ) from None
    size = len(provider.settings.secret.get_secret_value())
    return f"{size} characters; opens what is stored; {len(provider.settings.old_secrets)} old ones"


def ask_database() -> str:
    """The database answers, and keeps what is written."""
    key = secrets.token_hex(8)
    row = {"kind": "doctor", "key": key, "counter": 0, "expires_at": now() + timedelta(minutes=1)}
    try:
        with db.engine.connect().execution_options(immediate=True) as connection:
            with connection.begin():
                connection.execute(insert(StoreEntry).values(**row))
            with connection.begin():
                gone = connection.execute(
                    delete(StoreEntry).where(StoreEntry.kind == "doctor", StoreEntry.key == key)
                ).rowcount
    except SQLAlchemyError as error:
        raise Ailing(
            f"cannot be used: {_reason(error)}",
            "start it, grant the right to write, or mend IDP_DATABASE_URL; on a new database run: idp migrate",
        ) from None
    if gone != 1:
        raise Ailing("lost what was written", "look into the database server's own log")
    return f"{db.engine.dialect.name} answers and writes"


def ask_schema() -> str:
    """The tables are those of this program."""
    state = schema.state(db.engine)
    if state is schema.State.NEWER:
        raise Ailing(
            f"is newer than this program knows ({schema.newest()})",
            "nothing while an update runs; then update",
            "warning",
        )
    if state is not schema.State.CURRENT:
        raise Ailing(f"is {state.value}", "run: idp migrate")
    return f"current ({schema.newest()})"


def ask_store() -> str:
    """The store answers; its birth tells since when it remembers."""
    try:
        provider.store.ping()
        born = provider.store.born()
    except StoreUnavailable as error:
        raise Ailing(f"does not answer: {_reason(error)}", "start Redis, or mend IDP_REDIS_URL") from None
    return f"answers; remembers since {born:%Y-%m-%d %H:%M} UTC"


def ask_mail() -> str:
    """The mail server answers and takes us."""
    return _ask_channel("mail", "IDP_MAIL_CHANNEL, IDP_SMTP_HOST, _PORT, _SECURITY, _USERNAME, _PASSWORD")


def ask_sms() -> str:
    """The SMS gateway answers and takes us."""
    return _ask_channel("sms", "IDP_SMS_CHANNEL, IDP_SMS_URL, _USERNAME, _PASSWORD or IDP_SMPP_HOST …")


def ask_clock() -> str:
    """This machine's clock, the database's and Redis's agree: codes and tokens live by it."""
    drifts = {name: abs(there - here) for name, there, here in _clocks()}
    if not drifts:
        return "nothing to compare with: database and store are on this machine"
    worst = max(drifts, key=lambda name: drifts[name])
    said = ", ".join(f"{name} {drift.total_seconds():.1f} s off" for name, drift in drifts.items())
    if drifts[worst] > DRIFT_WARNING:
        state: State = "bad" if drifts[worst] > DRIFT_BAD else "warning"
        raise Ailing(said, f"let this machine and the one of {worst} follow the same time server (chrony)", state)
    return said


def ask_keys() -> str:
    """Each algorithm has a key that signs or is encrypted to, and the next rotation is known."""
    moment = now()
    keys = provider.keys.stored()
    if not keys:
        raise Ailing("there are none yet", "nothing: idp serve makes them at its first start", "warning")
    lines = []
    for alg in provider.keys.kinds:
        signing = [key for key in keys if key.alg == alg and key.may_sign(moment)]
        if not signing:
            raise Ailing(f"there is no key for {alg}", "run: idp serve, which makes it, or: idp keys rotate")
        if moment > signing[-1].signs_until + timedelta(hours=1):
            raise Ailing(f"the rotation of {alg} is overdue", "see the log of idp serve for what keeps it")
        lines.append(f"{alg} changes on {signing[-1].signs_until:%Y-%m-%d}")
    return "; ".join(lines)


QUESTIONS: dict[str, Callable[[], str]] = {
    "settings": ask_settings,
    "issuer": ask_issuer,
    "database": ask_database,
    "schema": ask_schema,
    "secret": ask_secret,
    "keys": ask_keys,
    "store": ask_store,
    "mail": ask_mail,
    "SMS": ask_sms,
    "clock": ask_clock,
}


def _ask(part: str, question: Callable[[], str]) -> Finding:
    try:
        return Finding(part, "good", question())
    except Ailing as trouble:
        return Finding(part, trouble.state, str(trouble), trouble.remedy)
    except SQLAlchemyError as error:
        return Finding(part, "bad", f"could not be asked: {_reason(error)}", "mend the database first")


def _ask_channel(medium: str, names: str) -> str:
    try:
        channel: Channel = channels.one(provider.settings, medium)
        return f"{channel.name}: {channel.check()}"
    except BadSetting as error:
        raise Ailing("is not set up", str(error)) from None
    except NotSent as error:
        raise Ailing(error.reason, f"see {names}, and whether the firewall lets this machine out") from None


def _clocks() -> Iterator[tuple[str, datetime, datetime]]:
    """Name, the clock there, and our own in the middle of the question."""
    if db.engine.dialect.name == "postgresql":
        with db.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            before = now()
            there = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
            yield "database", there, before + (now() - before) / 2
    if provider.settings.redis_url:
        yield "Redis", *_clock_of_redis(provider.settings.redis_url)


def _clock_of_redis(address: str) -> tuple[datetime, datetime]:
    from redis import Redis
    from redis.exceptions import RedisError

    try:
        with Redis.from_url(address, socket_timeout=3) as redis:
            redis.ping()
            before = now()
            seconds, microseconds = redis.time()
            there = datetime.fromtimestamp(seconds, before.tzinfo) + timedelta(microseconds=microseconds)
            return there, before + (now() - before) / 2
    except RedisError as error:
        raise Ailing(f"Redis does not tell its time: {_reason(error)}", "start Redis, or mend IDP_REDIS_URL") from None


def _reason(error: Exception) -> str:
    """The first line of an error, without the address of a server's user or password."""
    reason = getattr(error, "orig", None) or error
    return str(reason).strip().partition("\n")[0] or type(reason).__name__


def _plain(words: str) -> str:
    """Text that rich does not read as markup."""
    return words.replace("[", r"\[")
