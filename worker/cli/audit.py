"""`pilotage audit`: who changed what."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from worker.cli import options, show
from worker.cli.columns import ALWAYS, Column
from worker.cli.groups import example
from worker.cli.perform import perform
from worker.domain import spelled
from worker.domain.change import Door
from worker.services.observe import audit as service
from worker.services.observe.audit import RecordedChange

COLUMNS = (
    Column(name="at", rank=ALWAYS),
    Column(name="who", rank=ALWAYS, least=8),
    Column(name="what", rank=1, least=8),
    Column(name="of", rank=ALWAYS),
    Column(name="change", rank=ALWAYS, least=20, fold=True),
    Column(name="door", rank=2),
)


@click.command(epilog=example("pilotage audit --since 30d --by alice --of lyon"))
@options.since("7d")
@click.option("--by", metavar="ACCOUNT", help="Only changes by this account or task.")
@click.option("--of", metavar="NAME", help="Only changes of the CE, VO or task with this name.")
@click.option(
    "--door",
    type=options.Choice([str(door) for door in Door]),
    help="Only changes that came by this door.",
)
@options.one_page
@options.as_json
def audit(
    since: datetime,
    by: str | None,
    of: str | None,
    door: str | None,
    limit: int,
    after: str | None,
    as_json: bool,
) -> None:
    """Show who changed what, the latest first.

    An account has the name that it has on the host, with or without the host: root@host, root.
    """
    came_by = None if door is None else Door(door)
    page = perform(service.recorded, since, by=by, of=of, door=came_by, limit=limit, after=after)
    rows = [asdict(one) if as_json else _row(one) for one in page.items]
    nothing = f"nothing was changed since {since:%Y-%m-%d %H:%M:%S}Z"
    options.show_rows(rows, page.next, COLUMNS, nothing, as_json)


def _row(one: RecordedChange) -> dict[str, Any]:
    return {
        "at": one.at,
        "who": one.who,
        "what": one.what,
        "of": f"{one.kind} {one.name}",
        "change": show.legible(spelled.change(one.before, one.after)),
        "door": str(one.door),
    }
