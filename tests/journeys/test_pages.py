"""What every page must be, looked at in a real browser in every state that an enrolment, a sign-in and a reset pass."""

import re
import sys
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page
from walk import e164

sys.path.insert(0, str(Path(__file__).parent))

import steps
from accessibility import violations
from house import House

FORBIDDEN = "[maxlength],[pattern],[required],[placeholder],[onpaste],[style],[onclick],[onload],input[type=number]"
FORBIDDEN += ",form:not([novalidate]),input[autofocus],[tabindex]:not([tabindex='0']):not([tabindex='-1'])"
ATTRIBUTES = {
    "id": ("text", "username", "email"),
    "dob": ("text", "bday", "numeric"),
    "act": ("text", "off", None),
    "terms": ("checkbox", None, None),
    "email": ("email", "email", "email"),
    "password": ("password", "new-password", None),
    "password2": ("password", "new-password", None),
    "code": ("text", "one-time-code", "numeric"),
    "phone": ("tel", "tel", "tel"),
    "username": ("text", "username", "email"),
    "method": ("radio", None, None),
}
"""Type, autocomplete and inputmode of each field (pages.md 2.3); the page Connexion asks for the current password."""
FIELDS = """all => all.map(e => [e.name, e.type, e.getAttribute("autocomplete"), e.getAttribute("inputmode")])"""
TAGS_OF = {"fr": "fr-CH", "de": "de-CH", "it": "it-CH", "en": "en"}
STEP = {"fr": "Étape {} sur 5 : ", "de": "Schritt {} von 5: ", "it": "Passo {} di 5: ", "en": "Step {} of 5: "}
SMALL = """() => [...document.querySelectorAll(
    "a.btn, .links a, .langs a, .site-foot li a, .brand, button, summary, label.choice, input:not([type=hidden])")]
  .filter(e => e.offsetParent && !["radio","checkbox"].includes(e.type))
  .filter(e => { const r = e.getBoundingClientRect(); return r.height < 44 || r.width < 44 })
  .map(e => e.outerHTML.slice(0, 120))"""
SMALL_TEXT = """() => [...document.querySelectorAll("body *")]
  .filter(e => e.offsetParent && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
  .filter(e => !e.closest(".vh") && parseFloat(getComputedStyle(e).fontSize) < 17.9)
  .map(e => e.tagName + " " + e.textContent.trim().slice(0, 40))"""
BROKEN = """() => { const ids = [...document.querySelectorAll("[id]")].map(e => e.id), wrong = [];
  if (new Set(ids).size !== ids.length) wrong.push("an id stands twice");
  for (const name of ["for", "aria-describedby", "aria-controls", "aria-labelledby"])
    for (const e of document.querySelectorAll(`[${name}]`))
      for (const id of e.getAttribute(name).split(/\\s+/)) if (!ids.includes(id)) wrong.push(`${name}=${id}`);
  for (const a of document.querySelectorAll("a[href^='#']"))
    if (!ids.includes(a.getAttribute("href").slice(1))) wrong.push(a.getAttribute("href"));
  return wrong }"""

