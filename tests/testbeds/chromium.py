"""Debian's Chromium without a screen, driven by Playwright: browsers that people of a test have.

Playwright comes as a package of Python and brings no browser of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.testbeds import packages

PACKAGES = ("chromium", "fonts-dejavu-core")
QUIET = ("--disable-gpu", "--force-color-profile=srgb", "--font-render-hinting=none")
"""Pictures are alike on every machine, as far as its fonts are."""


@contextmanager
def running() -> Iterator[Browser]:
    """Run a browser as long as the block lasts."""
    packages.require(["chromium"], PACKAGES)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=packages.program("chromium"), args=list(QUIET)
        )
        yield browser
        browser.close()
