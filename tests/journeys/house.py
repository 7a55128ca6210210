"""A provider, its portal, and the browser that visits them."""

from dataclasses import dataclass

from live import Live
from live import Person
from playwright.sync_api import Browser


@dataclass
class House:
    """A provider, its portal, and the browser that visits them."""

    live: Live
    portal: str
    browser: Browser

    def person(self, language: str = "fr") -> Person:
        """Somebody with an unused letter."""
        return self.live.person(language)
