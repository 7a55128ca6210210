"""The fund's colours."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp import theme
from idp.theme import BadTheme
from idp.theme import Theme
from idp.theme import contrast
from idp.theme import lightened
from idp.theme import read_theme

APP_CSS = (Path(__file__).parents[2] / "static" / "app.css").read_text()
channel = st.integers(0, 255)
colours = st.tuples(channel, channel, channel).map(lambda rgb: "#" + "".join(f"{part:02x}" for part in rgb))


@pytest.mark.parametrize(
    ("first", "second", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#fff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#0b4a8f", "#ffffff", 8.8),
        ("#9cc7ff", "#14181d", 10.2),
    ],
)
def test_the_contrast_is_that_of_wcag(first: str, second: str, ratio: float) -> None:
    assert contrast(first, second) == pytest.approx(ratio, abs=0.06)
    assert contrast(second, first) == contrast(first, second)


def test_the_theme_without_a_fund_has_no_problem() -> None:
    assert read_theme({}) == (Theme(), [])


def test_the_neutral_theme_says_what_the_style_sheet_says() -> None:
    light, dark = Theme().css().splitlines()

    declared = dict(re.findall(r"(--[\w-]+):(#\w+)", APP_CSS.split("@media (prefers-color-scheme:dark)")[0]))
    for name, colour in re.findall(r"(--[\w-]+):(#\w+)", light):
        assert declared[name].ljust(7, "f") == colour
    for name, colour in re.findall(r"(--[\w-]+):(#\w+)", dark):
        assert f"{name}:{colour}" in APP_CSS.split("@media (prefers-color-scheme:dark)")[1]


def test_the_measured_backgrounds_are_those_of_the_style_sheet() -> None:
    for background in (theme.PANEL, theme.DARK, theme.DARK_PANEL):
        assert background in APP_CSS
    assert "--bg:#fff;" in APP_CSS


def test_a_theme_that_cannot_be_read_is_refused_with_the_numbers() -> None:
    with pytest.raises(BadTheme, match=r"link #ff6600 on white #ffffff: contrast 2\.93, needs 4\.5"):
        read_theme({"brand": "#ff6600"})


def test_a_theme_that_is_hard_to_read_is_warned_about_with_the_numbers() -> None:
    read, warnings = read_theme({"brand": "#b00020"})

    assert read.brand == "#b00020"
    assert warnings == ["link #b00020 on the panel #f3f5f7: contrast 6.7, needs 4.5, should be 7 or more"]


def test_a_contrast_just_below_the_limit_is_not_rounded_up() -> None:
    with pytest.raises(BadTheme, match=r"contrast 4\.49,"):
        read_theme({"link": "#ba5190"})


@pytest.mark.parametrize(
    "values",
    [{"brand": "red"}, {"brand": "#12345"}, {"brand": ""}, {"link": "#000;}body{display:none"}, {"scheme": "dark"}],
)
def test_what_is_no_colour_is_refused_before_it_reaches_a_style_sheet(values: dict[str, str]) -> None:
    with pytest.raises(BadTheme):
        read_theme(values)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadTheme, match=r"colour: no such name; there are brand, brand_strong"):
        read_theme({"colour": "#000000"})


def test_what_a_fund_leaves_out_follows_from_its_brand() -> None:
    read = Theme(brand="#7a0019")

    assert (read.link, read.brand_strong) == ("#7a0019", "#7a0019")
    assert read.dark_link == read.dark_brand == lightened("#7a0019")


def test_the_style_sheet_leaves_dark_colours_to_those_who_ask_for_them() -> None:
    css = Theme(brand="#7a0019", dark_brand="#ffb3c1").css()

    light, dark = css.splitlines()
    assert light == ":root{--brand:#7a0019;--brand-strong:#7a0019;--on-brand:#ffffff;--link:#7a0019;}"
    assert dark.startswith("@media (prefers-color-scheme:dark){:root:not([data-scheme=light]){--brand:#ffb3c1;")


def test_dark_colours_are_not_measured_where_the_fund_has_switched_them_off() -> None:
    values = {"brand": "#7a0019", "dark_link": "#333333"}

    with pytest.raises(BadTheme, match="dark_link"):
        read_theme(values)
    assert read_theme({**values, "scheme": "light"})[1] == []


@given(colours)
def test_any_brand_becomes_readable_on_a_dark_page(brand: str) -> None:
    assert contrast(lightened(brand), theme.DARK_PANEL) >= theme.WARNED_BELOW


@given(colours, colours)
def test_a_theme_is_refused_exactly_where_a_pair_cannot_be_read(brand: str, link: str) -> None:
    chosen = Theme(brand=brand, link=link)
    pairs = [(chosen.link, "#ffffff"), (chosen.link, theme.PANEL), (brand, "#ffffff"), ("#ffffff", brand)]

    refused = any(problem.severity == "error" for problem in chosen.check())

    assert refused == any(contrast(*pair) < theme.REFUSED_BELOW for pair in pairs)
