"""`pilotage ce`: the CEs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

import click

from worker import wiring
from worker.cli import show
from worker.cli.ce_check import calls, diff, test
from worker.cli.ce_pauses import maintenance, pause, pauses, resume
from worker.cli.groups import Group, example
from worker.cli.options import (
    NO_LIMIT,
    Amount,
    Moment,
    as_json,
    paged,
    reason_option,
    require_change,
    show_page,
    timeouts,
    typed_values,
    warn_of_long_calls,
    with_options,
    yes_option,
)
from worker.cli.perform import perform
from worker.domain import spelled
from worker.domain.ce import CE
from worker.domain.change import Setter
from worker.domain.errors import Invalid
from worker.domain.pages import PageRequest
from worker.domain.pairs import parse_pairs
from worker.domain.vo import ALL_VOS
from worker.services import ce_lines
from worker.services.operate import ce_inventory as inventory
from worker.settings import PREFIX, Settings

_STATES = {
    "enabled": "disabled",
    "draining": "draining",
    "sending": "held",
    "only_for": "for some VOs",
}
"""The words in a list for each value that keeps pilots away."""

COLUMNS = [
    "name",
    "state",
    "set_by",
    "backend",
    "capacity",
    "waiting_limit",
    "success_rate",
    "enabled",
    "draining",
    "open_to_all",
    "tags",
    "options",
]

_WITHOUT_SETTERS = [name for name in COLUMNS if name != "set_by"]

SETTINGS = [*(field.name for field in fields(CE) if field.name != "id"), "only_for"]

_values = with_options(
    click.option("--capacity", type=int, help="How many pilots may occupy the CE."),
    click.option("--waiting-limit", type=Amount(),
                 help="How many pilots may wait at the CE; 'none': as many as the capacity."),
    click.option("--success-rate", type=float,
                 help="The part of its pilots that is expected to end well, 0 to 1."),
    click.option("--tag", "tags", multiple=True,
                 help="A tag. Repeat for more; 'none' removes all tags."),
    click.option("--option", "options", multiple=True, metavar="KEY=VALUE",
                 help="An option of its back-end; VALUE may be JSON; 'none' removes the option."),
    click.option("--cancel-strangers/--leave-strangers", default=None,
                 help="Whether reconcile ends unwanted jobs of this instance at the CE."),
    click.option("--vo", "only_for", multiple=True,
                 help="Only this VO may use the CE. Repeat for more; 'all' allows all VOs."),
    timeouts,
)  # fmt: skip
"""The values of a CE that can be changed."""


@click.group(cls=Group, epilog=example("pilotage ce list"))
def ce() -> None:
    """Manage CEs."""


@ce.command(epilog=example("pilotage ce add lyon --backend sim --capacity 100 --waiting-limit 10"))
@click.argument("name")
@click.option("--backend", default="local", show_default=True, help="The back-end: the kind of CE.")
@_values
@click.option("--disabled", is_flag=True, help="Add the CE disabled: it gets no pilots yet.")
@as_json
def add(
    name: str, backend: str, disabled: bool, only_for: Sequence[str], as_json: bool, **values: Any
) -> None:
    """Add a CE."""
    settings = _read(values)
    if "capacity" not in settings:
        raise click.UsageError("Missing option '--capacity': how many pilots may occupy the CE.")
    values = {"name": name, "backend": backend, "enabled": not disabled, **settings}
    new: Any = {**values, "only_for": _vos(only_for) or ()}
    added = perform(inventory.add_ce, new)
    warn_of_long_calls(name)
    if as_json:
        show.as_json(asdict(added))
        return
    shown = {"backend": backend, **settings, "vo": only_for, "disabled": disabled}
    show.say(f"CE {name} added: {spelled.settings(shown, show.word)}")


@ce.command("list", epilog=example("pilotage ce list --backend sim --tag gpu --sort capacity"))
@click.option("--backend", help="Only CEs of this back-end.")
@click.option(
    "--tag",
    "tags",
    multiple=True,
    help="Only CEs with this tag. Repeat for more: a CE must have all.",
)
@click.option("--enabled/--disabled", default=None, help="Only enabled or only disabled CEs.")
@paged
@as_json
def list_(
    backend: str | None, tags: Sequence[str], enabled: bool | None, as_json: bool, **paging: Any
) -> None:
    """List the CEs."""
    page = perform(
        inventory.list_ces,
        search=paging.pop("search"),
        backend=backend,
        enabled=enabled,
        tags=tags,
        page=PageRequest(**paging),
    )
    columns = COLUMNS if as_json or any(one.set_by for one in page.items) else _WITHOUT_SETTERS
    show_page(
        page,
        columns,
        "no CEs found",
        as_json,
        lambda one: {"set_by": asdict(one)["set_by"] if as_json else _in_line(one.set_by)},
    )


@ce.command("show", epilog=example("pilotage ce show lyon --json"))
@click.argument("name")
@as_json
def show_(name: str, as_json: bool) -> None:
    """Show a CE."""
    shown = perform(inventory.show_ce, name)
    values = asdict(shown)
    if as_json:
        show.as_json(values)
        return
    del values["set_by"]
    show.fields(values | _set_by(shown.set_by))


@ce.command("set", epilog=example("pilotage ce set lyon --capacity 200 --waiting-limit none"))
@click.argument("name")
@_values
@reason_option
@as_json
def set_(
    name: str, only_for: Sequence[str], reason: str | None, as_json: bool, **values: Any
) -> None:
    """Change values of a CE."""
    changes = _read(values)
    _change(name, changes if only_for else require_change(changes), as_json, only_for, reason)


@ce.command(epilog=example("pilotage ce enable lyon"))
@click.argument("name")
@reason_option
@as_json
def enable(name: str, reason: str | None, as_json: bool) -> None:
    """Send pilots to a CE again; this also ends a drain."""
    _change(name, {"enabled": True, **_drained(draining=False)}, as_json, reason=reason)


@ce.command(epilog=example("pilotage ce disable lyon"))
@click.argument("name")
@reason_option
@as_json
def disable(name: str, reason: str | None, as_json: bool) -> None:
    """Send no more pilots to a CE."""
    _change(name, {"enabled": False}, as_json, reason=reason)


@ce.command(epilog=example("pilotage ce drain lyon --by 2h --reason 'disk is full'"))
@click.argument("name")
@click.option(
    "--by", type=Moment(), help="When to cancel the pilots that still wait: 2h, or a moment in UTC."
)
@click.option("--end-running", is_flag=True, help="Then also cancel the pilots that still run.")
@reason_option
@as_json
def drain(
    name: str, by: datetime | None, end_running: bool, reason: str | None, as_json: bool
) -> None:
    """Send no more pilots to a CE, and let its pilots end."""
    if end_running and by is None:
        raise click.UsageError("Missing option '--by': when pilots that run are cancelled.")
    _change(name, _drained(draining=True, by=by, end_running=end_running), as_json, reason=reason)


for _command in (pause, resume, pauses, maintenance, calls, diff):
    ce.add_command(_command)


@ce.command(epilog=example("pilotage ce remove lyon --yes"))
@click.argument("name")
@yes_option
def remove(name: str, yes: bool) -> None:
    """Remove a CE that has no pilots, not even in the history."""
    perform(inventory.remove_ce, name, yes=yes)
    show.say(f"CE {name} removed")


ce.add_command(test)


def _set_by(set_by: Mapping[str, Setter]) -> dict[str, str]:
    """Return for each value that keeps pilots away since when, by whom and why it was set."""
    now = datetime.now(UTC)
    return {_STATES[field]: setter.phrase(now) for field, setter in set_by.items()}


def _in_line(set_by: Mapping[str, Setter]) -> str:
    return "; ".join(f"{state} {text}" for state, text in _set_by(set_by).items()) or "-"


def _drained(
    *, draining: bool, by: datetime | None = None, end_running: bool = False
) -> dict[str, Any]:
    return {"draining": draining, "drain_by": by, "end_running": end_running}


def _read(values: Mapping[str, Any]) -> dict[str, Any]:
    options = parse_pairs(values["options"])
    _refuse_settings(options)
    settings = typed_values({**values, "options": options})
    if NO_LIMIT in settings.get("tags", ()):
        settings["tags"] = ()
    return settings


def _refuse_settings(options: Mapping[str, Any]) -> None:
    """Refuse an option that no back-end has, if it is a setting of the installation."""
    names = {key for backend in wiring.backends().values() for key in backend.options.model_fields}
    for key in options:
        if key in Settings.model_fields and key not in names:
            variable = f"{PREFIX}{key.upper()}"
            raise Invalid(f"option {key!r}", f"it is a setting of all CEs: set {variable}")


def _vos(names: Sequence[str]) -> list[str] | None:
    """Return the VOs that are meant: `None` for no change, an empty list for all."""
    if not names:
        return None
    return [] if ALL_VOS in names else list(names)


def _change(
    name: str,
    changes: dict[str, Any],
    as_json: bool,
    only_for: Sequence[str] = (),
    reason: str | None = None,
) -> None:
    was = perform(inventory.show_ce, name)
    if (vos := _vos(only_for)) is not None:
        changes = {**changes, "only_for": vos}
    values: Any = changes if reason is None else {**changes, "reason": reason}
    now = perform(inventory.change_ce, name, values)
    if changes.get("options"):
        warn_of_long_calls(name)
    if as_json:
        show.as_json(asdict(now))
        return
    state = "" if now.state == ce_lines.NORMAL else f" ({now.state})"
    because = "" if reason is None else f": {reason}"
    changed = show.changes(asdict(was), asdict(now), SETTINGS)
    show.say(f"CE {name}: {changed}{state}{because}")
