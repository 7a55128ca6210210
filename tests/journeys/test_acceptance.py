"""Acceptance rows of pages.md 4.2 that need a real browser: reflow, text size, colours, fonts, paste, keyboard.

The gallery shows every page in every state; in the pseudo language each text is its longest wording and a third longer.
"""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import services
from playwright.sync_api import Page
from playwright.sync_api import Route
from playwright.sync_api import expect
from walk import e164

sys.path.insert(0, str(Path(__file__).parent))

import steps
from accessibility import violations
from house import House

Visit = Callable[..., Page]

STYLES = {
    "as it is": "",
    "text spacing": "*{line-height:1.5!important;letter-spacing:.12em!important;word-spacing:.16em!important}"
    "p{margin-bottom:2em!important}",
    "text twice as large": "html{font-size:225%!important}",
}
"""WCAG 1.4.12 and 1.4.4 as a reader's own style sheet."""
WEAR = """css => { const sheet = new CSSStyleSheet(); sheet.replaceSync(css); document.adoptedStyleSheets = [sheet] }"""
FILL = """() => { for (const more of document.querySelectorAll("details")) more.open = true;
  const brand = document.querySelector(".brand");
  brand.lastChild.textContent = "Pensionskasse der Einwohnergemeindeverwaltung Musterhausen-Oberwil";
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="900" height="60"><rect width="900" height="60"/></svg>';
  const logo = brand.querySelector("img"); logo.removeAttribute("width"); logo.removeAttribute("height");
  logo.src = "data:image/svg+xml," + encodeURIComponent(svg); return logo.decode() }"""
MISFITS = """() => { const wide = document.documentElement.clientWidth, found = [];
  if (document.documentElement.scrollWidth > wide) found.push("the page scrolls sideways");
  const hidden = e => e.closest(".vh, .skip, dialog:not([open]), .site-head") || !e.checkVisibility();
  const blocks = [...document.querySelectorAll(
      "h1, h2, p, li, dt, dd, label, legend, summary, input:not([type=hidden]), button, a.btn, .qr, code")]
    .filter(e => !hidden(e) && getComputedStyle(e).display !== "inline");
  for (const e of blocks) {
    const r = e.getBoundingClientRect(), name = e.tagName + " " + e.textContent.trim().slice(0, 30);
    if (r.left < -1 || r.right > wide + 1) found.push("cut off: " + name);
    if (e.scrollWidth > e.clientWidth + 2 && e.clientWidth && e.tagName !== "INPUT") found.push("too wide: " + name);
    if (e.scrollHeight > e.clientHeight + 2 && getComputedStyle(e).overflowY === "hidden") found.push("cut: " + name);
  }
  const leaves = blocks.filter(e => !blocks.some(other => other !== e && e.contains(other)));
  for (const [i, one] of leaves.entries()) for (const two of leaves.slice(i + 1)) {
    if (one.closest("label") && one.closest("label") === two.closest("label")) continue;
    const a = one.getBoundingClientRect(), b = two.getBoundingClientRect();
    const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (x > 2 && y > 2) found.push(`overlap: ${one.tagName} ${one.textContent.trim().slice(0, 20)} | ${two.tagName} ${
      two.textContent.trim().slice(0, 20)}`);
  }
  return found }"""
TARGETS = """() => { const found = [], of = e => (["radio", "checkbox"].includes(e.type) ? e.closest("label") : e);
  const all = "button, .btn, summary, input:not([type=hidden]), .links a, .langs a, .brand";
  const shown = [...document.querySelectorAll(all)]
    .filter(e => e.getClientRects().length && !e.closest("dialog:not([open])")).map(of);
  for (const e of shown) { const r = e.getBoundingClientRect(), least = e.matches(".btn, .input") ? 52 : 44;
    if (r.height < least || r.width < 44) found.push(`${Math.round(r.height)} high: ${e.outerHTML.slice(0, 60)}`) }
  const buttons = [...document.querySelectorAll(".actions .btn")].filter(e => e.getClientRects().length);
  for (const [i, one] of buttons.entries()) for (const two of buttons.slice(i + 1)) {
    const a = one.getBoundingClientRect(), b = two.getBoundingClientRect();
    const x = Math.max(a.left - b.right, b.left - a.right), y = Math.max(a.top - b.bottom, b.top - a.bottom);
    if (Math.max(x, y) < 8) found.push(`${Math.max(x, y)} apart: ${one.textContent} | ${two.textContent}`) }
  return found }"""
