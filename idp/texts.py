"""Texts: the catalogues, read once at start, and the language of an answer.

Babel reads the `.po` files themselves: four catalogues take 50 milliseconds, and there is no compiled `.mo` file that
somebody may forget to renew. Flask-Babel is left out because texts are also needed where no request is: mails, SMS,
letters, the command line. Which text stands where is the business of pages and messages; escaping is the templates'.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import date
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import structlog
from babel.dates import format_date
from babel.messages.pofile import read_po
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from .languages import LANGUAGES
from .settings import Settings

log = structlog.get_logger("texts")

PSEUDO = "zz"
"""Every text in ⟦brackets⟧ and a third longer: shows what does not come from a catalogue, and what does not fit."""
TAGS = {"de": "de-CH", "fr": "fr-CH", "it": "it-CH", "en": "en", PSEUDO: "en-x-pseudo"}
"""What stands in `<html lang>` (RFC 5646)."""
ZURICH = ZoneInfo("Europe/Zurich")
DATES = {"de": "d. MMMM y", "fr": "d MMMM y", "it": "d MMMM y", "en": "d MMMM y"}
TIMES = {"de": "{}.{:02}", "fr": "{}\u00a0h\u00a0{:02}", "it": "{}:{:02}", "en": "{}:{:02}"}
NO_BREAK, JOINER = "\u00a0", "\u2060"
"""A blank and a nothing that keep together what stands beside them; the font has no hyphen that does (U+2011)."""
TOGETHER = (
    (re.compile(r"(?<=\d) (?=\d)"), NO_BREAK),  # 061 555 01 23
    (re.compile(r"(?<=[\d}]) (?=Uhr\b)|(?<={minutes}) |(?<=:) (?={n}\.)"), NO_BREAK),
    (re.compile(r"(?<=\b[eE]-)(?=[mM]ail)|(?<=\bQR-)(?=[cC]ode)|(?<=\b\d-)(?=\w)"), JOINER),
    (re.compile(r"(?<=\w–)(?=\w)"), JOINER),  # 9–12, Mo–Fr
)
"""What reads badly when a line ends within it, and what keeps it together."""
ELSEWHERE = ("sms.", "mail.", "letter.")
"""Texts that are on no page: those who read them may have plain characters only."""
TELEPHONE = re.compile(r"\+?\d[\d ]{7,}")
PSEUDO_LONGER = 0.3
PSEUDO_FILLING = "uox "


@dataclass(frozen=True)
class Text:
    """A message that waits for its language: a key of the catalogues and what to put into its placeholders.

    A parameter may be a moment (shown as a clock time, or as a date where the placeholder is called `date`), a date,
    another `Text`, or a list of those.
    """

    key: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The text as it waits in the store."""
        return {"key": self.key, "params": {name: _plain(value) for name, value in self.params.items()}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Text:
        """The text that was stored."""
        return cls(value["key"], {name: _revived(param) for name, param in value["params"].items()})


def _plain(value: Any) -> Any:
    if isinstance(value, Text):
        return {"text": value.to_json()}
    if isinstance(value, datetime):
        return {"moment": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


def _revived(value: Any) -> Any:
    match value:
        case {"text": text}:
            return Text.from_json(text)
        case {"moment": moment}:
            return datetime.fromisoformat(moment)
        case {"date": day}:
            return date.fromisoformat(day)
        case list():
            return [_revived(part) for part in value]
    return value


class Texts:
    """The texts of all languages.

    `defaults` are the placeholders that are always there (`portal`, `help_phone` …): one value, or one per language.
    `strict` raises `KeyError` for a missing key or parameter; without it the page shows the key or «…», and the log
    says why. `pseudo` adds the pseudo language.
    """

    def __init__(
        self,
        folder: Path,
        *,
        defaults: Mapping[str, str | Mapping[str, str]] | None = None,
        strict: bool = False,
        pseudo: bool = False,
    ) -> None:
        self._strict = strict
        self._catalogues = {language: _read(folder, language) for language in LANGUAGES}
        if pseudo:
            self._catalogues[PSEUDO] = _pseudo(self._catalogues)
        self._defaults = {
            language: {name: _in_language(value, language) for name, value in (defaults or {}).items()}
            for language in self._catalogues
        }
        self._on_pages = {
            language: {name: unbroken(value) for name, value in values.items()}
            for language, values in self._defaults.items()
        }

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages this provider speaks, the pseudo language included where it is on."""
        return tuple(self._catalogues)

    def text(self, language: str, key: str, /, **params: Any) -> str:
        """The text, its placeholders filled; plain text, which a template must still escape."""
        pattern = self._catalogues[language].get(key)
        if pattern is None:
            self._complain(key, "no such text")
            return key
        values = _Values((self._defaults if key.startswith(ELSEWHERE) else self._on_pages)[language])
        values.update((name, self._shown(language, name, value)) for name, value in params.items())
        written = pattern.format_map(values)
        if values.missing:
            self._complain(key, f"no value for {', '.join(values.missing)}")
        return written

    def date(self, language: str, moment: date) -> str:
        """«12 mars 2026», «12. März 2026» …: a day, that of Zurich for a moment (pages.md 2.4)."""
        day = _in_zurich(moment).date() if isinstance(moment, datetime) else moment
        written = format_date(day, DATES.get(language, DATES["en"]), locale=_locale(language))
        return f"1er{written[1:]}" if language == "fr" and day.day == 1 else written

    def time(self, language: str, moment: datetime) -> str:
        """«14 h 05», «14.05», «14:05»: the clock time in Zurich (pages.md 2.4)."""
        local = _in_zurich(moment)
        return TIMES.get(language, TIMES["en"]).format(local.hour, local.minute)

    def _shown(self, language: str, name: str, value: Any) -> Any:
        """A parameter as it reads in this language."""
        if isinstance(value, Text):
            return self.text(language, value.key, **value.params)
        if isinstance(value, datetime):
            return self.date(language, value) if name == "date" else self.time(language, value)
        if isinstance(value, date):
            return self.date(language, value)
        if isinstance(value, list | tuple):
            return ", ".join(str(self._shown(language, name, part)) for part in value)
        if isinstance(value, str) and TELEPHONE.fullmatch(value):
            return unbroken(value)
        return value

    def _complain(self, key: str, problem: str) -> None:
        if self._strict:
            raise KeyError(f"{key}: {problem}")
        log.error("text missing", key=key, problem=problem)


class _Values(dict[str, Any]):
    """The values of placeholders; remembers which were asked for and are not there."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.missing: list[str] = []

    def __missing__(self, name: str) -> str:
        self.missing.append(name)
        return "…"


def load_texts(folder: Path, settings: Settings) -> Texts:
    """The texts with the operator's words in them; strict, and with the pseudo language, in development."""
    defaults: dict[str, str | Mapping[str, str]] = {
        "portal": settings.portal,
        "fund": settings.fund,
        "help_phone": settings.help_phone,
        "help_hours": settings.help_hours,
        "site": urlsplit(settings.fund_url).hostname or settings.fund_url,
    }
    return Texts(folder, defaults=defaults, strict=settings.development, pseudo=settings.development)


def negotiate(
    ui_locales: Sequence[str],
    stored: str | None,
    cookie: str | None,
    accept: str | None,
    default: str,
    *,
    known: Sequence[str] = LANGUAGES,
) -> str:
    """The language of an answer, in the order of pages.md 2.1.1; what is no language of ours is passed over.

    The client's `ui_locales` (OIDC Core §3.1.2.1), the person's stored language, the cookie, the browser's
    Accept-Language by quality (RFC 9110 §12.5.4), the fund's default.
    """
    asked = [*ui_locales, stored or "", cookie or "", *_accepted(accept or "")]
    languages = (_primary(tag) for tag in asked)
    return next((language for language in languages if language in known), default)


def _accepted(header: str) -> Iterator[str]:
    for tag, quality in parse_accept_header(header, LanguageAccept):
        if quality > 0:
            yield tag


def _primary(tag: str) -> str:
    """`fr` of `fr-CH`, `FR_ch` and `fr`."""
    return tag.strip().lower().replace("_", "-").partition("-")[0]


def _read(folder: Path, language: str) -> dict[str, str]:
    path = folder / language / "LC_MESSAGES" / "messages.po"
    with path.open("rb") as file:
        catalogue = read_po(file, abort_invalid=True)
    texts = {str(message.id): str(message.string) for message in catalogue if message.id and message.string}
    return {key: text if key.startswith(ELSEWHERE) else unbroken(text) for key, text in texts.items()}


def unbroken(text: str) -> str:
    """The text as a page shows it: no line ends within «e-mail», a telephone number or «9–12 Uhr»."""
    for place, glue in TOGETHER:
        text = place.sub(glue, text)
    return text


def _pseudo(catalogues: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The longest wording of every text, a third longer still, in brackets."""
    keys = next(iter(catalogues.values()))
    longest = {key: max((texts.get(key, "") for texts in catalogues.values()), key=len) for key in keys}
    return {key: f"⟦{text}{_filling(len(text))}⟧" for key, text in longest.items()}


def _filling(length: int) -> str:
    more = max(2, round(length * PSEUDO_LONGER))
    return (PSEUDO_FILLING * more)[:more].rstrip()


def _in_language(value: str | Mapping[str, str], language: str) -> str:
    """One value for everybody, or this language's; a language without one gets the first."""
    return value if isinstance(value, str) else value.get(language) or next(iter(value.values()), "")


def _in_zurich(moment: datetime) -> datetime:
    """Swiss time; a moment without a zone is in UTC, as everything the provider stores."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(ZURICH)


def _locale(language: str) -> str:
    return TAGS.get(language, "en").partition("-")[0]
