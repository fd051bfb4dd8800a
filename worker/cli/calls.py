"""`pilotage ce calls`: how the calls to a CE went."""

from dataclasses import asdict
from datetime import datetime

import click

from worker.cli import options, show
from worker.cli.columns import ALWAYS, Column
from worker.cli.groups import example
from worker.cli.perform import perform
from worker.services.observe.calls import CallLine, calls_of

COLUMNS = (
    Column(name="kind", rank=ALWAYS),
    Column(name="outcome", rank=ALWAYS),
    Column(name="calls", rank=ALWAYS),
    Column(name="mean", title="mean s", rank=ALWAYS),
    Column(name="half", title="half within s", rank=ALWAYS),
    Column(name="most", title="90 % within s", rank=ALWAYS),
)


@click.command(epilog=example("pilotage ce calls lyon --since 24h"))
@click.argument("name")
@options.since("1h")
@options.as_json
def calls(name: str, since: datetime, as_json: bool) -> None:
    """Show how the calls to a CE went, and how long they took.

    Half of the calls ended within the first time, nine of ten within the second; both are rounded
    up to 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30 or 100 s.
    """
    lines = perform(calls_of, name, since)
    if as_json:
        show.as_json({"items": [asdict(line) for line in lines]})
        return
    nothing = f"CE {name} was not called since {since:%Y-%m-%d %H:%M:%S}Z"
    show.table([_row(line) for line in lines], COLUMNS, nothing)


def _row(line: CallLine) -> dict[str, object]:
    return {
        "kind": line.kind,
        "outcome": line.outcome,
        "calls": line.calls,
        "mean": round(line.mean_seconds, 3),
        "half": line.half_within,
        "most": line.most_within,
    }
