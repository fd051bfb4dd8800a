"""`pilotage vo`: the owners of pilots."""

from dataclasses import asdict
from typing import Any

import click

from worker import wiring
from worker.cli import show
from worker.cli.parts import (
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
from worker.domain.vo import VO
from worker.services import inventory

COLUMNS = ["name", "share", "limit", "demand", "enabled"]

_share = click.option(
    "--share", type=float, help="Its share among VOs; kept, but not used by the allocation yet."
)
_limit = click.option("--limit", type=Amount(), help="Pilots at the most, or 'none'.")
_demand = click.option("--demand", type=Amount(), help="More pilots it could use, or 'none'.")


@click.group(cls=Group, epilog=example("pilotage vo list"))
def vo() -> None:
    """Care for the VOs. A small site needs none but the one called default."""


@vo.command(epilog=example("pilotage vo add lhcb --share 2 --limit 500"))
@click.argument("name")
@_share
@_limit
@_demand
@click.option("--disabled", is_flag=True, help="Send nothing for it yet.")
@as_json
def add(name: str, disabled: bool, as_json: bool, **values: Any) -> None:
    """Add a VO."""
    wanted = VO(name=name, enabled=not disabled, **given(values))
    _show(inventory.add_vo(wiring.current_database(), wanted), as_json)


@vo.command("list", epilog=example("pilotage vo list --search lhc"))
@click.option("--enabled/--disabled", default=None, help="Only those.")
@paged
@as_json
def list_(enabled: bool | None, as_json: bool, **asked: Any) -> None:
    """List the VOs."""
    page = inventory.list_vos(
        wiring.current_database(), search=asked.pop("search"), enabled=enabled, **asked
    )
    show_page(page, COLUMNS, "no VOs found", as_json)


@vo.command("show", epilog=example("pilotage vo show lhcb"))
@click.argument("name")
@as_json
def show_(name: str, as_json: bool) -> None:
    """Show a VO."""
    _show(inventory.show_vo(wiring.current_database(), name), as_json)


@vo.command("set", epilog=example("pilotage vo set lhcb --limit none"))
@click.argument("name")
@_share
@_limit
@_demand
@as_json
def set_(name: str, as_json: bool, **values: Any) -> None:
    """Change values of a VO."""
    _show(inventory.change_vo(wiring.current_database(), name, something(given(values))), as_json)


@vo.command(epilog=example("pilotage vo enable lhcb"))
@click.argument("name")
@as_json
def enable(name: str, as_json: bool) -> None:
    """Let pilots be sent for a VO."""
    _show(inventory.change_vo(wiring.current_database(), name, {"enabled": True}), as_json)


@vo.command(epilog=example("pilotage vo disable lhcb"))
@click.argument("name")
@as_json
def disable(name: str, as_json: bool) -> None:
    """Send nothing more for a VO."""
    _show(inventory.change_vo(wiring.current_database(), name, {"enabled": False}), as_json)


@vo.command(epilog=example("pilotage vo remove lhcb --yes"))
@click.argument("name")
@sure
def remove(name: str, yes: bool) -> None:
    """Remove a VO that never had a pilot."""
    inventory.remove_vo(wiring.current_database(), name, yes=yes)
    show.say(f"VO {name} removed")


def _show(found: VO, as_json: bool) -> None:
    values = asdict(found)
    del values["id"]
    show.as_json(values) if as_json else show.fields(values)
