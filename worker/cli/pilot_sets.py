"""`pilotage pilot cancel` and `submit`: end pilots, by name or by a filter; send pilots."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from worker import wiring
from worker.cli import show
from worker.cli.groups import example
from worker.cli.options import as_json, yes_option
from worker.cli.perform import perform
from worker.cli.pilot_filter import WHICH, filter_of, filter_options, name
from worker.domain.errors import ConfirmationNeeded, TaskFailed
from worker.domain.pilot import Status
from worker.domain.pilot_filter import PilotFilter
from worker.domain.schedule import Outcome
from worker.domain.vo import DEFAULT_VO
from worker.services.operate import pilot_sets
from worker.services.operate import pilots as service
from worker.services.operate.pilot_sets import Batch
from worker.services.runtime import TaskResult

NO_MATCH = "no active pilot matches"
BY_NEXT_CHECK = "asked for: the next check of each CE ends them"
BY_CE = "accepted by the CE; a later check confirms"
"""The messages about pilots that were already sent: by whom they are ended."""


@click.command(epilog=example("pilotage pilot cancel --ce lyon --older-than 2h --dry-run"))
@click.argument("which", metavar=f"[{WHICH}...]", nargs=-1, callback=name)
@filter_options
@click.option(
    "--dry-run", is_flag=True, help="Show which pilots would be cancelled, and cancel none."
)
@yes_option
@as_json
def cancel(which: Sequence[str], dry_run: bool, yes: bool, as_json: bool, **values: Any) -> None:
    """End pilots: those named, or all that match the options.

    Named pilots are ended by a call to their CE now; pilots that match options are ended by the
    next check of each CE. With a named pilot, --ce is the CE to which its id belongs.
    """
    if which:
        _cancel_named(which, values, dry_run=dry_run, yes=yes, as_json=as_json)
        return
    chosen = filter_of(values)
    if not chosen.values():
        raise click.UsageError("Name pilots, or choose them by an option such as --ce.")
    if dry_run:
        _show_set(perform(pilot_sets.count_active, chosen), as_json)
        return
    done = _cancel_all(chosen, yes=yes)
    _show_done(done, _sentences(done.counts, BY_NEXT_CHECK, NO_MATCH), as_json)


@click.command(epilog=example("pilotage pilot submit lyon --count 5 --vo lhcb"))
@click.argument("ce")
@click.option("--count", type=click.IntRange(1, pilot_sets.MOST), default=1, show_default=True,
              help="The number of pilots.")  # fmt: skip
@click.option("--vo", default=DEFAULT_VO, show_default=True, help="The VO of the pilots.")
@as_json
def submit(ce: str, count: int, vo: str, as_json: bool) -> None:
    """Send pilots to a CE by hand, within every limit.

    No policy is asked. The slots are reserved now, and the next dispatch sends the pilots.
    """
    done = perform(pilot_sets.submit, ce, vo, count)
    if as_json:
        show.as_json(asdict(done))
        return
    held = show.counted(len(done.pilots), "slot")
    show.say(f"{held} held at {ce} for VO {vo}: the next dispatch sends the pilots")
    if len(done.pilots) < count:
        show.say(f"only {len(done.pilots)} of {count} slots were free")


def _cancel_named(
    which: Sequence[str], values: Mapping[str, Any], *, dry_run: bool, yes: bool, as_json: bool
) -> None:
    if dry_run or any(value for option, value in values.items() if option != "ce"):
        raise click.UsageError("Name pilots, or choose them by options: not both.")
    done = perform(service.cancel, which, yes=yes, ce=values["ce"])
    _show_done(done, _sentences(done.counts, BY_CE, "nothing to cancel yet"), as_json)
    if done.outcome is Outcome.FAILED:
        raise TaskFailed("cancel", *done.lines)


def _show_done(done: TaskResult, lines: Sequence[str], as_json: bool) -> None:
    if as_json:
        show.as_json(asdict(done))
        return
    for line in lines:
        show.say(line)


def _cancel_all(chosen: PilotFilter, *, yes: bool) -> TaskResult:
    """Cancel all pilots that match; without --server the progress is shown."""
    if wiring.server() is None:
        runtime = wiring.by_hand()
        return pilot_sets.cancel_with_progress(runtime, chosen, yes=yes, each=_with_progress)
    if not yes:
        pilots = pilot_sets.in_words(perform(pilot_sets.count_active, chosen))
        raise ConfirmationNeeded(f"this would cancel {pilots}")
    return perform(pilot_sets.cancel_matching, chosen)


def _show_set(counts: Mapping[str, Mapping[Status, int]], as_json: bool) -> None:
    if as_json:
        number = sum(sum(of_ce.values()) for of_ce in counts.values())
        show.as_json({"pilots": number, "ces": counts})
        return
    statuses = [status for status in Status if any(status in of_ce for of_ce in counts.values())]
    rows = [{"ce": ce, **{s: of_ce.get(s, 0) for s in statuses}} for ce, of_ce in counts.items()]
    show.table(rows, ["ce", *statuses], NO_MATCH)
    if counts:
        show.say(f"this would cancel {pilot_sets.in_words(counts)}")


def _with_progress(batches: Sequence[Batch]) -> Iterator[Batch]:
    """Show the progress on a terminal."""
    hidden = len(batches) < 2 or not sys.stderr.isatty()
    with click.progressbar(batches, file=sys.stderr, label="cancelling", hidden=hidden) as progress:
        yield from progress


def _sentences(counts: Mapping[str, int], by_whom: str, nothing: str) -> list[str]:
    """Write what happened to the pilots, and who ends those that were already sent."""
    were = "it was" if counts.get("cancelled") == 1 else "they were"
    words = {
        "cancelled": ("pilot", f"cancelled before {were} sent"),
        "asked": ("cancellation", by_whom),
        "over already": ("pilot", "had ended already"),
    }
    pairs = [(count, *words[kind]) for kind, count in counts.items() if count]
    return [f"{show.counted(count, noun)} {rest}" for count, noun, rest in pairs] or [nothing]
