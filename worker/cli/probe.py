"""`pilotage ce test`: a live check of a CE."""

from dataclasses import asdict
from datetime import timedelta

import click

from worker import wiring
from worker.cli import show
from worker.cli.groups import example
from worker.cli.options import as_json
from worker.domain.errors import ProbeFailed
from worker.services.operate.ce_test import ProbeRequest, ProbeStep, probe

WORDS = {True: "ok", False: "failed", None: "…"}


@click.command(epilog=example("pilotage ce test lyon --pilot --vo lhcb"))
@click.argument("name")
@click.option("--pilot", is_flag=True, help="Send one pilot and see it to its end.")
@click.option("--vo", help="For this VO alone.")
@click.option("--patience", type=click.FloatRange(1, 86400), default=600, show_default=True,
              help="Seconds to wait for the end of the pilot.")  # fmt: skip
@as_json
def test(name: str, pilot: bool, vo: str | None, patience: float, as_json: bool) -> None:
    """Check a CE live, and say what is wrong."""
    request = ProbeRequest(vo=vo, pilot=pilot, patience=timedelta(seconds=patience))
    steps = []
    for step in probe(wiring.by_hand(), name, request):
        steps.append(step)
        if not as_json:
            _say(step)
    if as_json:
        show.as_json([asdict(step) for step in steps])
    failed = [step for step in steps if step.ok is False]
    if failed:
        names = ", ".join(dict.fromkeys(step.name for step in failed))
        raise ProbeFailed(f"ce test {name}", f"steps that failed: {names}")


def _say(step: ProbeStep) -> None:
    first, *rest = step.finding.splitlines() or [""]
    show.say(f"{show.coloured(WORDS[step.ok], 6)}  {step.name:<10}  {show.legible(first)}")
    for line in rest:
        show.say(f"{'':<20}{show.legible(line)}")
    if step.do is not None:
        show.say(f"{'':<20}→ {step.do}")
