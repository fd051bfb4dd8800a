"""`pilotage metrics`: metrics, alert rules and a dashboard for a monitoring system."""

import re
from pathlib import Path

import click

from worker.cli import show
from worker.cli.groups import example
from worker.cli.perform import perform
from worker.cli.whole_files import write_whole
from worker.domain.errors import Invalid
from worker.services.observe.metrics import metrics as read

FOLDER = Path(__file__).with_name("monitoring")
DOCUMENTS = "docs/how-to/troubleshoot.md"
"""The text in the rules that stands for the page to which each alert links."""


@click.command(epilog=example("pilotage metrics --to /var/lib/node_exporter/pilotage.prom"))
@click.option("--rules", is_flag=True, help="Print alert rules for Prometheus instead.")
@click.option("--dashboard", is_flag=True, help="Print a dashboard for Grafana instead.")
@click.option(
    "--runbook",
    metavar="URL",
    help="The URL of your page 'Troubleshooting by symptom', to which each alert links.",
)
@click.option(
    "--to",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write into this file instead, and replace it in one step.",
)
def metrics(rules: bool, dashboard: bool, runbook: str | None, to: Path | None) -> None:
    """Print the numbers that Prometheus reads.

    Each CE, VO, credential and task has its own numbers; their meaning is in the comments.
    """
    if rules and dashboard:
        raise Invalid("--dashboard", "print the rules and the dashboard with two commands")
    if runbook is not None and not rules:
        raise Invalid("--runbook", "the rules alone have this link: give --rules too")
    if rules:
        text = (FOLDER / "rules.yml").read_text(encoding="utf-8")
        text = text.replace(DOCUMENTS, _one_word(runbook)) if runbook else text
    elif dashboard:
        text = (FOLDER / "dashboard.json").read_text(encoding="utf-8")
    else:
        text = perform(read)
    _hand_out(text, to)


def _one_word(url: str) -> str:
    """Refuse a text that YAML would not read as one plain word."""
    if not re.fullmatch(r"https?://[^\s#'\"{}]+", url):
        raise Invalid("--runbook", f"{url!r} is not the address of a page")
    return url


def _hand_out(text: str, to: Path | None) -> None:
    if to is None:
        show.verbatim(text.rstrip("\n"))
        return
    if not to.name or not to.parent.is_dir():
        raise Invalid("--to", f"there is no folder for {str(to)!r}")
    # A reader finds either the whole old file or the whole new one.
    write_whole(to, text)
