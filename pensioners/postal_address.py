"""A person's postal address as the post reads it: on the letters, and as a claim."""

from babel import Locale

BABEL = {"de": "de_CH", "fr": "fr_CH", "it": "it_CH", "en": "en_GB"}
HOME = "CH"


def lines(*, street: str, postcode: str, town: str, country: str, language: str) -> list[str]:
    """The lines below the name; the country in capitals, and only abroad."""
    written = [street, f"{postcode} {town}".strip()]
    if country != HOME:
        territories = Locale.parse(BABEL[language]).territories
        written.append(territories.get(country, country).upper())
    return [line for line in written if line]
