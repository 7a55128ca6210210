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
from oidc import Configure

from idp.audience import Audience
from pensioners import letters
from pensioners.letters import Letters
from pensioners.printing_file import Letter
from pensioners.private_file import PrivateFiles
from pensioners.typesetting import BOLD
from pensioners.typesetting import REGULAR
from pensioners.typesetting import register_fonts
from pensioners.typesetting import replaced

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
SENDER = "Absender-Kasse, Postfach, 4002 Basel"
CHOICE = (Audience(name="member"), Audience(name="employer", url="https://employers.example"))


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
    return " ".join(tool("pdftotext", "-raw", path, "-").replace("\u2002", " ").split())


def sizes_of(path: Path) -> list[tuple[str, float]]:
    """Each piece of text and its size in points."""
    xml = tool("pdftohtml", "-xml", "-i", "-stdout", "-zoom", "3", path)
    fonts = {number: int(size) / 3 for number, size in re.findall(r'<fontspec id="(\d+)" size="(\d+)"', xml)}
    pieces = re.findall(r'<text [^>]*font="(\d+)">(.*?)</text>', xml)
    return [(re.sub("<.*?>", "", text).strip(), fonts[number]) for number, text in pieces]


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

    inside = {word for word, (x, top, _) in words.items() if left - 8 <= x <= left + 80 and 54 <= top <= 92}
    above = {word for word, (x, top, _) in words.items() if left - 8 <= x <= left + 80 and 47 <= top < 54}
    assert inside <= address
    assert above <= set(FUND["fr"].split())


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


def test_a_letter_lacks_no_character_of_the_latin_script_of_europe() -> None:
    """Latin-1, Latin Extended-A, and the comma-below letters of Romanian."""
    register_fonts()
    script = "".join(char for char in map(chr, [*range(0xC0, 0x180), *range(0x218, 0x21C)]) if char.isalpha())

    assert [replaced(script, font) for font in (REGULAR, BOLD)] == ["", ""]


def test_characters_that_the_font_lacks_are_told(tmp_path: Path) -> None:
    pages = [
        LETTER,
        replace(LETTER, person_number="2", first_name="Anna 王", street="Straße 王明"),
        replace(LETTER, person_number="3", last_name="Ĝǆ Škarić\u200b"),
    ]

    with PrivateFiles() as files:
        with Letters(files, tmp_path / "letters.pdf") as written:
            for page in pages:
                written.add(page)
        files.publish()

    assert written.unprintable == [("2", "王明"), ("3", "ǆ")]
    text = text_of(tmp_path / "letters.pdf")
    assert "Anna ? Exemple" in text
    assert "Ĝdž Škarić" in text


@pytest.mark.parametrize(
    ("letters_written", "pages"), [(0, []), (2, [2]), (3, [3]), (4, [3, 1]), (6, [3, 3]), (7, [3, 3, 1])]
)
def test_a_new_file_begins_after_so_many_pages(
    write: Callable[..., list[Path]], monkeypatch: pytest.MonkeyPatch, letters_written: int, pages: list[int]
) -> None:
    monkeypatch.setattr(letters, "PAGES_A_FILE", 3)

    files = write(*(replace(LETTER, last_name=f"Numéro-{number}") for number in range(letters_written)))

    names = ["letters.pdf", "letters-2.pdf", "letters-3.pdf"]
    assert [path.name for path in files] == names[: len(pages)]
    assert [int(re.search(r"Pages:\s+(\d+)", tool("pdfinfo", path))[1]) for path in files] == pages  # type: ignore[index]
    said = [number for path in files for number in re.findall(r"Madame Numéro-(\d)", text_of(path))]
    assert said == [str(number) for number in range(letters_written)]


@pytest.mark.parametrize("window", ["right", "left"])
@pytest.mark.parametrize("language", ["fr", "de", "it", "en"])
def test_people_of_eighty_can_read_it(
    write: Callable[..., list[Path]], configure: Configure, language: str, window: str
) -> None:
    """12 points, 11 in the frame of the code; only the sender's line, which the post reads, is smaller."""
    configure(letter_sender=dict.fromkeys(FUND, SENDER), audiences=CHOICE)
    person = replace(LETTER, language=language, salutation="Frau Dr.", last_name="Montgomery-Wiederkehr-Schmidhauser")

    sizes = sizes_of(write(person, window=window)[0])

    small = {text for text, size in sizes if size < 11}
    assert small == {SENDER}
    assert {size for text, size in sizes if text not in small} == {11, 12, 14, 25}
    assert sum(size == 11 for _, size in sizes) <= 5


@pytest.mark.parametrize(("window", "left"), [("right", 118), ("left", 22)])
def test_the_senders_line_stands_above_the_address_in_the_window(
    write: Callable[..., list[Path]], configure: Configure, window: str, left: float
) -> None:
    configure(letter_sender=dict.fromkeys(FUND, SENDER))

    words = words_of(write(LETTER, window=window)[0])

    x, top, bottom = words["Postfach,"]
    assert words["Absender-Kasse,"][0] == pytest.approx(left, abs=0.5)
    assert left < x < left + 70
    assert 47 < top < bottom < words["Madame"][1]


def test_without_a_senders_address_the_fund_is_named_there(write: Callable[..., list[Path]]) -> None:
    assert text_of(write(LETTER)[0]).count(FUND["fr"]) == 3  # head, sender's line, closing


def test_a_telephone_number_is_not_broken(write: Callable[..., list[Path]]) -> None:
    for window in ("right", "left"):
        assert "061 555 01 23" in tool("pdftotext", "-raw", write(LETTER, window=window)[0], "-").replace("\u00a0", " ")


def test_who_has_no_choice_is_not_told_to_choose(write: Callable[..., list[Path]], configure: Configure) -> None:
    alone = text_of(write(replace(LETTER, language="en"))[0])
    configure(audiences=CHOICE)
    member = text_of(write(replace(LETTER, language="en"))[0])
    configure(audiences=(Audience(name="insured"), Audience(name="pensioner")))
    pensioner = text_of(write(replace(LETTER, language="en"))[0])

    assert "Please choose «" not in alone
    assert "Please choose «Insured persons or pension recipients»." in member
    assert "Please choose «Pension recipient»." in pensioner


def test_the_letter_tells_the_password_rule_in_force(
    app: Flask, write: Callable[..., list[Path]], configure: Configure
) -> None:
    by_groups = text_of(write(replace(LETTER, language="en"))[0])
    configure(password_rule="length")
    by_length = text_of(write(replace(LETTER, language="en"))[0])

    assert "at least 8 characters from the following groups" in by_groups
    assert "at least 12 characters" in by_length
