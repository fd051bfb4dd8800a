"""`pilotage ce calls`, `diff` and `test`: checks of a CE and of its answers."""

from collections import Counter
from dataclasses import asdict
from datetime import datetime, timedelta

import click

from worker import wiring
from worker.cli import show
from worker.cli.columns import ALWAYS, Column
from worker.cli.groups import example
from worker.cli.options import as_json, since, yes_option
from worker.cli.perform import perform
from worker.domain.errors import CETestFailed, Differs
from worker.domain.vo import DEFAULT_VO
from worker.services.observe.calls import CallLine, calls_of
from worker.services.operate import ce_diff
from worker.services.operate.ce_test import CETestRequest, CETestStep, run_ce_test

CALLS = (
    Column(name="kind", rank=ALWAYS),
    Column(name="outcome", rank=ALWAYS),
    Column(name="calls", rank=ALWAYS),
    Column(name="mean", title="mean s", rank=ALWAYS),
    Column(name="half", title="half within s", rank=ALWAYS),
    Column(name="most", title="90 % within s", rank=ALWAYS),
)
DIFFERENCE = ["stamp", "pilot_id", "here", "there", "handle", "ce", "what"]
WORDS = {True: "ok", False: "failed", None: "…"}


@click.command(epilog=example("pilotage ce calls lyon --since 24h"))
@click.argument("name")
@since("1h")
@as_json
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
    show.table([_call_row(line) for line in lines], CALLS, nothing)


@click.command(epilog=example("pilotage ce diff lyon --adopt --vo lhcb --yes"))
@click.argument("name")
@click.option("--adopt", is_flag=True, help="Adopt the jobs that are not in the database.")
@click.option(
    "--vo",
    default=DEFAULT_VO,
    show_default=True,
    help="The VO of adopted jobs, if the CE does not say it.",
)
@click.option(
    "--cancel", is_flag=True, help="Cancel the unwanted jobs: strangers, leftovers and doubles."
)
@click.option("--all", "show_all", is_flag=True, help="Also show what the next check will record.")
@yes_option
@as_json
def diff(
    name: str, adopt: bool, vo: str, cancel: bool, show_all: bool, yes: bool, as_json: bool
) -> None:
    """Show where the jobs of a CE and the database differ.

    The exit code is 1 if something differs, or if the CE cannot be called. Changes that the next
    check will record do not count as differences.
    """
    runtime = wiring.by_hand()
    adopt_for = vo if adopt else None
    comparison = ce_diff.diff(runtime, name, adopt_for=adopt_for, cancel=cancel, yes=yes)
    if as_json:
        show.as_json(asdict(comparison))
    else:
        _show_differences(name, comparison, show_all=show_all)
        if adopt or cancel:
            show.say(f"adopted {comparison.adopted}, cancelled {comparison.cancelled}")
        if not comparison.complete:
            show.say("the CE's listing was not complete: jobs that it lacks may be at the CE")
    left = len(comparison.differences) - comparison.adopted - comparison.cancelled
    if left > 0:
        raise Differs(f"CE {name}", show.counted(left, "difference"))


@click.command(epilog=example("pilotage ce test lyon --pilot --vo lhcb"))
@click.argument("name")
@click.option("--pilot", is_flag=True, help="Send one pilot and follow it until it ends.")
@click.option("--vo", help="Only for this VO.")
@click.option("--patience", type=click.FloatRange(1, 86400), default=600, show_default=True,
              help="Seconds to wait for the end of the pilot.")  # fmt: skip
@as_json
def test(name: str, pilot: bool, vo: str | None, patience: float, as_json: bool) -> None:
    """Check a CE by calling it, and say what is wrong."""
    request = CETestRequest(vo=vo, pilot=pilot, patience=timedelta(seconds=patience))
    steps = []
    for step in run_ce_test(wiring.by_hand(), name, request):
        steps.append(step)
        if not as_json:
            _say(step)
    if as_json:
        show.as_json([asdict(step) for step in steps])
    failed = [step for step in steps if step.ok is False]
    if failed:
        names = ", ".join(dict.fromkeys(step.name for step in failed))
        raise CETestFailed(f"ce test {name}", f"steps that failed: {names}")


def _call_row(line: CallLine) -> dict[str, object]:
    return {
        "kind": line.kind,
        "outcome": line.outcome,
        "calls": line.calls,
        "mean": round(line.mean_seconds, 3),
        "half": line.half_within,
        "most": line.most_within,
    }


def _show_differences(name: str, compared: ce_diff.CEDiff, *, show_all: bool) -> None:
    shown = [*compared.differences, *(compared.expected if show_all else ())]
    rows = sorted(map(asdict, shown), key=lambda row: (row["what"], row["pilot_id"] or 0))
    show.table(rows, DIFFERENCE, f"CE {name} and the database agree")
    for what, number in sorted(Counter(row["what"] for row in rows).items()):
        show.say(f"{number}: {what}")
    if compared.expected and not show_all:
        changes = show.counted(len(compared.expected), "change")
        show.say(f"the next check will record {changes}: --all shows them")


def _say(step: CETestStep) -> None:
    first, *rest = step.finding.splitlines() or [""]
    show.say(f"{show.coloured(WORDS[step.ok], 6)}  {step.name:<10}  {show.legible(first)}")
    for line in rest:
        show.say(f"{'':<20}{show.legible(line)}")
    if step.do is not None:
        show.say(f"{'':<20}→ {step.do}")
