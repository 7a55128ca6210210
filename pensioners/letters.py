"""The letters: one page a person, in their own language, with the address where a Swiss window envelope shows it.

No markup is ever read out of a name or a text. A PDF is kept in memory until it is closed, so a new file begins after
2000 pages.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Literal

import segno
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from idp.provider import provider

from . import activation_code
from . import postal_address
from .printing_file import Letter
from .private_file import PrivateFiles
from .swiss_time import today
from .typesetting import BOLD
from .typesetting import REGULAR
from .typesetting import break_lines
from .typesetting import printable
from .typesetting import register_fonts
from .typesetting import replaced

Window = Literal["right", "left"]

PAGES_A_FILE = 2000

WIDTH, HEIGHT = A4
LEFT, RIGHT, BOTTOM = 22 * mm, WIDTH - 20 * mm, 286 * mm
HEAD_TOP, CONTACT_TOP, DATE_TOP, BODY_TOP = 18 * mm, 36 * mm, 82 * mm, 96 * mm
WINDOW_LEFT = {"right": 118 * mm, "left": LEFT}
SENDER_TOP, WINDOW_TOP, WINDOW_WIDTH, WINDOW_HEIGHT = 49 * mm, 55 * mm, 76 * mm, 36 * mm
BESIDE_WINDOW = 70 * mm
INDENT = LEFT + 6 * mm
BODY_SIZES = tuple(12 - quarter / 4 for quarter in range(17))
"""The first that fits: 12 points, and less only where names or words are longer than any that is known."""
ADDRESS_SIZES = (*BODY_SIZES, 7, 6)
SENDER_SIZES = (8, 7.5, 7, 6.5, 6, 5.5, 5)
"""Customary for the line above the address, which the post reads and not the person."""
SMALL, LARGE, CODE = 11, 14, 25
LEADING = 1.25
QR = 32 * mm
MARGIN = 5 * mm
"""Around the QR code: four of its modules at least, or cameras do not find it (ISO/IEC 18004 §6.3.8)."""
FRAME = QR + 2 * MARGIN

STEPS = 5


class Letters:
    """One or more PDF files being written; nothing at all where no path is given."""

    def __init__(self, files: PrivateFiles, path: Path | None, window: Window = "right") -> None:
        self._files, self._path, self._window = files, path, window
        self._canvas: Canvas | None = None
        self.unprintable: list[tuple[str, str]] = []
        """Whose letter shows a name or address with other characters than the register's, and which it lacks."""
        self._pages = self._volumes = 0

    def __enter__(self) -> "Letters":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._close_volume()

    def add(self, letter: Letter) -> None:
        """Write one person's page."""
        if self._path is None:
            return
        if self._canvas is None:
            self._canvas = self._open_volume(self._path)
        Page(letter, self._window).draw(self._canvas)
        if missing := replaced("".join(address_lines(letter)), REGULAR):
            self.unprintable.append((letter.person_number, missing))
        self._canvas.showPage()
        self._pages += 1
        if self._pages % PAGES_A_FILE == 0:
            self._close_volume()

    def _open_volume(self, path: Path) -> Canvas:
        """The first file has the name asked for, the next ones a number: `letters.pdf`, `letters-2.pdf`."""
        self._volumes += 1
        if self._volumes > 1:
            path = path.with_stem(f"{path.stem}-{self._volumes}")
        register_fonts()
        canvas = Canvas(str(self._files.claim(path)), pagesize=A4, pageCompression=1, initialFontName=REGULAR)
        canvas.setTitle(provider.settings.portal)
        canvas.setAuthor(" / ".join(dict.fromkeys(provider.settings.fund.values())))
        return canvas

    def _close_volume(self) -> None:
        if self._canvas is not None:
            self._canvas.save()
            self._canvas = None


