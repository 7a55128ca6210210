"""The fund's colours: read from the settings, measured, and written as `/static/theme.css` (pages.md 3.7).

`app.css` draws everything with custom properties; a theme changes some of them. People of 65 to 95 read these pages, so
contrast is computed at start (WCAG 2.2, success criteria 1.4.3 and 1.4.6): below 4.5 a theme is refused, below 7 it is
warned about, with the numbers.
"""

import re
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields
from typing import Literal

REFUSED_BELOW = 4.5
WARNED_BELOW = 7.0
COLOUR = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")

WHITE, PANEL = "#ffffff", "#f3f5f7"
DARK, DARK_PANEL = "#14181d", "#1e242b"
"""The backgrounds of `app.css`, which a theme cannot change."""
NEUTRAL = {
    "brand": "#0b4a8f",
    "brand_strong": "#083a72",
    "on_brand": "#ffffff",
    "link": "#0b4a8f",
    "dark_brand": "#9cc7ff",
    "dark_brand_strong": "#c4deff",
    "dark_on_brand": "#0d1b2a",
    "dark_link": "#9cc7ff",
}
"""The theme without a fund."""


class BadTheme(ValueError):
    """The theme cannot be used; the text says which colour is wrong, by how much, and what is wanted."""


@dataclass(frozen=True)
class Problem:
    """A pair of colours that is hard to read."""

    severity: Literal["error", "warning"]
    message: str


@dataclass(frozen=True)
class Theme:
    """The colours a fund may choose, as `#rrggbb`; what is left empty follows from the others.

    The names starting with `dark_` count where the person's device asks for dark colours; `scheme="light"` keeps the
    light ones for everybody.
    """

    brand: str = NEUTRAL["brand"]
    """Buttons, the line below the header, the current step."""
    brand_strong: str = ""
    """A button below the pointer; like `brand` if empty."""
    on_brand: str = NEUTRAL["on_brand"]
    """Text on buttons."""
    link: str = ""
    """Links; like `brand` if empty."""
    dark_brand: str = ""
    """Like `brand`, made light enough, if empty."""
    dark_brand_strong: str = ""
    dark_on_brand: str = NEUTRAL["dark_on_brand"]
    dark_link: str = ""
    scheme: Literal["auto", "light"] = "auto"

    def __post_init__(self) -> None:
        if self.scheme not in {"auto", "light"}:
            raise BadTheme(f"scheme {self.scheme!r}: write auto or light")
        for name in _colours():
            value = getattr(self, name)
            may_follow = value == "" and name not in {"brand", "on_brand", "dark_on_brand"}
            if not may_follow and not COLOUR.fullmatch(value):
                raise BadTheme(f"{name} {value!r}: write a colour as #rrggbb")
        for name, colour in self._what_follows().items():
            if not getattr(self, name):
                object.__setattr__(self, name, colour)

    def _what_follows(self) -> Mapping[str, str]:
        if self.brand.lower() == NEUTRAL["brand"]:
            return NEUTRAL
        dark = self.dark_brand or lightened(self.brand)
        light = {"brand_strong": self.brand, "link": self.brand}
        return {**light, "dark_brand": dark, "dark_brand_strong": dark, "dark_link": dark}

    def check(self) -> list[Problem]:
        """Every pair of colours below a contrast of 7, the numbers in the message; empty when all is well."""
        return [problem for pair in self._pairs() if (problem := _problem(*pair))]

    def css(self) -> str:
        """The style sheet that follows `app.css`."""
        light = _properties(brand=self.brand, brand_strong=self.brand_strong, on_brand=self.on_brand, link=self.link)
        dark = _properties(
            brand=self.dark_brand,
            brand_strong=self.dark_brand_strong,
            on_brand=self.dark_on_brand,
            link=self.dark_link,
        )
        return f":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root:not([data-scheme=light]){{{dark}}}}}\n"

    def _pairs(self) -> Iterator[tuple[str, str, str, str]]:
        """Foreground name and colour, background name and colour, as they meet on the pages."""
        yield "link", self.link, "white", WHITE
        yield "link", self.link, "the panel", PANEL
        yield "brand", self.brand, "white", WHITE
        yield "on_brand", self.on_brand, "brand", self.brand
        yield "on_brand", self.on_brand, "brand_strong", self.brand_strong
        if self.scheme == "auto":
            yield "dark_link", self.dark_link, "the dark background", DARK
            yield "dark_link", self.dark_link, "the dark panel", DARK_PANEL
            yield "dark_brand", self.dark_brand, "the dark background", DARK
            yield "dark_on_brand", self.dark_on_brand, "dark_brand", self.dark_brand
            yield "dark_on_brand", self.dark_on_brand, "dark_brand_strong", self.dark_brand_strong


def read_theme(values: Mapping[str, str]) -> tuple[Theme, list[str]]:
    """The theme of the settings and the warnings about it; raises `BadTheme` where it must not be used."""
    unknown = sorted(set(values) - {field.name for field in fields(Theme)})
    if unknown:
        raise BadTheme(
            f"{', '.join(unknown)}: no such name; there are {', '.join(field.name for field in fields(Theme))}"
        )
    theme = Theme(**values)  # type: ignore[arg-type]  # __post_init__ checks each value
    problems = theme.check()
    refusals = [problem.message for problem in problems if problem.severity == "error"]
    if refusals:
        raise BadTheme("; ".join(refusals))
    return theme, [problem.message for problem in problems]


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, definition of contrast ratio)."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def lightened(colour: str) -> str:
    """The same hue, mixed with white until it reads well on the dark panel."""
    channels = _channels(colour)
    for white in range(0, 101, 5):
        mixed = "#" + "".join(f"{round(channel + (255 - channel) * white / 100):02x}" for channel in channels)
        if contrast(mixed, DARK_PANEL) >= WARNED_BELOW:
            return mixed
    return WHITE


def _problem(front_name: str, front: str, back_name: str, back: str) -> Problem | None:
    ratio = contrast(front, back)
    if ratio >= WARNED_BELOW:
        return None
    message = (
        f"{front_name} {front} on {back_name} {back}: contrast {_rounded_down(ratio)}, "
        f"needs {REFUSED_BELOW}, should be {WARNED_BELOW:g} or more"
    )
    return Problem("error" if ratio < REFUSED_BELOW else "warning", message)


def _rounded_down(ratio: float) -> float:
    """Two digits that never make 4.499 look like 4.5."""
    return int(ratio * 100) / 100


def _colours() -> list[str]:
    return [field.name for field in fields(Theme) if field.name != "scheme"]


def _properties(**colours: str) -> str:
    return "".join(f"--{name.replace('_', '-')}:{colour};" for name, colour in colours.items())


def _channels(colour: str) -> list[int]:
    digits = colour.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    return [int(digits[i : i + 2], 16) for i in (0, 2, 4)]


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
