"""`pilotage ce`: the places that run pilots."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import click

from worker import wiring
from worker.cli import show
from worker.cli.parts import (
    NO_LIMIT,
    Amount,
    Group,
    as_json,
    example,
    given,
    paged,
    show_page,
    something,
    sure,
)
from worker.domain.ce import CE
from worker.domain.errors import Invalid
from worker.domain.vo import ALL_VOS
from worker.services import inventory

COLUMNS = [
    "name",
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

_OPTIONS = [
    click.option("--capacity", type=int, help="Pilots that it may hold."),
    click.option("--waiting-limit", type=Amount(),
                 help="Pilots that may wait there; 'none' for as many as it may hold."),
    click.option("--success-rate", type=float,
                 help="The part of its pilots that ends well, 0 to 1."),
    click.option("--tag", "tags", multiple=True,
                 help="A word about it. Repeat for more; 'none' takes all away."),
    click.option("--option", "options", multiple=True, metavar="KEY=VALUE",
                 help="An option of its back-end; VALUE may be JSON; 'none' takes it away."),
    click.option("--vo", "only_for", multiple=True,
                 help="Only this VO may use it. Repeat for more; 'all' opens it to all."),
]  # fmt: skip


def _values(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group(cls=Group, epilog=example("pilotage ce list"))
def ce() -> None:
    """Care for the CEs."""


@ce.command(epilog=example("pilotage ce add lyon --backend sim --capacity 100 --waiting-limit 10"))
@click.argument("name")
@click.option("--backend", default="local", show_default=True, help="What kind of CE it is.")
@_values
@click.option("--disabled", is_flag=True, help="Send nothing to it yet.")
@as_json
def add(
    name: str, backend: str, disabled: bool, only_for: Sequence[str], as_json: bool, **values: Any
) -> None:
    """Add a CE."""
    found = _read(values)
    if "capacity" not in found:
        raise Invalid("capacity", "say how many pilots it may hold, with --capacity")
    wanted = CE(name=name, backend=backend, enabled=not disabled, **found)
    database = wiring.current_database()
    inventory.add_ce(database, wiring.backends(), wanted, _vos(only_for) or ())
    _show(*inventory.show_ce(database, name), as_json)


@ce.command("list", epilog=example("pilotage ce list --backend sim --sort capacity --descending"))
@click.option("--backend", help="Only of this back-end.")
@click.option("--enabled/--disabled", default=None, help="Only those.")
@paged
@as_json
def list_(backend: str | None, enabled: bool | None, as_json: bool, **asked: Any) -> None:
    """List the CEs."""
    page = inventory.list_ces(
        wiring.current_database(),
        search=asked.pop("search"),
        backend=backend,
        enabled=enabled,
        **asked,
    )
    show_page(page, COLUMNS, "no CEs found", as_json)


@ce.command("show", epilog=example("pilotage ce show lyon --json"))
@click.argument("name")
@as_json
def show_(name: str, as_json: bool) -> None:
    """Show a CE."""
    _show(*inventory.show_ce(wiring.current_database(), name), as_json)


@ce.command("set", epilog=example("pilotage ce set lyon --capacity 200 --waiting-limit none"))
@click.argument("name")
@_values
@as_json
def set_(name: str, only_for: Sequence[str], as_json: bool, **values: Any) -> None:
    """Change values of a CE."""
    changes = _read(values)
    _change(name, changes if only_for else something(changes), as_json, only_for)


@ce.command(epilog=example("pilotage ce enable lyon"))
@click.argument("name")
@as_json
def enable(name: str, as_json: bool) -> None:
    """Let pilots be sent to a CE; ends draining too."""
    _change(name, {"enabled": True, "draining": False}, as_json)


@ce.command(epilog=example("pilotage ce disable lyon"))
@click.argument("name")
@as_json
def disable(name: str, as_json: bool) -> None:
    """Send nothing more to a CE."""
    _change(name, {"enabled": False}, as_json)


@ce.command(epilog=example("pilotage ce drain lyon"))
@click.argument("name")
@as_json
def drain(name: str, as_json: bool) -> None:
    """Send nothing more to a CE and let its pilots end."""
    _change(name, {"draining": True}, as_json)


@ce.command(epilog=example("pilotage ce remove lyon --yes"))
@click.argument("name")
@sure
def remove(name: str, yes: bool) -> None:
    """Remove a CE that never had a pilot."""
    inventory.remove_ce(wiring.current_database(), name, yes=yes)
    show.say(f"CE {name} removed")


def _read(values: Mapping[str, Any]) -> dict[str, Any]:
    found = given({**values, "options": parse_options(values["options"])})
    if NO_LIMIT in found.get("tags", ()):
        found["tags"] = ()
    return found


def _number(text: str) -> float | str:
    return float(text) if math.isfinite(float(text)) else text


# JSON knows no infinity, and a database would refuse to store one: it stays text.
_FINITE: dict[str, Any] = {"parse_float": _number, "parse_constant": str}


def parse_options(pairs: Sequence[str]) -> dict[str, Any]:
    """Read KEY=VALUE pairs. A value that is JSON is what it says, any other is text."""
    options: dict[str, Any] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise Invalid("option", f"{pair!r} is not KEY=VALUE")
        try:
            options[key] = None if value == "none" else json.loads(value, **_FINITE)
        except json.JSONDecodeError:
            options[key] = value
    return options


def _vos(names: Sequence[str]) -> list[str] | None:
    """Tell which VOs are meant: none given leaves it as it is, 'all' is the empty list."""
    if not names:
        return None
    return [] if ALL_VOS in names else list(names)


def _change(
    name: str, changes: dict[str, Any], as_json: bool, only_for: Sequence[str] = ()
) -> None:
    database = wiring.current_database()
    inventory.change_ce(database, wiring.backends(), name, changes, _vos(only_for))
    _show(*inventory.show_ce(database, name), as_json)


def _show(found: CE, only_for: list[str], as_json: bool) -> None:
    values = {field.name: getattr(found, field.name) for field in fields(found)}
    del values["id"]
    values["only_for"] = only_for
    show.as_json(values) if as_json else show.fields(values)
