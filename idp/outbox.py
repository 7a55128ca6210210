"""The outbox: messages, written in the transaction of the thing they tell of, sent by `sender.py`.

`mail`, `sms`, `logout` and `ping` are called inside `transaction()`: what is rolled back was never announced. The words
are rendered at once, in the person's language, so that every try sends the same; the channels (`channels/`) know no
texts.
"""

import json
import secrets
import unicodedata
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import Any

from flask import current_app
from flask import has_request_context
from flask import request
from sqlalchemy import event

from . import gsm
from .clock import now
from .db import db
from .languages import LANGUAGES
from .models import OutboxMessage
from .provider import provider
from .sender import Sender
from .sender import poke
from .settings import BadSetting
from .texts import TAGS
from .user_agent import browser_and_system

FRAME = ("mail.not_me", "mail.safety")
"""Whom to call for those who did not do this, and what we never ask for."""
UNASKED = ("mail.safety",)
"""The frame of a mail about something that the reader has not done, or that says itself what to do then."""

__all__ = ["Sender", "clock_time", "fingerprints", "logout", "mail", "ping", "poke", "refuse_long_sms", "sms"]


def mail(
    name: str, to: str, language: str, *, lives: int, when: bool = False, frame: Sequence[str] = FRAME, **params: Any
) -> None:
    """Write a mail: `mail.<name>.s` and `mail.<name>.b` in their frame (pages.md 2.4).

    `lives` is the number of seconds until it is pointless, `when` adds date, time and device of this request, `frame`
    names what stands between the text and the signature. Called inside a transaction.
    """
    language = _spoken(language)
    clean = {key: _one_line(value) for key, value in params.items()}
    subject = _text(language, f"mail.{name}.s", clean)
    parts = [
        _text(language, "mail.hello", clean),
        _text(language, f"mail.{name}.b", clean),
        *([_when(language)] if when else []),
        *(_text(language, key, clean) for key in (*frame, "mail.sign")),
    ]
    shown = {"subject": subject, "parts": parts, "code": clean.get("code"), "lang": TAGS[language]}
    body = {"subject": subject, "text": _rendered("mail.txt", shown), "html": _rendered("mail.html", shown)}
    _write("mail", name, to, lives, {**body, "language": TAGS[language]})


def sms(name: str, to: str, language: str, *, lives: int, **params: Any) -> None:
    """Write an SMS: `sms.<name>`, and the line that lets telephones fill in the code (origin-bound one-time codes).

    Raises `ValueError` where it would not fit into one SMS. Called inside a transaction.
    """
    language = _spoken(language)
    text = _sms_text(name, language, params)
    _write("sms", name, to, lives, {"subject": "", "text": text, "html": "", "language": TAGS[language]})


def logout(client_id: str, uri: str, stated: Mapping[str, str | None], *, lives: int) -> None:
    """Tell an application that a session is over; the token is signed as it is sent, for it lives for two minutes.

    Called inside a transaction.
    """
    _write("logout", client_id, uri, lives, {"subject": "", "text": json.dumps(stated), "html": "", "language": ""})


def ping(client_id: str, uri: str, auth_req_id: str, token: str, *, lives: int) -> None:
    """Tell a program that the person it asked for has answered (CIBA Core §10.2). Called inside a transaction."""
    told = json.dumps({"auth_req_id": auth_req_id, "token": token})
    _write("ping", client_id, uri, lives, {"subject": "", "text": told, "html": "", "language": ""})


def clock_time(moment: datetime | float, language: str) -> str:
    """The Swiss time of day as it stands in a mail; `moment` may be in seconds since 1970."""
    if not isinstance(moment, datetime):
        moment = datetime.fromtimestamp(moment, UTC)
    return provider.texts.time(_spoken(language), moment)


def refuse_long_sms() -> None:
    """Stop at start where the fund's name or the host makes the SMS with a code too long, or not GSM."""
    for language in LANGUAGES:
        try:
            _sms_text("code", language, {"code": "000000"})
        except ValueError as problem:
            raise BadSetting(f"IDP_FUND or IDP_ISSUER: {problem} Shorten the name of the fund.") from None


def fingerprints(to: str) -> list[str]:
    """What the messages to an address are found by, under each root secret."""
    return provider.vault.fingerprints("message target", to)


def _write(medium: str, name: str, to: str, lives: int, body: Mapping[str, str]) -> None:
    if not to or any(unicodedata.category(char) in {"Cc", "Zl", "Zp"} for char in to):
        raise ValueError("The address of a message is one line without control characters.")
    moment = now()
    row = OutboxMessage(
        id=secrets.token_urlsafe(16),
        medium=medium,
        name=name,
        target=fingerprints(to)[0],
        created_at=moment,
        next_try_at=moment,
        expires_at=moment + timedelta(seconds=lives),
    )
    row.body = {"to": to, **body}
    session = db.session()
    session.add(row)
    sender = current_app.extensions.get("sender")
    if sender is not None:
        event.listen(session, "after_commit", lambda _session: sender.wake(), once=True)


def _sms_text(name: str, language: str, params: Mapping[str, Any]) -> str:
    given = {"host": provider.settings.host, **{key: _one_line(value) for key, value in params.items()}}
    text = f"{_text(language, f'sms.{name}', given)}\n\n{_text(language, 'sms.bound', given)}"
    length = gsm.septets(text)
    if length > gsm.ONE_SMS:
        raise ValueError(f"sms.{name} in {language} has {length} characters; one SMS holds {gsm.ONE_SMS}.")
    return text


def _spoken(language: str) -> str:
    """A language of people: the pseudo language of development would not fit into an SMS."""
    return language if language in LANGUAGES else provider.settings.default_language


def _text(language: str, key: str, params: Mapping[str, Any]) -> str:
    return provider.texts.text(language, key, **params)


def _one_line(value: Any) -> Any:
    """What a person typed adds no line of its own, to a header, a mail or an SMS."""
    if not isinstance(value, str):
        return value
    return "".join(" " if unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"} else char for char in value)


def _when(language: str) -> str:
    """Date, time and device of this request; without the device where nobody can tell it."""
    moment = now()
    device = browser_and_system(request.user_agent.string) if has_request_context() else None
    browser, system = device or ("", "")
    written = _text(language, "mail.when", {"date": moment, "time": moment, "browser": browser, "os": system})
    return written if device else written.splitlines()[0]


def _rendered(template: str, shown: Mapping[str, Any]) -> str:
    """Without the context of pages, which needs a request: mails are also written where there is none."""
    return current_app.jinja_env.get_template(f"messages/{template}").render(shown).strip() + "\n"