SHIFTS = """() => new Promise(done => { let sum = 0;
  new PerformanceObserver(list => { for (const e of list.getEntries()) sum += e.value })
    .observe({type: "layout-shift", buffered: true});
  requestAnimationFrame(() => requestAnimationFrame(() => done(sum))) })"""
SAME = r"two_factor_enrolment/|errors/(?!500|expired)|pages/(?!privacy)|paused/code"
"""Pages that are made of the same parts as others."""


def fullest(house: House) -> list[str]:
    """Names of the gallery: each page in the state that has the most on it."""
    listed = re.findall(r'href="/dev/pages/([^?"]+)\?', requests.get(f"{house.live.issuer}/dev/pages", timeout=40).text)
    states: dict[str, list[str]] = {}
    for name in dict.fromkeys(listed):
        if not re.match(SAME, name):
            place = re.sub(
                r"/(\d|empty|resent|wait|limit|again|new-password|cancelled|taken|resumed|replaced)$", "", name
            )
            states.setdefault(place, []).append(name)
    return [max(names, key=lambda name: (name.endswith("/1"), name.endswith("/empty"))) for names in states.values()]


def show(page: Page, house: House, name: str, language: str = "fr") -> None:
    page.goto(f"{house.live.issuer}/dev/pages/{name}?lang={language}", wait_until="load")


def test_nothing_is_cut_off_covered_or_too_small(house: House, visit: Visit) -> None:
    """A11, A12, A13, A29, A33: 320 pixels, a reader's own spacing, text twice as large, long words, a long name."""
    page, found = visit("de"), []
    names = fullest(house)

    for name in names:
        page.set_viewport_size({"width": 320, "height": 256})
        show(page, house, name, "zz")
        page.evaluate(FILL)
        for style, width in (("as it is", 320), ("text spacing", 320), ("text twice as large", 640)):
            if width != 320:
                page.set_viewport_size({"width": width, "height": 640})
            page.evaluate(WEAR, STYLES[style])
            found += [f"{name}, {style}: {fault}" for fault in page.evaluate(MISFITS)]
            if style == "as it is":
                found += [f"{name}: {fault}" for fault in page.evaluate(TARGETS)]

    assert len(names) >= 30
    assert found == [], "\n".join(found)


def test_what_does_not_fit_would_be_found(house: House, visit: Visit) -> None:
    page = visit(width=320)
    show(page, house, "enrol/user-data")
    assert page.evaluate(MISFITS) == page.evaluate(TARGETS) == []

    page.evaluate(WEAR, "h1{width:40rem} .field label{margin-bottom:-3rem} .btn{min-height:2rem;padding:0}")

    text = " ".join(page.evaluate(MISFITS))
    assert "sideways" in text
    assert "overlap" in text
    assert page.evaluate(TARGETS)


@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 320), ("light", 1280), ("dark", 1280)])
def test_the_qr_code_is_read_from_the_screen(
    house: House, visit: Visit, tmp_path: Path, scheme: Any, width: int
) -> None:
    """A27: as a telephone before the screen reads it, the quiet zone white also in dark mode."""
    if services.find("zbarimg") is None:
        services.missing("zbarimg")
    page = visit(width=width, color_scheme=scheme)
    show(page, house, "enrol/confirm-second-factor/totp")
    page.screenshot(path=str(tmp_path / "page.png"), full_page=True)

    command = ["zbarimg", "--quiet", "--raw", str(tmp_path / "page.png")]
    read = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert read.startswith("otpauth://totp/")
    assert read == page.get_attribute("a[href^='otpauth:']", "href")
    assert (page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)") == (
        scheme == "light"
    )


EMULATED = ("enrol/identification/empty", "enrol/second-factor", "sign_in/credentials", "paused/enrol")


