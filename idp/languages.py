"""The languages people are spoken to in; each has a catalogue in `locales/`."""

LANGUAGES = ("de", "fr", "it", "en")
