"""A real browser, for pages that need one: session management runs scripts in frames of two origins."""

import contextlib
import json
import tempfile
import time
from pathlib import Path

import pages
from playwright.sync_api import Error
from playwright.sync_api import Page
from playwright.sync_api import sync_playwright

SECONDS = 60
LETS_COOKIES_THROUGH = {"profile": {"block_third_party_cookies": False, "cookie_controls_mode": 0}}
QUIET = 16
"""Half seconds: the suite's frames take some to speak with ours."""
FLAGS = ("--no-sandbox", "--disable-features=ThirdPartyStoragePartitioning,TrackingProtection3pcd")
"""Third-party cookies are let through: session management was made for browsers that have them."""


class Chromium:
    """One browser with one jar of cookies, for one module."""

    def __init__(self) -> None:
        self._playwright = sync_playwright().start()
        self._profile = tempfile.TemporaryDirectory()  # a private window would keep third-party cookies out
        settings = Path(self._profile.name) / "Default"
        settings.mkdir()
        (settings / "Preferences").write_text(json.dumps(LETS_COOKIES_THROUGH), encoding="utf-8")
        self._context = self._playwright.chromium.launch_persistent_context(
            self._profile.name,
            executable_path="/usr/bin/chromium",
            args=list(FLAGS),
            ignore_https_errors=True,
            locale="en-GB",
        )

    def visit(self, url: str) -> None:
        """Go there, press what a person would, and stay until nothing has moved for a while."""
        page = self._context.new_page()
        page.goto(url)
        deadline, quiet, last = time.monotonic() + SECONDS, 0, ""
        while time.monotonic() < deadline and quiet < QUIET:
            with contextlib.suppress(Error):
                if page.url.startswith(pages.OP):
                    _press(page)
            quiet, last = (quiet + 1, last) if page.url == last else (0, page.url)
            page.wait_for_timeout(500)

    def confirm(self, code: str, *, refuse: bool) -> None:
        """Type the code of a mail, sign in, and answer; until the page that says to go on elsewhere."""
        page = self._context.new_page()
        page.goto(f"{pages.OP}/device")
        page.fill("input[name=user_code]", code)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and not page.url.startswith((f"{pages.OP}/device/done", pages.REFUSED)):
            with contextlib.suppress(Error):
                if refuse and "/consent/" in page.url:
                    page.click("main button[formaction*='/cancel']")
                else:
                    _press(page)
            page.wait_for_timeout(200)
        page.close()

    def picture(self, html: str, path: Path) -> None:
        """How a page looks that the suite's own browser kept as text."""
        page = self._context.new_page()
        path.parent.mkdir(parents=True, exist_ok=True)
        page.goto(f"{pages.OP}/accessibility")  # a page of ours may load our style sheet
        page.set_content(html, wait_until="load")
        page.screenshot(path=path, full_page=True)
        page.close()

    def close(self) -> None:
        """End the browser."""
        self._context.close()
        self._playwright.stop()
        self._profile.cleanup()


def _press(page: Page) -> None:
    if page.locator("input[name=username]").count():
        page.fill("input[name=username]", pages.EMAIL)
        page.fill("input[name=password]", pages.PASSWORD)
    if page.locator("main button.primary").count():
        page.click("main button.primary")
