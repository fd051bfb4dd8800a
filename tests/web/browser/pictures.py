"""Makes the pictures of the documentation from a prepared site; its argument is the folder."""

import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from tests.databases import Sqlite
from tests.services.world import World
from tests.testbeds import chromium
from tests.web.browser.people import THEMES, Complaints, meet
from tests.web.browser.prepared import prepare
from tests.web.server import serving
from worker.domain.change import Actor

WIDTH = 1280

PICTURES = {
    "overview": ("/", 800),
    "explain": ("/explain?ce=bari&vo=lhcb", 1290),
    "pilot": ("/pilots/{failed}", 800),
    "ce": ("/ces/lyon", 800),
}
"""The page and the height of each picture, by the name of its file."""


def main(target: Path) -> None:
    """Make each picture, light and dark."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        template = Sqlite(folder)
        stack.callback(template.close)
        database = stack.enter_context(template.file(folder / "site.sqlite"))
        # This hides the account and the host of the person who makes the pictures.
        database = database.used_by(Actor(who="operator@factory"))
        world = World(database, folder / "home")
        world.clock = datetime.now(UTC)
        site = prepare(world, folder / "files")
        server = stack.enter_context(serving(database, world.home))
        browser = stack.enter_context(chromium.running())
        someone = meet(browser, world, server.url, Complaints(server.url), width=WIDTH)
        for name, (path, height) in PICTURES.items():
            someone.page.set_viewport_size({"width": WIDTH, "height": height})
            someone.go(path.format(**site.pilots))
            for theme in THEMES:
                someone.page.emulate_media(color_scheme=theme)
                end = "" if theme == "light" else f"-{theme}"
                someone.page.screenshot(path=target / f"{name}{end}.png", animations="disabled")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
