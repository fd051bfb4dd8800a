"""`pilotage status`, `top`, `explain` and `plan`: what there is, and why."""

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from worker import wiring
from worker.cli import show
from worker.cli.parts import as_json, example
from worker.cli.view import picture
from worker.domain.errors import Invalid
from worker.domain.pilot import Status
from worker.domain.schedule import Scope
from worker.services import catalogue, execute, inventory
from worker.services.overview import Overview, overview
from worker.services.overview import explain as explain_service

DAY = 86400.0


@click.command(epilog=example("pilotage status --json"))
@as_json
def status(as_json: bool) -> None:
    """Show the CEs, the pilots, and what was decided and happened last."""
    found = overview(wiring.current_database(), wiring.now())
    if as_json:
        show.as_json(_machine(found))
    else:
        show.render(picture(found))


@click.command(epilog=example("pilotage top --interval 2"))
@click.option("--interval", default=1.0, show_default=True, help="Seconds between two looks.")
def top(interval: float) -> None:
    """Show the same, live, until Ctrl-C."""
    if not 0 < interval < DAY:
        raise Invalid("interval", f"{interval} is not a number of seconds above 0")
    database = wiring.current_database()
    console = Console()
    if not console.is_terminal:
        show.render(picture(overview(database, wiring.now())))
        return
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(picture(overview(database, wiring.now())), refresh=True)
                time.sleep(interval)
    except KeyboardInterrupt:
        return


@click.command(epilog=example("pilotage explain lyon --vo lhcb"))
@click.argument("ce")
@click.option("--vo", help="Only for this VO.")
@click.option("--at", help="As of this moment, in UTC: 2026-01-31T12:00.")
@as_json
def explain(ce: str, vo: str | None, at: str | None, as_json: bool) -> None:
    """Say why a CE got as many pilots as it did, or none."""
    until = _moment(at)
    found = explain_service(wiring.current_database(), ce, vo=vo, at=until)
    if as_json:
        show.as_json([asdict(decision) for decision in found])
        return
    if not found:
        show.say(f"nothing was decided about {ce} {_by(until)}")
    for decision in found:
        pilots = show.counted(decision.granted, "pilot")
        show.say(f"{decision.at:%Y-%m-%d %H:%M:%S}Z  VO {decision.vo}: {pilots}")
        show.say(f"  {decision.reason}")
        for name, value in decision.trace.items():
            if value is not None:
                show.say(f"  {name.replace('_', ' '):<14} {value}")


@click.command(epilog=example("pilotage plan --vo lhcb"))
@click.option("--vo", help="Only for this VO.")
@as_json
def plan(vo: str | None, as_json: bool) -> None:
    """Say what the next cycle would do, and change nothing."""
    database = wiring.current_database()
    task = catalogue.get("submit_pilots")
    assert task.scope is Scope.VO
    parts = wiring.parts(by_hand=True)
    names = [vo] if vo else inventory.vo_names(database)
    planned: dict[str, Any] = {
        name: execute.execute(task, name, parts, dry_run=True) for name in names
    }
    if as_json:
        show.as_json({name: asdict(done) for name, done in planned.items()})
        return
    for name, done in planned.items():
        show.say(f"VO {name}: {done}")
        for line in done.lines:
            show.say(f"  {line}")


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Invalid("moment", f"{text!r} is not like 2026-01-31T12:00") from None


def _by(until: datetime | None) -> str:
    return "yet" if until is None else f"by {until:%Y-%m-%d %H:%M:%S}Z"


def _machine(seen: Overview) -> dict[str, Any]:
    """Say the same for machines: every status has its number, every transition its CE."""
    return {
        **asdict(seen),
        "pilots": {status: seen.pilots.get(status, 0) for status in Status},
        "transitions": [{"ce": ce, **asdict(step)} for ce, step in seen.transitions],
    }
