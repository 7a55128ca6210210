"""How people spell: what every typed number, date and code goes through before it is read (pages.md 2.2)."""

import unicodedata

SEPARATORS = frozenset("./\\'`´’‘ʼ′·•_,−")
"""Beside every blank, dash and invisible character of Unicode: what people put between groups."""

BLANK_CATEGORIES = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})


def compact(text: str) -> str:
    """The text without blanks, dashes and separators of any kind, no-break and zero-width ones included."""
    return "".join(char for char in _resolved(text) if not _separates(char))


def spaced(text: str) -> str:
    """The text with every run of blanks as one blank, every dash as `-`, and nothing invisible."""
    chars = []
    for char in _resolved(text):
        category = unicodedata.category(char)
        if category == "Pd" or char == "−":
            chars.append("-")
        elif category in {"Zs", "Zl", "Zp", "Cc"}:
            chars.append(" ")
        elif category != "Cf":
            chars.append(char)
    return " ".join("".join(chars).split())


def _resolved(text: str) -> str:
    """Compatibility forms as what they stand for (NFKC), digits of every script as 0–9."""
    if text.isascii():
        return text
    return "".join(_digit(char) for char in unicodedata.normalize("NFKC", text))


def _digit(char: str) -> str:
    value = unicodedata.decimal(char, None)
    return char if value is None else str(value)


def _separates(char: str) -> bool:
    category = unicodedata.category(char)
    return char in SEPARATORS or category == "Pd" or category in BLANK_CATEGORIES
