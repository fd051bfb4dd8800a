"""`pilotage simulate`: try policies and their parameters on a made-up world."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from worker import wiring
from worker.cli import charts, show
from worker.cli.columns import Column
from worker.cli.groups import example
from worker.cli.options import as_json
from worker.domain.errors import Invalid
from worker.services.observe import simulate as service
from worker.services.observe.simulate import PolicyComparison, PolicyResult

COLUMNS = (
    "policy", "goodput", "net", "waste", "pilots", "failed", Column(name="refused", rank=8),
    Column(name="empty", rank=8), Column(name="fairness", rank=7), "noticed", "back",
)  # fmt: skip


@click.command(epilog=example("pilotage simulate black_hole --policy three_chances --hours 12"))
@click.argument("scenario", required=False)
@click.option("--list", "list_", is_flag=True, help="List the scenarios that come with Pilotage.")
@click.option("--policy", "policies", multiple=True, help="A policy to compare; may be repeated.")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), help="Simulated hours.")
@click.option("--seed", type=int, help="The seed of the random numbers.")
@click.option(
    "--svg",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also draw the result into this SVG file.",
)
@as_json
def simulate(
    scenario: str | None,
    list_: bool,
    policies: Sequence[str],
    hours: float | None,
    seed: int | None,
    svg: Path | None,
    as_json: bool,
) -> None:
    """Compare policies on a made-up world.

    The scenario is a name or a file that ends in .toml; without one, all that --list shows
    are run. The parameters of the policy are those of the settings.
    """
    if list_:
        _list(as_json=as_json)
        return
    chosen = [service.load(scenario)] if scenario else service.scenarios()
    if svg is not None and len(chosen) > 1:
        raise Invalid("--svg", "name one scenario to draw")
    answers = []
    for one in chosen:
        compared = service.compare(
            one,
            policies or service.COMPARED,
            hours=hours,
            seed=seed,
            parameters=wiring.settings().parameters,
        )
        answers.append(_machine(compared))
        if not as_json:
            _show(compared, chart=len(chosen) == 1)
        if svg is not None:
            svg.write_text(charts.svg(compared), encoding="utf-8")
    if as_json:
        show.as_json(answers)


def _list(*, as_json: bool) -> None:
    rows = [
        {"name": one.name, "hours": one.hours, "about": one.about} for one in service.scenarios()
    ]
    show.as_json(rows) if as_json else show.table(rows, ("name", "hours", "about"), "no scenarios")


def _show(compared: PolicyComparison, *, chart: bool) -> None:
    scenario = compared.scenario
    show.say(f"{scenario.name}, {scenario.hours:g} h, seed {compared.seed}: {scenario.about}")
    show.say("")
    show.table([_row(outcome) for outcome in compared.outcomes], COLUMNS, "no policies")
    show.say("")
    if chart:
        for line in charts.lines(compared, show.width()):
            show.verbatim(line)
        show.say("")
        show.fields(LEGEND)


LEGEND = {
    "goodput": "useful slot-hours, divided by the oracle's",
    "net": "the same, less the price of waste, failures, refusals and empty pilots",
    "waste": "the part of the used slot-hours that was wasted",
    "fairness": "Jain's index of what the VOs got for their shares",
    "noticed": "the longest time, in minutes, until a CE in trouble got probes only",
    "back": "the longest time, in minutes, from the end of the trouble to more than probes",
}


def _row(outcome: PolicyResult) -> dict[str, Any]:
    own = outcome.score
    return {
        "policy": outcome.policy,
        "goodput": f"{outcome.goodput:.3f}",
        "net": f"{outcome.net:.3f}",
        "waste": f"{own.waste:.3f}",
        "pilots": own.pilots,
        "failed": own.failed,
        "refused": own.refused,
        "empty": own.empty,
        "fairness": None if own.fairness is None else f"{own.fairness:.3f}",
        "noticed": None if own.noticed is None else f"{own.noticed:.0f} min",
        "back": None if own.back is None else f"{own.back:.0f} min",
    }


def _machine(compared: PolicyComparison) -> dict[str, Any]:
    return {
        "scenario": compared.scenario.name,
        "hours": compared.scenario.hours,
        "seed": compared.seed,
        "policies": [
            {
                "policy": outcome.policy,
                "goodput": outcome.goodput,
                "net": outcome.net,
                "waste": outcome.score.waste,
                **{name: value for name, value in asdict(outcome.score).items() if name != "net"},
            }
            for outcome in compared.outcomes
        ],
    }