def test_less_motion_forced_colours_and_more_contrast(house: House, visit: Visit) -> None:
    """A28: nothing moves; fields and buttons keep an edge; hints are as dark as the text."""
    page, found = visit(), []
    edges = """() => [...document.querySelectorAll("input.input, .btn, label.choice:not(.check)")].filter(e => {
      const s = getComputedStyle(e); return e.getClientRects().length && !(e.matches(".quiet")) &&
        (s.borderTopStyle === "none" || parseFloat(s.borderTopWidth) < 1 || s.borderTopColor === s.backgroundColor) })
      .map(e => e.outerHTML.slice(0, 60))"""
    for name in EMULATED:
        show(page, house, name)
        page.emulate_media(reduced_motion="reduce")
        found += [f"{name} moves"] * page.evaluate("document.getAnimations().length")
        page.emulate_media(reduced_motion="no-preference", forced_colors="active")
        assert page.evaluate("matchMedia('(forced-colors: active)').matches")
        found += [f"{name}: no edge: {edge}" for edge in page.evaluate(edges)]
        page.emulate_media(forced_colors="none", contrast="more")
        pale = "all => all.filter(e => getComputedStyle(e).color !== getComputedStyle(document.body).color).length"
        found += [f"{name}: a pale hint"] * page.locator(".hint").evaluate_all(pale)
        page.emulate_media(contrast="no-preference")
        found += [f"{name} moves"] * page.evaluate("document.getAnimations().length")

    assert found == []


@pytest.mark.parametrize("name", ["enrol/identification", "sign_in/credentials"])
def test_text_is_there_before_the_fonts_and_does_not_jump_when_they_come(house: House, visit: Visit, name: str) -> None:
    """A16: the fonts are kept back until the text has been painted."""
    page = visit(width=390)
    kept: list[Route] = []

    def hold(route: Route) -> None:
        kept.append(route)

    page.route("**/*.woff2*", hold)

    page.goto(f"{house.live.issuer}/dev/pages/{name}?lang=fr", wait_until="commit")
    until(page, "performance.getEntriesByName('first-contentful-paint').length === 1")
    expect(page.locator("h1")).to_be_visible()
    until(page, "document.fonts.status === 'loading'")
    assert [font for font in page.evaluate("[...document.fonts].map(f => f.status)") if font == "loaded"] == []
    assert len(kept) == 2
    for route in kept:
        route.continue_()
    until(page, "[...document.fonts].every(f => f.status === 'loaded')")

    assert page.evaluate(SHIFTS) < 0.1


def until(page: Page, condition: str) -> None:
    """Wait for it; the policy of the pages forbids what `wait_for_function` does."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never: {condition}")


def test_the_pages_are_accessible_on_a_telephone_in_the_dark_too(house: House, visit: Visit) -> None:
    """A1 at 360 pixels, dark; the walks of `test_pages.py` look at 1280 in both schemes."""
    page, found = visit(width=360), []
    for name in ("enrol/identification/empty", "enrol/confirm-second-factor/totp/1", "consent/agreement/elsewhere"):
        show(page, house, name)
        found += [f"{name}: {rule}" for rule in violations(page)]

    assert found == []


# --- A7: paste -----------------------------------------------------------------------------------------------------


def paste(page: Page, field: str, text: str) -> None:
    """By the clipboard, as from another window."""
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.fill(field, "")
    page.focus(field)
    page.keyboard.press("Control+V")
    assert page.input_value(field) == text, "something stands in the way of what is pasted"


def test_everything_may_be_pasted(house: House, visit: Visit) -> None:
    """Blanks that do not break, the code in two groups, the whole SMS, a password of 64 characters."""
    person, live = house.person(), house.live
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"{live.issuer}/enrol?lang=fr")
    steps.choose_member(page)
    paste(page, "#id", "\u00a0" + person.ahv_number.replace(".", "\u00a0") + " ")
    paste(page, "#dob", f" {person.birth_date} ")
    paste(page, "#act", person.code.replace("-", " ").lower())
    page.check("#terms")
    steps.press_next(page)
    person.password = "Vier-Gruppen 2026! ".ljust(64, "ä")
    paste(page, "#email", person.email)
    paste(page, "#password", person.password)
    paste(page, "#password2", person.password)
    steps.press_next(page)
    code = live.code(person.email)
    paste(page, "#code", f"{code[:3]} {code[3:]}")
    steps.press_next(page)
    page.check("input[value=sms]")
    steps.press_next(page)
    paste(page, "#phone", f"+41 (0){person.phone[1:3]} {person.phone[3:6]} {person.phone[6:8]} {person.phone[8:]}")
    steps.press_next(page)
    live.code(e164(person.phone))
    paste(page, "#code", live.messages(e164(person.phone))[0]["text"].replace("\n", " "))
    steps.press_next(page)

    assert page.url.endswith("/enrol/done"), page.text_content("main")
    page.context.clear_cookies()
    page.goto(f"{live.issuer}/signin?lang=fr")
    steps.choose_member(page)
    paste(page, "#username", person.ahv_number.replace(".", "\u00a0"))
    paste(page, "#password", person.password)
    steps.press_next(page)
    assert "two_factor" in page.url


# --- A9: the keyboard alone ----------------------------------------------------------------------------------------

FOCUSED = """() => { const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
  const order = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), summary, [tabindex]")];
  const middle = [r.left + r.width / 2, r.top + Math.min(r.height / 2, 20)];
  const on = document.elementFromPoint(...middle);
  const label = e.closest("label");
  return { place: order.indexOf(e), ring: s.outlineStyle === "none" ? 0 : parseFloat(s.outlineWidth),
    covered: !on || !(e.contains(on) || on.contains(e) || label && label.contains(on)),
  name: e.outerHTML.slice(0, 80) } }"""


class Keyboard:
    """A person without a mouse; at every stop the focus must be seen, uncovered and further down the page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def to(self, field: str) -> None:
        """Tab until there."""
        last = -1
        for _ in range(40):
            self.page.keyboard.press("Tab")
            stop = self.page.evaluate(FOCUSED)
            assert stop["place"] > last, f"the focus jumps back: {stop}"
            assert stop["ring"] >= 2, f"the focus is not seen: {stop}"
            assert not stop["covered"], f"the focus is covered: {stop}"
            last = stop["place"]
            if self.page.evaluate("field => document.activeElement.matches(field)", field):
                return
        raise AssertionError(f"{field} is never reached")

    def type(self, *given: tuple[str, str]) -> None:
        """Fill in these fields in the page's order, and Enter in the last: it means «Suivant»."""
        for field, text in given:
            self._on_to(field)
            self.page.keyboard.insert_text(text) if text else self.page.keyboard.press("Space")
        self.enter()

    def press(self, control: str) -> None:
        self.to(control)
        self.enter()

    def enter(self) -> None:
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def _on_to(self, field: str) -> None:
        """From one field to the next, by whatever lies between."""
        if self.page.evaluate("document.activeElement === document.body || document.activeElement.id === 'main'"):
            self.to(field)
            return
        for _ in range(12):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("field => document.activeElement.matches(field)", field):
                return
        raise AssertionError(f"{field} is never reached")


