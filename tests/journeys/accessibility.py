"""axe-core on a page in a real browser: what it finds against WCAG 2.2 at AAA and good practice."""

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

TAGS = ["wcag2a", "wcag2aa", "wcag2aaa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast", "color-contrast-enhanced", "link-in-text-block"]
"""The rules of which another colour scheme can change the outcome."""
RUN = """async options => (await axe.run({...options, resultTypes: ["violations"]})).violations
  .map(rule => `${rule.id}: ${rule.nodes.map(node => node.html.slice(0, 100)).join(" | ")}`)"""


def violations(page: Page) -> list[str]:
    """Every rule that is broken, with what breaks it; colours in the light and in the dark scheme."""
    page.emulate_media(color_scheme="light")
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate(RUN, {"runOnly": {"type": "tag", "values": TAGS}})
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(RUN, {"runOnly": {"type": "rule", "values": COLOURS}})
    page.emulate_media(color_scheme="light")
    return [*found, *(f"dark {text}" for text in dark)]