class Page:
    """One letter on one page; `y` counts down from the top edge, as on paper.

    Everything is laid out before anything is drawn: where long names or words need more room, the text is set smaller.
    """

    def __init__(self, letter: Letter, window: Window) -> None:
        self._letter, self._window = letter, window
        self._strings: list[tuple[float, float, str, float, str]] = []
        self._body, self._y, self._frame_top, self._frame_height = BODY_SIZES[0], 0.0, 0.0, FRAME
        self._sender_rule = 0.0

    def draw(self, canvas: Canvas) -> None:
        """Write the whole page."""
        for self._body in BODY_SIZES:
            self._strings.clear()
            self._lay_out()
            if self._y <= BOTTOM:
                break
        for left, y, font, size, text in self._strings:
            canvas.setFont(font, size)
            canvas.drawString(left, HEIGHT - y - size, text)
        self._draw_sender_rule(canvas)
        self._draw_frame(canvas)

    def _lay_out(self) -> None:
        self._sender()
        self._address()
        self._head()
        self._opening()
        self._code()
        self._steps()
        self._closing()

    def _sender(self) -> None:
        """The fund's address in one line above the person's, where the window shows it: what comes back needs it."""
        sender = sender_line(self._letter.language)
        fitting = (size for size in SENDER_SIZES if stringWidth(sender, REGULAR, size) <= BESIDE_WINDOW)
        self._y = SENDER_TOP
        self._paragraph(
            sender, left=WINDOW_LEFT[self._window], width=WINDOW_WIDTH, size=next(fitting, SENDER_SIZES[-1])
        )
        self._sender_rule = self._y + 0.5 * mm

    def _address(self) -> None:
        """The address, set smaller where it would not end within the window."""
        self._y = WINDOW_TOP
        address = address_lines(self._letter)
        for size in ADDRESS_SIZES:
            count = sum(len(break_lines(line, REGULAR, size, WINDOW_WIDTH)) for line in address)
            if count * size * LEADING <= WINDOW_HEIGHT:
                break
        for line in address:
            self._paragraph(line, left=WINDOW_LEFT[self._window], width=WINDOW_WIDTH, size=size)

    def _head(self) -> None:
        """The fund; on the side without window whom to call, and the date."""
        self._y = HEAD_TOP
        self._paragraph(provider.settings.fund[self._letter.language], font=BOLD, size=LARGE)
        beside = WINDOW_LEFT["left" if self._window == "right" else "right"]
        self._y = max(CONTACT_TOP, self._y)
        phone = provider.settings.help_phone.replace(" ", "\u00a0")
        self._paragraph(self._text("letter.help", help_phone=phone), left=beside, width=BESIDE_WINDOW)
        self._y += 2 * mm
        self._paragraph(self._text("help.never"), left=beside, width=BESIDE_WINDOW)
        self._y = max(DATE_TOP, self._y + 3 * mm)
        self._paragraph(provider.texts.date(self._letter.language, today()), left=beside)

    def _opening(self) -> None:
        self._y = max(BODY_TOP, self._y + 4 * mm)
        self._paragraph(self._text("letter.subject"), font=BOLD, size=LARGE)
        self._y += 2 * mm
        self._paragraph(self._greeting())
        self._y += 1 * mm
        self._paragraph(self._text("letter.intro"))
        self._y += 3 * mm

    def _code(self) -> None:
        """The code in large groups; the QR code stands beside it in the same frame."""
        self._frame_top = self._y
        inner, width = LEFT + 4 * mm, RIGHT - LEFT - FRAME - 6 * mm
        self._y += 2.5 * mm
        self._paragraph(self._text("letter.code_label"), left=inner, width=width)
        self._paragraph(activation_code.show(self._letter.code), left=inner, width=width, font=BOLD, size=CODE)
        until = self._text("letter.valid_until", date=self._letter.valid_until)
        self._paragraph(f"{until} {self._text('letter.code_note')}", left=inner, width=width, size=SMALL)
        self._y += 1 * mm
        self._paragraph(self._text("letter.qr"), left=inner, width=width, size=SMALL)
        self._frame_height = max(FRAME, self._y + 2.5 * mm - self._frame_top)
        self._y = self._frame_top + self._frame_height + 4 * mm

    def _steps(self) -> None:
        """The way in and the five steps, in the words of the instruction and under the headings of the pages."""
        self._paragraph(" ".join(self._way_in()))
        self._y += 2 * mm
        self._paragraph(self._text("letter.steps"), font=BOLD)
        for number in range(1, STEPS + 1):
            self._y += 1 * mm
            top = self._y
            self._paragraph(f"{number}", font=BOLD)
            self._y = top
            heading = f"{self._text(f'enrol.s{number}')}\u2002"
            self._paragraph(self._text(self._step(number)), left=INDENT, heading=heading)

    def _way_in(self) -> Iterator[str]:
        """Where to begin, and what to press where there is a choice."""
        yield self._text("letter.site")
        if entry := _entry():
            yield self._text("letter.choose", entry=self._text(f"start.{entry}"))

    def _step(self, number: int) -> str:
        """The text of a step; the second one tells the rule for passwords."""
        rule = provider.settings.password_rule
        return f"letter.step{number}" + ("_length" if number == 2 and rule == "length" else "")

    def _closing(self) -> None:
        self._y += 4 * mm
        for line in self._text("letter.closing").splitlines():
            self._paragraph(line)

    def _draw_sender_rule(self, canvas: Canvas) -> None:
        left, y = WINDOW_LEFT[self._window], HEIGHT - self._sender_rule
        canvas.setLineWidth(0.5)
        canvas.line(left, y, left + BESIDE_WINDOW, y)

    def _draw_frame(self, canvas: Canvas) -> None:
        """The frame and the QR code: step 1 with nothing but the code filled in, which says nothing of the person."""
        canvas.setLineWidth(1)
        canvas.rect(LEFT, HEIGHT - self._frame_top - self._frame_height, RIGHT - LEFT, self._frame_height)
        matrix = segno.make(enrolment_address(self._letter.code), error="m", micro=False).matrix
        left, top, module = RIGHT - QR - MARGIN, HEIGHT - self._frame_top - MARGIN, QR / len(matrix)
        for row, line in enumerate(matrix, start=1):
            for start, end in _runs(line):
                canvas.rect(left + start * module, top - row * module, (end - start) * module, module, stroke=0, fill=1)

    def _text(self, key: str, **values: str | date) -> str:
        return provider.texts.text(self._letter.language, key, **values)

    def _greeting(self) -> str:
        letter = self._letter
        if not letter.salutation:
            return self._text("letter.salutation_none")
        return self._text("letter.salutation", salutation=letter.salutation, last_name=letter.last_name)

    def _paragraph(
        self,
        text: str,
        *,
        left: float = LEFT,
        width: float = 0,
        font: str = REGULAR,
        size: float = 0,
        heading: str = "",
    ) -> None:
        """Set a text in lines of a width; a heading stands in bold before its first word."""
        size, width = size or self._body, width or RIGHT - left
        indent = stringWidth(heading, BOLD, size)
        if heading:
            self._strings.append((left, self._y, BOLD, size, printable(heading, BOLD)))
        for line in break_lines(text, font, size, width, indent):
            self._strings.append((left + indent, self._y, font, size, line))
            self._y += size * LEADING
            indent = 0


