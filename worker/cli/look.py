"""`pilotage status`, `top` and `explain`: the present state, and the reasons for it.

`status` is called most often, so modules that only the other two need are imported there.
"""

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from worker.cli import show
from worker.cli.groups import example
from worker.cli.options import Ago, as_json
from worker.cli.perform import perform
from worker.cli.view import picture
from worker.domain.errors import Invalid
from worker.domain.pilot import Status
from worker.services.observe.overview import Overview, overview, steps
from worker.services.observe.overview import explain as explain_service

if TYPE_CHECKING:
    from worker.services.operate.ce_inventory import ShownCE

DAY = 86400.0
_SENTENCES = {
    "enabled": "is disabled",
    "draining": "is draining",
    "sending": "is held",
    "only_for": "is for some VOs only",
}
"""The words in a sentence for each value that keeps pilots away."""

LATEST = 8
"""How many decisions and transitions the JSON output has."""


@click.command(epilog=example("pilotage status --json"))
@as_json
def status(as_json: bool) -> None:
    """Show the CEs, the pilots, the last decisions, and what happened last."""
    situation = perform(overview)
    if as_json:
        show.as_json(_machine(situation))
    else:
        show.render(picture(situation, show.width()), show.width())


@click.command(epilog=example("pilotage top --interval 2"))
@click.option("--interval", default=1.0, show_default=True, help="Seconds between two refreshes.")
def top(interval: float) -> None:
    """Show what 'status' shows, refreshed until Ctrl-C."""
    from rich.live import Live

    if not 0 < interval < DAY:
        raise Invalid("interval", f"{interval} is not a number of seconds above 0")
    console = Console()
    if not console.is_terminal:
        show.render(picture(perform(overview), show.width()), show.width())
        return
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                drawing = picture(perform(overview), console.width, console.height)
                live.update(drawing, refresh=True)
                time.sleep(interval)
    except KeyboardInterrupt:
        return


@click.command(epilog=example("pilotage explain lyon --vo lhcb"))
@click.argument("ce")
@click.option("--vo", help="Only for this VO.")
@click.option(
    "--at",
    "until",
    type=Ago(),
    help="Only decisions up to a moment in UTC, or up to a length of time ago.",
)
@as_json
def explain(ce: str, vo: str | None, until: datetime | None, as_json: bool) -> None:
    """Explain how many pilots a CE got, and why."""
    from worker.services.operate import ce_inventory

    decisions = perform(explain_service, ce, vo=vo, at=until)
    if as_json:
        show.as_json([asdict(decision) for decision in decisions])
        return
    if until is None:
        _say_how_it_is(ce, perform(ce_inventory.show_ce, ce))
    if not decisions:
        show.say(f"nothing was decided about {ce} {_by(until)}")
    for decision in decisions:
        pilots = show.counted(decision.granted, "pilot")
        times = f", the same {decision.times} times in a row" if decision.times > 1 else ""
        show.say(f"{show.word(decision.at)}  VO {decision.vo}: {pilots}{times}")
        show.fields(dict(steps(decision)), indent=2)


def _say_how_it_is(ce: str, shown: "ShownCE") -> None:
    """Print the state of a CE's calls, and who keeps pilots away from it."""
    if shown.calls:
        show.say(f"CE {ce}: {shown.calls}")
    for field, setter in shown.set_by.items():
        show.say(f"CE {ce} {_SENTENCES[field]} {setter.phrase(datetime.now(UTC))}")


def _by(until: datetime | None) -> str:
    return "yet" if until is None else f"by {until:%Y-%m-%d %H:%M:%S}Z"


def _machine(situation: Overview) -> dict[str, Any]:
    """Return the overview for JSON: a number for every status, and the CE of every transition."""
    return {
        **asdict(situation),
        "decisions": [asdict(decision) for decision in situation.decisions[:LATEST]],
        "pilots": {status: situation.pilots.get(status, 0) for status in Status},
        "transitions": [{"ce": ce, **asdict(step)} for ce, step in situation.transitions[:LATEST]],
    }