@pytest.mark.parametrize("factor", ["sms", "totp"])
def test_the_keyboard_alone_is_enough(house: House, visit: Visit, factor: str) -> None:
    """Enrolment, sign-out, sign-in with each factor, a forgotten password, a wrong answer on the way."""
    person, live, page = house.person(), house.live, visit()
    keyboard, phone = Keyboard(page), e164(person.phone)
    page.goto(f"{live.issuer}/enrol?lang=fr")
    keyboard.press("button[name=entry]")
    keyboard.press("button.primary")
    assert page.evaluate("document.activeElement.className") == "error-summary"
    identified = (("#id", person.ahv_number), ("#dob", person.birth_date), ("#act", person.code), ("#terms", ""))
    keyboard.type(*identified)
    keyboard.type(("#email", person.email), ("#password", person.password), ("#password2", person.password))
    keyboard.type(("#code", live.code(person.email)))
    keyboard.to("input[name=method]")
    page.keyboard.press("Space" if factor == "sms" else "ArrowDown")
    keyboard.enter()
    if factor == "sms":
        keyboard.type(("#phone", person.phone))
        keyboard.type(("#code", live.code(phone)))
    else:
        person.totp_secret = (page.text_content("[data-totp-key]") or "").replace(" ", "").strip()
        keyboard.type(("#code", steps.pyotp.TOTP(person.totp_secret).now()))
    assert page.url.endswith("/enrol/done")
    keyboard.press("main button.primary")

    page.goto(f"{live.issuer}/signout?lang=fr")
    keyboard.press("main button.primary")
    expect(page.locator("h1")).to_have_text("La déconnexion a réussi")
    if factor == "totp":
        return
    page.goto(f"{live.issuer}/signin?lang=fr")
    keyboard.press("button[name=entry]")
    keyboard.press("main a[href*='/password/forgot']")
    sent = len(live.messages(person.email))
    keyboard.type(("#username", person.email))
    keyboard.type(("#code", live.code(person.email, after=sent)))
    sent = len(live.messages(phone))
    keyboard.type(("#code", steps.factor_code(live, person, sent - 1)))
    keyboard.type(("#password", "Neue-Vier 4711 Gruppen"), ("#password2", "Neue-Vier 4711 Gruppen"))
    keyboard.type(("#username", person.email), ("#password", "Neue-Vier 4711 Gruppen"))
    assert "two_factor" in page.url
