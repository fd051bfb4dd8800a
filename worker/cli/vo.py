"""`pilotage vo`: the VOs."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

from worker import wiring
from worker.cli import show
from worker.cli.groups import Group, example
from worker.cli.options import (
    NO_LIMIT,
    Amount,
    TimeLengthOrNone,
    as_json,
    paged,
    reason_option,
    require_change,
    show_page,
    timeouts,
    typed_values,
    with_options,
    yes_option,
)
from worker.cli.payload import payload
from worker.cli.perform import perform
from worker.domain import spelled
from worker.domain.errors import TaskFailed
from worker.domain.pages import PageRequest
from worker.domain.pairs import parse_pairs
from worker.domain.schedule import Outcome
from worker.services.observe import answers, capacity, use
from worker.services.operate import vo_inventory as inventory
from worker.services.operate.vo_inventory import ShownVO
from worker.services.tasks import catalogue, execute

COLUMNS = ["name", "share", "limit", "demand", "enabled", "draining", "without_work_since"]

_values = with_options(
    click.option("--share", type=float, help="The weight of the VO where VOs compete for slots."),
    click.option("--limit", type=Amount(),
                 help="How many of its pilots may occupy all CEs together, or 'none'."),
    click.option("--demand", type=Amount(),
                 help="How many pilots it wants waiting or newly sent; 'none': unlimited."),
    click.option("--budget", type=Amount(),
                 help="How many new pilots one tick may reserve, or 'none'."),
    click.option("--cancel-surplus/--keep-surplus", default=None,
                 help="Whether waiting pilots above the demand are cancelled."),
    timeouts,
    click.option("--idle-at-most", type=TimeLengthOrNone(),
                 help="End pilots that report idle for longer while none is needed: 30m; "
                      "'none': never."),
    click.option("--demand-min", type=Amount(),
                 help="The smallest number of pilots in all, also if fewer are wanted; 'none': 0."),
    click.option("--demand-max", type=Amount(),
                 help="The largest number of pilots in all, also if more are wanted; 'none': any."),
    click.option("--scale-down-delay", type=TimeLengthOrNone(),
                 help="How long a lower answer of its source is ignored: 10m; "
                      "'none': not at all."),
    click.option("--source", multiple=True, metavar="KEY=VALUE",
                 help="The source of its demand: kind=http, then the options of the kind; "
                      "'none' removes the source."),
)  # fmt: skip
"""The values of a VO that can be changed."""


@click.group(cls=Group, epilog=example("pilotage vo list"))
def vo() -> None:
    """Manage VOs. A small site needs only the VO default."""


@vo.command(epilog=example("pilotage vo add lhcb --share 2 --limit 500"))
@click.argument("name")
@_values
@click.option("--disabled", is_flag=True, help="Add the VO disabled: it gets no pilots yet.")
@as_json
def add(name: str, disabled: bool, as_json: bool, **values: Any) -> None:
    """Add a VO."""
    settings = _read(values)
    new: Any = {"name": name, "enabled": not disabled, **settings}
    vo_added = perform(inventory.add_vo, new)
    if as_json:
        _show(vo_added, as_json)
    else:
        values = {"share": vo_added.share, **settings, "source": vo_added.source}
        listed = spelled.settings({**values, "disabled": disabled}, show.word)
        show.say(f"VO {name} added: {listed}")


@vo.command("list", epilog=example("pilotage vo list --search lhc"))
@click.option("--enabled/--disabled", default=None, help="Only enabled or only disabled VOs.")
@paged
@as_json
def list_(enabled: bool | None, as_json: bool, **paging: Any) -> None:
    """List the VOs."""
    search = paging.pop("search")
    page = perform(inventory.list_vos, search=search, enabled=enabled, page=PageRequest(**paging))
    show_page(page, COLUMNS, "no VOs found", as_json)


@vo.command("show", epilog=example("pilotage vo show lhcb"))
@click.argument("name")
@as_json
def show_(name: str, as_json: bool) -> None:
    """Show a VO, the answer of its source, and the use of its pilots."""
    shown = perform(inventory.show_vo, name)
    its_use = perform(use.of_vo, name)
    answer = perform(answers.answer_of, name)
    if as_json:
        _show(shown, as_json, **asdict(its_use), **asdict(answer))
    else:
        _show(
            shown,
            as_json,
            useful_after=use.useful_after_in_words(its_use),
            without_work_since=its_use.without_work_since,
            without_work_reason=its_use.without_work_reason,
            source_answer=answer.in_words,
            source_answered_at=answer.source_answered_at,
            source_problem=answer.source_problem,
        )


@vo.command("set", epilog=example("pilotage vo set lhcb --limit none"))
@click.argument("name")
@_values
@reason_option
@as_json
def set_(name: str, reason: str | None, as_json: bool, **values: Any) -> None:
    """Change values of a VO."""
    _change(name, require_change(_read(values)), as_json, reason)


@vo.command(epilog=example("pilotage vo enable lhcb"))
@click.argument("name")
@reason_option
@as_json
def enable(name: str, reason: str | None, as_json: bool) -> None:
    """Send pilots for a VO again; this also ends a drain."""
    _change(name, {"enabled": True, "draining": False}, as_json, reason)


@vo.command(epilog=example("pilotage vo disable lhcb"))
@click.argument("name")
@reason_option
@as_json
def disable(name: str, reason: str | None, as_json: bool) -> None:
    """Send no more pilots for a VO."""
    _change(name, {"enabled": False}, as_json, reason)


@vo.command(epilog=example("pilotage vo drain lhcb"))
@click.argument("name")
@reason_option
@as_json
def drain(name: str, reason: str | None, as_json: bool) -> None:
    """Send no more pilots for a VO, and let its pilots end."""
    _change(name, {"draining": True}, as_json, reason)


@vo.command(epilog=example("pilotage vo ask lhcb"))
@click.argument("name")
def ask(name: str) -> None:
    """Ask the demand source of a VO now, and show its answer."""
    done = execute.execute(catalogue.get("ask_demand"), name, wiring.by_hand())
    if done.outcome is not Outcome.OK:
        raise TaskFailed(*done.lines)
    show.say(str(done))


@vo.command("capacity", epilog=example("pilotage vo capacity lhcb --json"))
@click.argument("name")
@as_json
def capacity_(name: str, as_json: bool) -> None:
    """Show the pilots of a VO, and how many more it could get now."""
    values = asdict(perform(capacity.capacity_of, name))
    show.as_json(values) if as_json else show.fields(values)


@vo.command(epilog=example("pilotage vo remove lhcb --yes"))
@click.argument("name")
@yes_option
def remove(name: str, yes: bool) -> None:
    """Remove a VO that has no pilots, not even in the history."""
    perform(inventory.remove_vo, name, yes=yes)
    show.say(f"VO {name} removed")


vo.add_command(payload)


def _read(values: Mapping[str, Any]) -> dict[str, Any]:
    source = values["source"]
    settings = typed_values({**values, "source": None})
    if source:
        settings["source"] = None if NO_LIMIT in source else parse_pairs(source)
    return settings


def _change(name: str, changes: dict[str, Any], as_json: bool, reason: str | None = None) -> None:
    was = perform(inventory.show_vo, name)
    with_reason: Any = changes if reason is None else {**changes, "reason": reason}
    now = perform(inventory.change_vo, name, with_reason)
    if as_json:
        _show(now, as_json)
    else:
        values = _settings(now)
        because = "" if reason is None else f": {reason}"
        show.say(f"VO {name}: {show.changes(_settings(was), values, values)}{because}")
        note = perform(inventory.above_limit, name)
        if note is not None:
            show.say(note)


def _show(shown: ShownVO, as_json: bool, **more: Any) -> None:
    values = {**_settings(shown), **more}
    show.as_json(values) if as_json else show.fields(values)


def _settings(shown: ShownVO) -> dict[str, Any]:
    """Return the settings of a VO, without what was learnt about it."""
    return {name: value for name, value in asdict(shown).items() if name in inventory.SETTINGS}