TRANSFERS = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .map(entry => [entry.name, entry.encodedBodySize])"""

Visit = Callable[..., Page]


def states(house: House, page: Page, language: str) -> Iterator[str]:
    """Walks through the pages and stops at each state, named."""
    person, live = house.person(language if language != "en" else "fr"), house.live
    page.goto(f"{live.issuer}/enrol?lang={language}")
    yield "choice"
    steps.choose_member(page)
    yield "identification"
    steps.press_next(page)
    yield "identification with errors"
    steps.identify(page, person)
    yield "user data"
    page.fill("#email", "anna@bluewni.ch")
    page.fill("#password", "abc")
    steps.press_next(page)
    yield "user data with errors"
    steps.user_data(page, person)
    yield "confirm e-mail"
    steps.confirm_email(page, live, person)
    yield "second factor"
    page.click("main .actions a.btn:not(.quiet)")
    yield "proven address"
    page.goto(f"{live.issuer}/enrol?lang={language}")
    steps.choose_member(page)
    steps.identify(page, person)
    yield "kept address"
    steps.press_next(page)
    yield "kept address with errors"
    page.fill("#password", person.password)
    page.fill("#password2", person.password)
    steps.press_next(page)
    page.check("input[value=totp]")
    steps.press_next(page)
    yield "app"
    page.click("main .actions a.btn:not(.quiet)")
    page.check("input[value=sms]")
    steps.press_next(page)
    yield "phone"
    page.fill("#phone", person.phone)
    steps.press_next(page)
    yield "sms"
    page.fill("#code", "12")
    steps.press_next(page)
    yield "sms with errors"
    page.click("main .actions a.quiet")
    yield "cancel"
    page.click("main .actions a.quiet")
    page.fill("#code", live.code(e164(person.phone)))
    steps.press_next(page)
    yield "done"
    yield from _after(house, page, person, language)


def _after(house: House, page: Page, person: steps.Person, language: str) -> Iterator[str]:
    live = house.live
    page.context.clear_cookies(name="idp_session")
    page.goto(f"{live.issuer}/signin?lang={language}")
    steps.choose_member(page)
    yield "sign-in"
    page.fill("#username", person.email)
    page.fill("#password", "wrong")
    steps.press_next(page)
    yield "sign-in with errors"
    page.fill("#password", person.password)
    steps.press_next(page)
    yield "second factor at sign-in"
    page.goto(f"{live.issuer}/password/forgot")
    steps.choose_member(page)
    yield "forgotten password"
    page.fill("#username", person.email)
    steps.press_next(page)
    yield "code by e-mail"
    page.fill("#code", "12")
    steps.press_next(page)
    yield "code by e-mail with errors"
    page.fill("#code", live.code(person.email, after=2))
    sent = len(live.messages(e164(person.phone)))
    steps.press_next(page)
    yield "second factor at reset"
    page.fill("#code", live.code(e164(person.phone), after=sent - 1))
    steps.press_next(page)
    yield "new password"
    steps.press_next(page)
    yield "new password with errors"
    person.password = "Neue-Vier 4711 Gruppen"
    page.fill("#password", person.password)
    page.fill("#password2", person.password)
    steps.press_next(page)
    yield "sign-in after reset"
    page.goto(f"{live.issuer}/i/nothing/enrol/user-data")
    yield "expired"
    for path in ("terms", "privacy", "accessibility", "signout", "nothing-here"):
        page.goto(f"{live.issuer}/{path}")
        yield path


def faults(page: Page, state: str, language: str) -> list[str]:
    """Everything that is not as it must be."""
    found: list[str] = []

    def must(condition: object, text: str) -> None:
        if not condition:
            found.append(f"{state}: {text}")

    must(page.locator("html").get_attribute("lang", timeout=1000) == TAGS_OF[language], "html lang")
    must(page.locator("h1").count() == 1, "one h1")
    has_errors = page.locator(".error-summary").count() == 1
    must(_spaced(page.title()) == _spaced(_title(page, language, has_errors)), f"title {page.title()}")
    must("errors" not in state or has_errors, "no error summary")
    must(page.locator(".langs li").count() == 4, "four languages")
    must("061 555 01 23" in _spaced(page.locator("footer").text_content() or ""), "help line")
    for name, script in (("small", SMALL), ("small text", SMALL_TEXT), ("broken", BROKEN)):
        must(not (result := page.evaluate(script)), f"{name}: {result}")
    forbidden = page.locator(FORBIDDEN).evaluate_all("all => all.map(e => e.outerHTML.slice(0, 100))")
    must(not forbidden, f"forbidden: {forbidden}")
    for name, *given in page.locator("main input:not([type=hidden])").evaluate_all(FIELDS):
        wanted = [*ATTRIBUTES[name]]
        if name == "password" and state.startswith("sign-in"):
            wanted[1] = "current-password"
        must(given == wanted, f"{name} is {given}")
    found += [f"{state}: {text}" for text in _errors(page)]
    size = page.viewport_size
    page.set_viewport_size({"width": 320, "height": 640})
    must(page.evaluate("document.documentElement.scrollWidth <= 320"), "scrolls sideways at 320 px")
    page.set_viewport_size(size or {"width": 1280, "height": 900})
    return [*found, *(f"{state}: {text}" for text in violations(page))]


def _spaced(text: str) -> str:
    """Any space that does not break counts as a space."""
    return text.replace("\u00a0", " ").replace("\u202f", " ")


def _title(page: Page, language: str, has_errors: bool) -> str:
    """pages.md 2.1.2: what to do here, with the number of the step in an enrolment, with «Erreur» first after one."""
    title = f"{(page.text_content('h1') or '').strip()} – myVPK"
    if page.locator(".steps").count():
        position = page.locator(".steps li").evaluate_all("all => all.findIndex(e => e.ariaCurrent === 'step')")
        title = STEP[language].format(position + 1) + title
    error = {"fr": "Erreur : ", "de": "Fehler: ", "it": "Errore: ", "en": "Error: "}[language]
    return error + title if has_errors else title


def _errors(page: Page) -> Iterator[str]:
    """pages.md A5: the focus, a link to each field with its text, nothing secret sent back."""
    if not page.locator(".error-summary").count():
        return
    if not page.evaluate("document.activeElement.classList.contains('error-summary')"):
        yield "the focus is not on the summary"
    for link in page.locator(".error-summary a").all():
        name = (link.get_attribute("href") or "").removeprefix("#")
        beside = page.locator(f"#{name}-err").evaluate("e => e.lastChild.textContent.trim()")
        if (link.text_content() or "").strip() != beside:
            yield f"the summary says something else than the field {name}"
        link.click()
        if page.evaluate("document.activeElement.id") != name:
            yield f"the link to {name} leads elsewhere"
    for secret in page.locator("input[type=password], input[name=code]").all():
        if secret.get_attribute("value"):
            yield "a secret is sent back"


@pytest.mark.parametrize("language", ["fr", "de", "it", "en"])
def test_every_page_is_accessible_and_in_its_frame(
    house: House, visit: Visit, picture: Callable[[Page, str], None], language: str
) -> None:
    page, found, titles = visit(language), [], set()

    for state in states(house, page, language):
        picture(page, f"{language}-{re.sub('[^a-z]+', '-', state)}")
        found += faults(page, state, language)
        titles.add(page.title())

    assert not found, "\n".join(found)
    assert len(titles) >= 20


def test_a_page_is_light(house: House, visit: Visit) -> None:
    page = visit()
    page.goto(f"{house.live.issuer}/enrol")
    steps.choose_member(page)
    page.context.new_cdp_session(page).send("Network.setCacheDisabled", {"cacheDisabled": True})

    answers = page.evaluate(TRANSFERS) if page.reload(wait_until="networkidle") else []

    assert 3 <= len(answers) <= 8, answers
    assert sum(size for _, size in answers) <= 60_000, answers


def test_what_may_be_cached_is_and_what_must_not_is_not(house: House, visit: Visit) -> None:
    page, kept = visit(), {}
    page.on("response", lambda answer: kept.update({answer.url: answer.headers.get("cache-control", "")}))
    page.goto(f"{house.live.issuer}/enrol")
    steps.choose_member(page)

    assert {value for url, value in kept.items() if "/static/" in url} == {"public, max-age=31536000, immutable"}
    assert {value for url, value in kept.items() if "/i/" in url} == {"no-store"}
