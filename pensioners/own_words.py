"""The words that make a password weak because they are the person's own (pages.md 2.2.7)."""

from . import ahv_number
from .models import Pensioner


def own_words(person: Pensioner) -> list[str]:
    """Names, town, birth date and AHV number in the spellings a password would have them."""
    names = [person.first_name, person.last_name, person.town, person.person_number]
    parts = [part for name in names for part in name.replace("-", " ").split()]
    return [word for word in dict.fromkeys([*names, *parts, *_birth_dates(person), *_ahv_numbers(person)]) if word]


def _birth_dates(person: Pensioner) -> list[str]:
    born = person.birth_date
    day, month, year = f"{born.day:02}", f"{born.month:02}", f"{born.year:04}"
    short = f"{born.day}", f"{born.month}", year
    spellings = [[day, month, year], [day, month, year[2:]], [year, month, day], [*short], [*short[:2], year[2:]]]
    return [mark.join(parts) for parts in spellings for mark in ("", ".", "-", "/")]


def _ahv_numbers(person: Pensioner) -> list[str]:
    digits = str(person.ahv_number)
    return [digits, digits[3:], ahv_number.show(digits)]
