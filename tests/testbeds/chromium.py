"""Debian's Chromium without a screen, which Playwright drives for the people of a test.

Playwright is a package of Python and has no browser of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.testbeds import packages

PACKAGES = ("chromium", "fonts-dejavu-core")
QUIET = ("--disable-gpu", "--force-color-profile=srgb", "--font-render-hinting=none")
"""Pictures are the same on every machine that has the same fonts."""


@contextmanager
def running() -> Iterator[Browser]:
    """Run a browser while the block runs."""
    packages.require(["chromium"], PACKAGES)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=packages.program("chromium"), args=list(QUIET)
        )
        yield browser
        browser.close()
