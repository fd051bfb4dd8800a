"""Options that choose pilots."""

from collections.abc import Mapping
from typing import Any

import click

from worker.cli.options import Choice, TimeLength, with_options
from worker.domain.errors import Invalid, UnknownPilot
from worker.domain.pilot import Cause, Status, Use
from worker.domain.pilot_filter import PilotFilter

WHICH = "PILOT"
LONGEST = 512
"""The most characters of a word that names a pilot."""

at_ce = click.option(
    "--ce", help="The CE to which the id belongs. PILOT is first taken for an id of this CE."
)


def name(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Refuse words that cannot name a pilot; drop repeated ones."""
    words = [value] if isinstance(value, str) else value
    for word in words:
        if not (word.isprintable() and word.strip() and len(word) <= LONGEST):
            raise UnknownPilot(ascii(word)[:40])
    return value if isinstance(value, str) else tuple(dict.fromkeys(words))


def _printable(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse a text that cannot be in the name of a job or in a stamp."""
    if value is not None and not (value.isprintable() and len(value) <= LONGEST):
        raise Invalid(param.name or "", "use printable characters")
    return value


filter_options = with_options(
    click.option(
        "--status", "statuses", multiple=True, type=Choice([str(s) for s in Status]),
        help="Only pilots in this status. Repeat for more.",
    ),
    click.option(
        "--use", "uses", multiple=True, type=Choice([str(use) for use in Use]),
        help="Only pilots that ended well, with this use. Repeat for more.",
    ),
    click.option(
        "--cause", "causes", multiple=True, type=Choice([str(cause) for cause in Cause]),
        help="Only pilots that failed for this cause. Repeat for more.",
    ),
    click.option("--ce", help="Only pilots of this CE."),
    click.option("--tag", help="Only pilots of CEs with this tag."),
    click.option("--vo", help="Only pilots of this VO."),
    click.option(
        "--older-than", type=TimeLength(),
        help="Only active pilots whose slot was reserved longer ago: 2h.",
    ),
    click.option(
        "--handle", callback=_printable,
        help="Only pilots with this id at the CE, or of this array or cluster of jobs:"
             " 2_17, 2, 1234.0, 1234.",
    ),
    click.option("--node", callback=_printable,
                 help="Only pilots on this node, as the CE names it."),
)  # fmt: skip
"""The options that restrict which pilots are meant."""


def filter_of(values: Mapping[str, Any]) -> PilotFilter:
    """Return the filter that the options describe."""
    return PilotFilter(
        **{
            **values,
            "statuses": [Status(word) for word in values.get("statuses", ())],
            "uses": [Use(word) for word in values.get("uses", ())],
            "causes": [Cause(word) for word in values.get("causes", ())],
        }
    )
