"""`pilotage metrics`: what a monitoring system reads."""

import os
import tempfile
from pathlib import Path

import click

from worker.cli import show
from worker.cli.groups import example
from worker.cli.perform import perform
from worker.domain.errors import Invalid
from worker.services.observe.metrics import metrics as read


def write_whole(path: Path, text: str) -> None:
    """Write a file under a name that nobody can guess, and give it its own when it is whole."""
    number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
            # Another user's exporter reads it, and there is no secret in it.
            os.fchmod(number, 0o644)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


@click.command(epilog=example("pilotage metrics --to /var/lib/node_exporter/pilotage.prom"))
@click.option(
    "--to",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write them into this file, in one step.",
)
def metrics(to: Path | None) -> None:
    """Print the numbers that Prometheus reads.

    Each CE, credential and task has its own; what they mean stands beside them.
    """
    text = perform(read)
    if to is None:
        show.verbatim(text.rstrip("\n"))
        return
    if not to.name or not to.parent.is_dir():
        raise Invalid("--to", f"there is no folder for {str(to)!r}")
    # Whoever reads it meanwhile finds the whole old file, or the whole new one.
    write_whole(to, text)
