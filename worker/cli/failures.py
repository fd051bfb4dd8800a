"""`pilotage failures`: why pilots fail."""

from dataclasses import asdict
from datetime import datetime

import click

from worker.cli import options, show
from worker.cli.groups import example
from worker.cli.perform import perform
from worker.domain.words import read_words
from worker.services.observe import failing
from worker.services.observe.failing import Failures, Summary
from worker.services.observe.notices import ended


@click.command(epilog=example("pilotage failures --since 24h --by cause,node --ce lyon"))
@options.since("1h")
@click.option(
    "--by",
    metavar="WORDS",
    default="cause,ce",
    show_default=True,
    help="What to group by: cause, ce, vo, node, with commas between them.",
)
@click.option("--ce", help="Only pilots of this CE.")
@click.option("--vo", help="Only pilots of this VO.")
@options.rows(20)
@options.as_json
def failures(
    since: datetime, by: str, ce: str | None, vo: str | None, limit: int, as_json: bool
) -> None:
    """Sum up why pilots failed lately.

    Each row is a group of failed or lost pilots, with the most common message.
    """
    words = read_words(failing.By, "by", by)
    summary = perform(failing.summary, since, by=words, limit=limit, ce=ce, vo=vo)
    if as_json:
        show.as_json(_machine(summary))
        return
    show.say(f"since {summary.ends.since:%Y-%m-%d %H:%M:%S}Z: {ended(summary.ends)}")
    if summary.ends.is_cut:
        show.say("(more pilots ended in this time: only the newest are counted)")
    rows = [
        {"pilots": one.pilots, **one.words, "most_say": _example(one)} for one in summary.groups
    ]
    if rows:
        show.say("")
        show.table(rows, ["pilots", *words, "most_say"], "")


def _example(group: Failures) -> str:
    return show.legible(" ".join(word for word in (group.raw, group.reason) if word)) or "-"


def _machine(summary: Summary) -> dict[str, object]:
    groups = [
        {"pilots": one.pilots, **one.words, "raw": one.raw, "reason": one.reason}
        for one in summary.groups
    ]
    return {**asdict(summary.ends), "failures": groups}
