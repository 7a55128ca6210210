"""Setting type: the embedded fonts, what they can print, and where lines break.

The fonts are Source Sans 3 (SIL OFL, `fonts/LICENSE.txt`): names of this country need letters beyond Latin-1.
"""

import unicodedata
from collections.abc import Iterator
from functools import cache
from functools import lru_cache
from pathlib import Path
from typing import Any

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfbase.ttfonts import TTFont

FONTS = Path(__file__).parent / "fonts"
REGULAR, BOLD = "SourceSans3-Regular", "SourceSans3-SemiBold"


@cache
def register_fonts() -> None:
    """Make the fonts known, once."""
    for name in (REGULAR, BOLD):
        pdfmetrics.registerFont(TTFont(name, str(FONTS / f"{name}.ttf")))


def printable(text: str, font: str) -> str:
    """The text in letters the font has: else the letter without its accent, else a question mark."""
    known = pdfmetrics.getFont(font).face.charToGlyph
    return "".join(char if ord(char) in known else _nearest(char, known) for char in text)


def replaced(text: str, font: str) -> str:
    """The characters of the text that are printed as others."""
    return "".join(dict.fromkeys(char for char in text if not _is_invisible(char) and printable(char, font) != char))


@lru_cache(maxsize=2048)
def break_lines(text: str, font: str, size: float, width: float, indent: float = 0) -> tuple[str, ...]:
    """The text broken into lines at its blanks, never at no-break ones; the first line may be shorter."""
    lines, room = [""], width - indent
    for word in _words(printable(text, font), font, size, width):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and stringWidth(longer, font, size) > room:
            lines.append(word)
            room = width
        else:
            lines[-1] = longer
    return tuple(lines)


def _words(text: str, font: str, size: float, width: float) -> Iterator[str]:
    """The words of a text; one that is wider than a line is cut."""
    for word in text.split(" "):
        rest = word
        while stringWidth(rest, font, size) > width:
            end = next(end for end in range(len(rest), 0, -1) if stringWidth(rest[:end], font, size) <= width)
            yield rest[:end]
            rest = rest[end:]
        yield rest


def _nearest(char: str, known: Any) -> str:
    if _is_invisible(char):
        return ""
    parts = unicodedata.normalize("NFC", unicodedata.normalize("NFKD", char))
    if not all(ord(part) in known for part in parts):
        parts = "".join(part for part in unicodedata.normalize("NFKD", char) if ord(part) in known)
    return parts or "?"


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) in {"Cf", "Mn"}
