"""The letters: language, address, code, QR code; read back from the PDF."""

import re
import shutil
import subprocess
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import segno
import services
import time_machine
from flask import Flask

from pensioners import letters
from pensioners.letters import Letters
from pensioners.printing_file import Letter
from pensioners.private_file import PrivateFiles

CODE = "K7XM3QPA9TZ2"
LETTER = Letter(
    person_number="10001",
    salutation="Madame",
    first_name="Claire",
    last_name="Exemple",
    street="Rue de la Fiction 12",
    postcode="1202",
    town="Genève",
    country="CH",
    language="fr",
    code=CODE,
    campaign="autumn",
    valid_until=date(2027, 2, 28),
)
POINTS_PER_MM = 72 / 25.4


FUND = {
    "de": "Valora Pensionskasse",
    "fr": "Caisse de pension Valora",
    "it": "Cassa pensioni Valora",
    "en": "Valora Pension Fund",
}


@pytest.fixture
def backend() -> str:
    """A letter is the same on both databases."""
    return "sqlite"


@pytest.fixture(autouse=True)
def day(app: Flask) -> Iterator[None]:
    with time_machine.travel("2026-11-24T12:00:00Z", tick=False):
        yield


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., list[Path]]:
    """Writes letters and returns the files."""

    def write(*pages: Letter, **options: Any) -> list[Path]:
        with PrivateFiles() as files:
            with Letters(files, tmp_path / "letters.pdf", **options) as written:
                for page in pages:
                    written.add(page)
            return list(files.publish())

    return write


def tool(name: str, *arguments: object) -> str:
    if shutil.which(name) is None:
        services.missing(name)
    done = subprocess.run([name, *map(str, arguments)], check=True, capture_output=True, text=True)
    return done.stdout


def text_of(path: Path) -> str:
    return " ".join(tool("pdftotext", "-layout", path, "-").replace("\u2002", " ").split())


def words_of(path: Path) -> dict[str, tuple[float, float, float]]:
    """Where words begin and end on the page, in millimetres from the upper left corner."""
    found = re.findall(
        r'xMin="([\d.]+)" yMin="([\d.]+)".*?yMax="([\d.]+)">(.*?)<', tool("pdftotext", "-bbox", path, "-")
    )
    return {word: tuple(float(value) / POINTS_PER_MM for value in place) for *place, word in reversed(found)}


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "fr",
            [
                "24 novembre 2026",
                "Madame Exemple,",
                "Votre code d'activation",
                "Valable jusqu'au 28 février 2027",
                "Identification",
                "Données d'utilisateur",
                "Confirmer l'e-mail",
                "Sélection à deux facteurs",
                "Confirmez les deux facteurs",
            ],
        ),
        (
            "de",
            [
                "24. November 2026",
                "Guten Tag Madame Exemple",
                "Ihr Aktivierungscode",
                "Gültig bis 28. Februar 2027",
                "Wir fragen Sie nie per Telefon oder E-Mail nach Ihrem Passwort",
            ],
        ),
        ("it", ["24 novembre 2026", "Gentile Madame Exemple,", "Il suo codice di attivazione", "28 febbraio 2027"]),
        ("en", ["24 November 2026", "Dear Madame Exemple,", "Your activation code", "Valid until 28 February 2027"]),
    ],
)
def test_a_letter_is_in_the_persons_language(write: Callable[..., list[Path]], language: str, said: list[str]) -> None:
    text = text_of(write(replace(LETTER, language=language))[0])

    for words in [*said, "K7XM 3QPA 9TZ2", "061 555 01 23", FUND[language], "www.valora-pensionskasse.com"]:
        assert words in text


@pytest.mark.parametrize(("window", "left"), [("right", 118), ("left", 22)])
def test_the_address_stands_where_the_window_is(write: Callable[..., list[Path]], window: str, left: float) -> None:
    """C5 with a window at the right: 118 mm from the left, from 55 mm to 90 mm from the top."""
    words = words_of(write(LETTER, window=window)[0])

    for word in ("Madame", "Claire", "Fiction", "1202"):
        x, top, bottom = words[word]
        assert 54 <= top < bottom <= 90
        assert left - 0.5 <= x <= left + 78
    assert words["Madame"][0] == pytest.approx(left, abs=0.5)


@pytest.mark.parametrize("window", ["right", "left"])
def test_nothing_else_stands_in_the_window(write: Callable[..., list[Path]], window: str) -> None:
    left = 118 if window == "right" else 22
    address = {"Madame", "Claire", "Exemple", "Rue", "de", "la", "Fiction", "12", "1202", "Genève"}

    words = words_of(write(LETTER, window=window)[0])

    inside = {word for word, (x, top, _) in words.items() if left - 8 <= x <= left + 80 and 47 <= top <= 92}
    assert inside <= address


