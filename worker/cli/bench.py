"""`pilotage bench`: timings of the frequent queries of this installation."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict

import click

from worker import wiring
from worker.cli import options, show
from worker.cli.columns import ALWAYS, Column
from worker.cli.groups import example
from worker.services.observe.timings import QUESTIONS, Timing, subject_of, timings

COLUMNS = (
    Column(name="question", rank=ALWAYS, least=24),
    Column(name="by", title="asked by", rank=6),
    Column(name="median", title="median ms", rank=ALWAYS),
    Column(name="p90", title="p90 ms", rank=7),
    Column(name="round_trips", rank=ALWAYS),
)

EMPTY = "there is no CE or no VO to ask about: pilotage up --demo makes some"


@click.command(epilog=example("pilotage bench --repeat 50 --json"))
@click.option(
    "--repeat",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="How many times to run each query.",
)
@options.as_json
def bench(repeat: int, as_json: bool) -> None:
    """Measure how long the frequent queries of this installation take.

    The command only reads. `round trips` is a time divided by that of the shortest possible query.
    """
    runtime = wiring.current_runtime()
    subject = subject_of(runtime)
    results = [] if subject is None else list(_with_progress(timings(runtime, subject, repeat)))
    if as_json:
        place = {"ce": subject and subject.ce, "vo": subject and subject.vo}
        show.as_json({**place, "items": [asdict(timing) for timing in results]})
        return
    show.table([_row(timing) for timing in results], COLUMNS, EMPTY)


def _with_progress(each: Iterable[Timing]) -> Iterator[Timing]:
    """Show the progress on a terminal: with a slow database it takes a while."""
    with click.progressbar(
        each,
        len(QUESTIONS) + 1,
        file=sys.stderr,
        label="asking",
        hidden=not sys.stderr.isatty(),
    ) as progress:
        yield from progress


def _row(timing: Timing) -> dict[str, object]:
    return {
        "question": timing.question,
        "by": timing.by,
        "median": round(timing.median, 2),
        "p90": round(timing.p90, 2),
        "round_trips": round(timing.round_trips, 1),
    }
