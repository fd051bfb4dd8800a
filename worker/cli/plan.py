"""`pilotage plan`: the next cycle with present or supposed values, and replays of a stored day."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import click

from worker import wiring
from worker.cli import show
from worker.cli.columns import ALWAYS, Column
from worker.cli.groups import example
from worker.cli.options import NO_LIMIT, as_json
from worker.cli.perform import perform
from worker.domain.decision import Decision
from worker.domain.errors import Invalid
from worker.services.observe import plan as whatif
from worker.services.observe import replay as replaying
from worker.services.runtime import Runtime

PLANNED = (
    Column(name="margin", rank=ALWAYS),
    "ce",
    "granted",
    Column(name="because", rank=ALWAYS, least=16, fold=True),
)
REPLAYED = (
    "Each tick is decided again from the free slots that were recorded for it, so all ticks "
    "together may give more pilots than the CEs could hold."
)
COMPARED = ["what", "was", "becomes", "more"]


@click.command(epilog=example("pilotage plan --set ce.lyon.capacity=200 --demand lhcb=500"))
@click.option("--vo", help="Only for this VO.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="ce.NAME.VALUE=X|vo.NAME.VALUE=X",
    help="Suppose another value of a CE or VO. Repeat for more.",
)
@click.option(
    "--demand",
    "demands",
    multiple=True,
    metavar="VO=NUMBER",
    help="Suppose another demand of a VO; 'none': unlimited. Repeat for more.",
)
@click.option(
    "--replay", "day", metavar="DAY", help="Decide a stored day again, 2026-01-31, and compare."
)
@click.option("--policy", help="Use this policy instead of the one in the settings.")
@as_json
def plan(
    vo: str | None,
    settings: Sequence[str],
    demands: Sequence[str],
    day: str | None,
    policy: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Show what the next cycle would do, and change nothing."""
    if day is not None:
        if settings or demands or vo:
            raise click.UsageError(
                "A stored day is decided again unchanged: leave out --set, --demand and --vo."
            )
        _replay(wiring.by_hand(), day, policy, as_json)
        return
    decided = perform(whatif.plan, vo, _supposed(settings, demands), policy=policy)
    if as_json:
        show.as_json({name: list(map(asdict, decisions)) for name, decisions in decided.items()})
    else:
        _show(decided, [*settings, *(f"demand of {demand}" for demand in demands)])


def _show(decided: Mapping[str, Sequence[Decision]], supposed: Sequence[str]) -> None:
    if supposed:
        show.say(f"supposed: {', '.join(supposed)}")
    for name, decisions in decided.items():
        granted = sum(one.granted for one in decisions)
        pilots = show.counted(granted, "pilot")
        show.say(f"VO {name}: {pilots}{' (supposed)' if supposed else ''}")
        rows = [
            {"margin": "", "ce": d.ce, "granted": d.granted, "because": d.reason} for d in decisions
        ]
        show.table(rows, PLANNED, "  no CE yet", heading=False)


def _replay(runtime: Runtime, day: str, policy: str | None, as_json: bool) -> None:
    replay = replaying.replay(runtime, _day(day), policy or wiring.settings().policy)
    if as_json:
        show.as_json(asdict(replay))
        return
    rows = [
        *_rows("CE", replay.was, replay.becomes),
        *_rows("VO", replay.vo_was, replay.vo_becomes),
        _row("all", sum(replay.was.values()), sum(replay.becomes.values())),
        _row("expected to end well", round(replay.good_was), round(replay.good_becomes)),
    ]
    ticks = show.counted(replay.ticks, "tick")
    show.say(f"{ticks} of {day} by the policy {replay.policy}; {replay.skipped} cannot be read")
    show.table(rows, COMPARED, "nothing to compare")
    show.say(REPLAYED)


def _rows(kind: str, was: Mapping[str, int], becomes: Mapping[str, int]) -> list[dict[str, Any]]:
    names = sorted(was.keys() | becomes.keys())
    return [_row(f"{kind} {name}", was.get(name, 0), becomes.get(name, 0)) for name in names]


def _row(what: str, was: int, becomes: int) -> dict[str, Any]:
    return {"what": what, "was": was, "becomes": becomes, "more": becomes - was}


def _supposed(settings: Sequence[str], demands: Sequence[str]) -> whatif.Supposed:
    supposed: dict[str, dict[str, dict[str, Any]]] = {"ce": {}, "vo": {}}
    for text in settings:
        where, sign, value = text.partition("=")
        kind, _, rest = where.partition(".")
        name, dot, key = rest.rpartition(".")
        if not sign or not dot or kind not in supposed:
            raise Invalid("--set", f"{text!r} is not like ce.NAME.capacity=200")
        supposed[kind].setdefault(name, {})[key.replace("-", "_")] = _value(text, value)
    for text in demands:
        name, sign, value = text.partition("=")
        if not sign:
            raise Invalid("--demand", f"{text!r} is not like lhcb=500")
        supposed["vo"].setdefault(name, {})["demand"] = _value(text, value)
    return whatif.Supposed(ces=supposed["ce"], vos=supposed["vo"])


def _value(text: str, value: str) -> Any:
    if value == NO_LIMIT:
        return None
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, bool | int | float):
        raise Invalid(text, f"{value!r} is not a number, true, false or none")
    return read


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid("day", f"{text!r} is not like 2026-01-31") from None
