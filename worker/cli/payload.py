"""`pilotage vo payload`: what the pilots of a VO run."""

from pathlib import Path
from typing import Any

import click

from worker.cli import show
from worker.cli.groups import example
from worker.cli.options import as_json
from worker.cli.perform import perform
from worker.services import payloads
from worker.services.observe import use


@click.command(epilog=example("pilotage vo payload lhcb --from pilot.toml"))
@click.argument("name")
@click.option("--from", "file", type=click.Path(path_type=Path), metavar="FILE",
              help="Read the payload from this TOML file.")  # fmt: skip
@click.option("--show", "shown", is_flag=True, help="Show the payload; this is the default.")
@click.option("--ce", help="Show the payload as it is at this CE.")
@click.option(
    "--clear",
    is_flag=True,
    help="Remove the payload; the options of the CEs then say what pilots run.",
)
@as_json
def payload(
    name: str, file: Path | None, shown: bool, ce: str | None, clear: bool, as_json: bool
) -> None:
    """Set or show what the pilots of a VO run."""
    if (file is not None) + clear + (shown or ce is not None) > 1:
        raise click.UsageError("Give one of --from, --show, --clear.")
    if clear:
        perform(payloads.clear, name)
    elif file is not None:
        perform(payloads.set_, name, payloads.read_file(file))
    stored = perform(payloads.show, name, ce=ce)
    if as_json:
        show.as_json(stored)
    else:
        its_use = perform(use.of_vo, name)
        _show(name, stored, use.useful_after_in_words(its_use))


def _show(name: str, stored: dict[str, Any], useful_after: str) -> None:
    if not stored:
        show.say(f"VO {name} has no payload; what its pilots run is in the options of the CEs")
    for key in ("arguments", "variables", "at", "exit_codes", "reports", "grace"):
        for line in _lines(key, stored.get(key)):
            show.say(line)
    show.say(f"useful_after {useful_after}")
    if stored:
        show.say("")
        show.verbatim(stored["script"].rstrip("\n"))


def _lines(key: str, value: Any) -> list[str]:
    if not value:
        return []
    if isinstance(value, dict):
        return [f"{key:<12} {name} = {show.written(item)}" for name, item in value.items()]
    return [f"{key:<12} {show.written(value)}"]