@pytest.mark.parametrize(
    ("changed", "lines"),
    [
        ({}, ["Madame", "Claire Exemple", "Rue de la Fiction 12", "1202 Genève"]),
        ({"salutation": "", "street": ""}, ["Claire Exemple", "1202 Genève"]),
        ({"country": "IT"}, ["Madame", "Claire Exemple", "Rue de la Fiction 12", "1202 Genève", "ITALIE"]),
        (
            {"country": "AT", "postcode": "", "language": "de"},
            ["Madame", "Claire Exemple", "Rue de la Fiction 12", "Genève", "ÖSTERREICH"],
        ),
    ],
)
def test_the_address_is_what_the_post_reads(changed: dict[str, str], lines: list[str]) -> None:
    assert letters.address_lines(replace(LETTER, **changed)) == lines


@pytest.mark.parametrize("language", ["fr", "de", "it", "en"])
def test_the_qr_code_opens_step_1_with_only_the_code_filled_in(
    write: Callable[..., list[Path]], tmp_path: Path, language: str
) -> None:
    path = write(replace(LETTER, language=language))[0]
    tool("pdftoppm", "-r", "150", "-png", path, tmp_path / "page")

    read = tool("zbarimg", "--quiet", "--raw", tmp_path / "page-1.png")

    assert read.strip() == f"http://localhost:8400/enrol?act={CODE}"


def test_around_the_qr_code_four_of_its_modules_are_empty() -> None:
    """ISO/IEC 18004 §6.3.8: or cheap cameras do not find it."""
    modules = len(segno.make(letters.enrolment_address(CODE), error="m", micro=False).matrix)

    assert 4 * letters.QR / modules <= letters.MARGIN


@pytest.mark.parametrize("language", ["fr", "de", "it", "en"])
def test_every_letter_fits_on_one_page_above_the_lower_edge(write: Callable[..., list[Path]], language: str) -> None:
    long = replace(LETTER, language=language, last_name="von Beispielhausen-Musterstetten " * 5, country="IT")

    for letter in (replace(LETTER, language=language), long):
        path = write(letter)[0]
        assert tool("pdfinfo", path).count("Pages:           1") == 1
        assert max(bottom for _, _, bottom in words_of(path).values()) <= 290
        assert "K7XM 3QPA 9TZ2" in text_of(path)


def test_a_very_long_address_stays_within_the_window(write: Callable[..., list[Path]]) -> None:
    long = replace(LETTER, last_name="Beispielhausen-" * 13, street="Musterstrasse " * 10, country="IT")

    places = words_of(write(long)[0])

    assert places["ITALIE"][2] <= 92
    inside = [place for place in places.values() if 54 <= place[1] <= 92 and place[0] >= 117]
    assert max(x for x, _, _ in inside) <= 200


def test_no_line_begins_with_a_french_punctuation_mark(write: Callable[..., list[Path]]) -> None:
    for town in ("Genève", "La Chaux-de-Fonds"):
        layout = tool("pdftotext", "-layout", write(replace(LETTER, town=town))[0], "-")

        assert not [line for line in layout.splitlines() if line.strip().startswith((":", "?", "!", ";", "»"))]


def test_all_fonts_are_embedded(write: Callable[..., list[Path]]) -> None:
    fonts = tool("pdffonts", write(LETTER)[0]).splitlines()[2:]

    assert len(fonts) == 2
    assert all("SourceSans3" in font and " yes yes yes " in font for font in fonts)


def test_names_of_this_country_are_printed_and_never_read_as_markup(write: Callable[..., list[Path]]) -> None:
    text = text_of(write(replace(LETTER, first_name="Đorđe <b>&amp;</b>", last_name="Škarić-Nguyễn {0} %s"))[0])

    assert "Đorđe <b>&amp;</b> Škarić-Nguyễn {0} %s" in text


def test_letters_the_font_lacks_are_replaced(write: Callable[..., list[Path]]) -> None:
    assert "Anna ? Exemple" in text_of(write(replace(LETTER, first_name="Anna 王"))[0])


def test_a_new_file_begins_after_so_many_pages(
    write: Callable[..., list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "PAGES_A_FILE", 2)

    files = write(*(replace(LETTER, person_number=str(number)) for number in range(5)))

    assert [path.name for path in files] == ["letters.pdf", "letters-2.pdf", "letters-3.pdf"]
    assert [re.search(r"Pages:\s+(\d)", tool("pdfinfo", path))[1] for path in files] == ["2", "2", "1"]


def test_the_letter_tells_the_password_rule_in_force(
    app: Flask, write: Callable[..., list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = app.extensions["idp"]
    by_groups = text_of(write(replace(LETTER, language="en"))[0])
    monkeypatch.setattr(provider, "settings", provider.settings.model_copy(update={"password_rule": "length"}))
    by_length = text_of(write(replace(LETTER, language="en"))[0])

    assert "at least 8 characters from the following groups" in by_groups
    assert "at least 12 characters" in by_length
