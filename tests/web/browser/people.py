"""People with browsers of their own, and the complaints of these browsers."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from tests.patience import PATIENCE
from tests.services.world import World
from worker.domain.access import Role
from worker.services.operate import tokens
from worker.web.callers import COOKIE

WIDTHS = (1440, 820, 390)
HEIGHT = 900
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
OF_COLOURS = ("color-contrast", "link-in-text-block")
"""The rules whose answer depends on the theme."""

HAS_TEXT = (
    "([at, text]) => [...document.querySelectorAll(at)].some(x => x.innerText.includes(text))"
)
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
AXE = """async rules => {
  const found = await axe.run(document, {runOnly: rules, resultTypes: ['violations']});
  return found.violations.flatMap(one => one.nodes.map(
    node => `${one.id} (${one.help}): ${node.html.slice(0, 200)} ${node.failureSummary}`));
}"""


@cache
def axe() -> str:
    """Return the program of axe-core."""
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


class Complaints:
    """The messages of browsers about pages that break our promises."""

    def __init__(self, home: str) -> None:
        self._home = home
        self.all: list[str] = []

    def listen(self, context: BrowserContext) -> None:
        context.on("request", lambda request: self._look(request.url))
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.all.append(f"error of a script: {error.error}"))

    def _look(self, address: str) -> None:
        if not address.startswith((f"{self._home}/", "data:", "about:")):
            self.all.append(f"something was fetched from elsewhere: {address}")

    def _hear(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.all.append(message.text)


@dataclass
class Person:
    """Somebody in front of a page."""

    page: Page
    home: str

    def go(self, path: str) -> None:
        """Open an address, and wait until the page is complete."""
        self.page.goto(self.home + path)

    @property
    def headline(self) -> str:
        return self.page.inner_text("h1")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def focus(self) -> str:
        """Return the text or the name of the element that has the focus."""
        text: str = self.page.evaluate(
            "() => { const at = document.activeElement;"
            " return at === document.body ? '' : at.innerText || at.id || at.name || at.tagName }"
        )
        return text.strip()

    def tab_to(self, selector: str) -> int:
        """Press the tab key until an element has the focus; return the number of presses."""
        for presses in range(200):
            if self.page.evaluate("s => document.activeElement.matches(s)", selector):
                return presses
            self.press("Tab")
        raise AssertionError(f"the tab key does not come to {selector}")

    def until_text(self, selector: str, *parts: str) -> None:
        """Wait until an element has these words, even if the page is renewed meanwhile."""
        for part in parts:
            self.page.wait_for_function(HAS_TEXT, arg=[selector, part])

    def barriers(self, rules: Sequence[str] = RULES) -> list[str]:
        """Return the barriers that axe-core finds, and whether the page is too wide."""
        if not self.page.evaluate("() => Boolean(window.axe)"):
            self.page.evaluate(axe())
        problems: list[str] = self.page.evaluate(AXE, list(rules))
        return [*problems, *self.excess_width()]

    def excess_width(self) -> list[str]:
        """Return whether the page is too wide for the window, as a line; an empty list if not."""
        wider = self.page.evaluate(WIDER)
        return [f"the page is {wider} pixels too wide"] if wider else []


Meet = Callable[..., Person]
"""Gives a person in a role a browser; the options are those of Playwright's contexts."""


def meet(
    browser: Browser,
    world: World,
    home: str,
    complaints: Complaints,
    role: Role | None = Role.ADMIN,
    *,
    who: str = "alice",
    vo: str | None = None,
    width: int = WIDTHS[0],
    **options: Any,
) -> Person:
    """Give a person a browser; with a role they have signed in."""
    context = browser.new_context(viewport={"width": width, "height": HEIGHT}, **options)
    context.set_default_timeout(PATIENCE * 1000)
    complaints.listen(context)
    if role is not None:
        secret = tokens.begin_session(world.runtime(), who, role, vo).secret
        context.add_cookies([{"name": COOKIE, "value": secret, "url": home, "sameSite": "Strict"}])
    return Person(context.new_page(), home)


def listing(barriers: dict[str, list[str]]) -> str:
    return json.dumps(barriers, indent=1, ensure_ascii=False)