def address_lines(letter: Letter) -> list[str]:
    """Name and address as the post reads them."""
    place = postal_address.lines(
        street=letter.street,
        postcode=letter.postcode,
        town=letter.town,
        country=letter.country,
        language=letter.language,
    )
    return [line for line in (letter.salutation, f"{letter.first_name} {letter.last_name}", *place) if line]


def sender_line(language: str) -> str:
    """Who sends the letter: the fund's postal address, or its name alone where it was not said."""
    return (provider.settings.letter_sender or provider.settings.fund)[language]


def enrolment_address(code: str) -> str:
    """What the QR code opens."""
    return f"{provider.settings.issuer}/enrol?act={code}"


def _entry() -> str:
    """The entry of the choice page that pensioners press; nothing where there is no choice."""
    if len(provider.settings.audiences) < 2:
        return ""
    names = [entry.name for entry in provider.settings.audiences if not entry.url]
    return next((name for name in ("pensioner", "member", *names) if name in names), "")


def _runs(line: Sequence[int]) -> list[tuple[int, int]]:
    """Where dark modules begin and end in a row."""
    edges = [0, *line, 0]
    changes = [place for place in range(len(edges) - 1) if bool(edges[place]) != bool(edges[place + 1])]
    return list(zip(changes[::2], changes[1::2], strict=True))
