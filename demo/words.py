"""The portal's words in four languages, and how dates, times and amounts are written in each."""

import json
from datetime import UTC
from datetime import date
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.dates import format_date

WORDS: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))
LANGUAGES = {"de": "Deutsch", "fr": "Français", "it": "Italiano", "en": "English"}
TAGS = {"de": "de-CH", "fr": "fr-CH", "it": "it-CH", "en": "en"}

SWISS_TIME = ZoneInfo("Europe/Zurich")
DATES = {"de": "d. MMMM y", "fr": "d MMMM y", "it": "d MMMM y", "en": "d MMMM y"}
TIMES = {"de": "%H.%M", "fr": "%H\u00a0h\u00a0%M", "it": "%H:%M", "en": "%H:%M"}


class Words:
    """The words of one language: `w("start.title")`."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.tag = TAGS[language]
        self._words = WORDS[language]

    def __call__(self, key: str, **values: object) -> str:
        """The sentence of this name, its gaps filled."""
        return self._words[key].format(**values)

    def of(self, group: str, name: str) -> str | None:
        """The word for a value that may be unknown: a claim, a method, a class."""
        return self._words.get(f"{group}.{name}")

    def date(self, day: date) -> str:
        """A day: «12 mars 2026»."""
        return format_date(day, DATES[self.language], locale=self.language)

    def moment(self, seconds: float) -> str:
        """A moment (seconds since 1970) as Swiss clocks showed it."""
        local = datetime.fromtimestamp(seconds, UTC).astimezone(SWISS_TIME)
        return self("moment", date=self.date(local.date()), time=local.strftime(TIMES[self.language]))

    def amount(self, francs: Decimal) -> str:
        """Swiss francs: «CHF 2’345.60»."""
        return f"CHF\u00a0{francs:,.2f}".replace(",", "’")
