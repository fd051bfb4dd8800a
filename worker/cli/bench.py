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
    if subject is None:
        show.say("there is no CE or no VO to ask about: pilotage up --demo makes some")
        return
    results = list(_with_progress(timings(runtime, subject, repeat)))
    if as_json:
        show.as_json({"ce": subject.ce, "vo": subject.vo, "items": [asdict(t) for t in results]})
        return
    show.table([_row(timing) for timing in results], COLUMNS, "nothing was asked")


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
