"""500 CEs and 20 VOs: every page stays small, and costs no more statements than with a few."""

import shutil
from pathlib import Path

import pytest

from tests.databases import Sqlite
from tests.expectations import statements
from tests.services.world import World
from tests.web.explaining import Element, read
from tests.web.large_site import furnish_large
from tests.web.signed_in import signed_in
from worker.db.database import Database
from worker.domain.access import Role

pytestmark = pytest.mark.slow

MOST = 300_000
"""Bytes of a page."""

FEW, MANY = 65, 500
"""Numbers of CEs; with both, the normal ones are folded."""

PAGES = (
    "/",
    "/?hours=48",
    "/ces",
    "/ces?state=normal",
    "/ces?state=paused",
    "/ces/ce000.grid.example.org",
    "/explain",
    "/explain?at=2030-01-01T00:00:00.123456",
    "/explain?vo=vo00",
    "/explain?ce=ce000.grid.example.org",
    "/explain?ce=ce001.grid.example.org&vo=vo03",
    "/vos",
    "/vos/vo00",
    "/pilots",
    "/report",
    "/report?since=90d&by=ce,vo,day",
    "/tasks",
    "/credentials",
    "/audit",
)


class Visitor:
    """An admin, who sees the most, and the cost of each page."""

    def __init__(self, world: World) -> None:
        self._client = signed_in(world.runtime(), Role.ADMIN)
        self._engine = world.database.engine

    def html(self, path: str) -> str:
        answer = self._client.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 200, answer.text
        return answer.text

    def page(self, path: str) -> Element:
        return read(self.html(path))

    def costs(self) -> dict[str, int]:
        """Count the statements of each page."""
        counts = {}
        for path in PAGES:
            self.html(path)  # the first use of the session is recorded
            with statements(self._engine) as log:
                self.html(path)
            counts[path] = len(log)
        return counts


@pytest.fixture(scope="module")
def pattern(sqlite_template: Sqlite, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The site that each test gets a copy of: making it takes longer than a visit."""
    folder = tmp_path_factory.mktemp("large")
    with sqlite_template.file(folder / "large.sqlite") as database:
        world = World(database, folder / "home")
        furnish_large(world, MANY)
        database.close()  # so that the file holds everything
    return world


@pytest.fixture
def visitor(pattern: World, sqlite_database: Database, tmp_path: Path) -> Visitor:
    shutil.copy(str(pattern.database.url.database), str(sqlite_database.url.database))
    world = World(sqlite_database, tmp_path / "home")
    world.clock = pattern.clock
    return Visitor(world)


def test_each_page_is_small(visitor: Visitor) -> None:
    sizes = {path: len(visitor.html(path)) for path in PAGES}
    assert max(sizes.values()) < MOST, sizes


def test_the_normal_ces_are_one_row_that_opens(visitor: Visitor) -> None:
    page = visitor.page("/ces")
    rows = page.one(id="ces").one("tbody").find("tr")
    states = [row.find("td")[0].text.split(" ")[0] for row in rows]
    order = ["not", "paused", "held", "draining", "normal"]
    assert states == sorted(states, key=order.index)
    [sums] = page.one(id="ces").find("tr", class_="sums")
    count = len(rows) - 1
    assert sums.one("th").text == f"{MANY - count} normal CEs"

    link, names = sums.one("a").attributes["href"], []
    while link:
        page = visitor.page(link)
        names += [row.one("th").text for row in page.one(id="ces").one("tbody").find("tr")]
        following = page.find("a", rel="next")
        link = following[0].attributes["href"] if following else ""
    assert len(names) == len(set(names)) == MANY - count
    assert names == sorted(names)


def test_what_is_stopped_for_one_reason_is_one_line(visitor: Visitor) -> None:
    lines = visitor.page("/").one("ul", class_="stopped").find("li")
    assert [line.one("span", class_="state").text for line in lines] == [
        "not answering",
        "paused",
        "held",
        "draining",
    ]
    assert sum(int(line.one("b").text.split(" ")[0]) for line in lines) == len(
        [link for line in lines for link in line.one("details").find("a")]
    )


def test_those_without_pilots_are_grouped_by_reason(visitor: Visitor) -> None:
    rows = visitor.page("/explain?vo=vo00").one(id="decisions").one("tbody").find("tr")
    groups = {row.find("td")[1].text: row for row in rows if row.find("details")}
    assert {"it is held by hand: new disks", "it is draining"} <= groups.keys()
    for row in groups.values():
        assert row.one("summary").text.startswith(f"{len(row.find('a'))} CE")


def test_the_grid_folds_those_without_pilots_and_says_what_is_left(visitor: Visitor) -> None:
    table = visitor.page("/explain").one("table", class_="grid")
    heads = [head.one("a").text for head in table.one("thead").find("th")[1:]]
    assert heads == [f"vo{number:02}" for number in range(20)]
    rows = table.one("tbody").find("tr")
    names = [row.one("th").text for row in rows]
    folds = [row for row in rows if row.find("details")]
    assert len(rows) <= 60
    assert any("held" in row.find("td")[0].text for row in folds)
    assert sum(len(row.one("th").find("a")) for row in rows) + int(names[-1].split(" ")[0]) == MANY
    for place, total in enumerate(table.one("tfoot").find("td")):
        cells = [row.find("td")[place].text.replace(",", "") for row in rows]
        assert sum(int(one) for one in cells if one.isdigit()) == int(total.text.replace(",", ""))


def test_statements_do_not_grow_with_ces(sqlite_database: Database, tmp_path: Path) -> None:
    world = World(sqlite_database, tmp_path / "home")
    furnish_large(world, FEW)
    few = Visitor(world).costs()
    furnish_large(world, MANY - FEW)
    assert Visitor(world).costs() == few
