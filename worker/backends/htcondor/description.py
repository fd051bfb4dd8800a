"""What HTCondor is handed: a submit description, and the program that it runs for each pilot.

Everything that a VO or an operator may write freely, variables, payload and arguments, goes into
the program, a shell script, where quoting is simple and known. The description itself, with its
macros and two kinds of quotes, holds only words of known letters.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import join, quote
from typing import NamedTuple

from worker.backends.htcondor.ads import WALLTIME
from worker.backends.htcondor.options import HTCondorOptions
from worker.backends.option_types import argv, check_text
from worker.domain.ce_answers import Order
from worker.domain.pilot import group_and_number

PAYLOAD = "./pilotage-payload"


class Alike(NamedTuple):
    """Orders that differ in their stamps only: they are one submission."""

    vo: str
    script: str | None
    arguments: tuple[str, ...]


def alike(order: Order) -> Alike:
    """Tell what an order has in common with others."""
    return Alike(order.vo, order.script, tuple(order.arguments))


def problem(what: Alike) -> str | None:
    """Tell what no program could be written of, if there is anything."""
    try:
        for word in (what.script or "", *what.arguments):
            check_text(word)
    except ValueError as error:
        return f"the script or an argument: {error}"
    return None


def program(what: Alike, ce: str, options: HTCondorOptions) -> str:
    """Write the program that every one of these pilots runs."""
    environment = {
        **options.environment,
        "PILOTAGE_VO": what.vo,
        "PILOTAGE_CE": ce,
    }
    lines = [
        "#!/bin/sh",
        'export PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}"',
        *(f"export {name}={quote(value)}" for name, value in environment.items()),
        *_work(what, options),
    ]
    return "\n".join(lines) + "\n"


def _work(what: Alike, options: HTCondorOptions) -> list[str]:
    if what.script is None:
        return [f"exec {join([*argv(options.command), *what.arguments])}"]
    starter = [PAYLOAD] if what.script.startswith("#!") else ["/bin/sh", PAYLOAD]
    return [
        f"printf %s {quote(what.script)} > {PAYLOAD} && chmod 700 {PAYLOAD} || exit 126",
        f"exec {join([*starter, *what.arguments])}",
    ]


def description(
    stamps: Sequence[str],
    vo: str,
    *,
    names: Mapping[str, str],
    options: HTCondorOptions,
    executable: Path,
    folder: Path,
) -> str:
    """Write the description of these pilots; `names` are our attributes, the same for all."""
    lines = {
        **_resources(options),
        **options.submit,
        "executable": plain(executable),
        "copy_to_spool": "true",
        "environment": '"PILOTAGE_STAMP=$(PilotStamp)"',
        "initialdir": f"{plain(folder)}/$(PilotGroup)",
        "output": "$(PilotStamp).out",
        "error": "$(PilotStamp).out",
        "should_transfer_files": "YES",
        "when_to_transfer_output": "ON_EXIT",
        "transfer_output_files": '""',
        "batch_name": names["batch"],
        "description": f"{names['prefix']}-$(PilotStamp)",
        "notification": "never",
        "+PilotageStamp": '"$(PilotStamp)"',
        "+PilotageInstance": text(names["instance"]),
        "+PilotageVO": text(vo),
        **_ends(options),
    }
    written = [f"{name} = {value}" for name, value in lines.items()]
    items = [f"{stamp} {group_and_number(stamp)[0]}" for stamp in stamps]
    return "\n".join([*written, "queue PilotStamp, PilotGroup from (", *items, ")"]) + "\n"


def _resources(options: HTCondorOptions) -> dict[str, str]:
    asked = {
        "request_cpus": options.cpus,
        "request_memory": options.memory,
        "request_disk": None if options.disk is None else options.disk * 1024,
    }
    return {name: str(value) for name, value in asked.items() if value is not None}


def _ends(options: HTCondorOptions) -> dict[str, str]:
    lines = {}
    if options.walltime is not None:
        ran = "time() - (JobCurrentStartExecutingDate ?: JobCurrentStartDate)"
        lines["periodic_remove"] = f"JobStatus == 2 && {ran} > {options.walltime}"
        lines["+PeriodicRemoveReason"] = text(WALLTIME)
    if options.spool:
        # A job whose output nobody fetched must leave the queue all the same.
        kept = f"time() - EnteredCurrentStatus < {int(options.keep_output)}"
        lines["leave_in_queue"] = f"JobStatus == 4 && StageOutFinish =?= undefined && {kept}"
    return lines


def plain(path: Path) -> str:
    """Write a path so that no part of it is taken for a macro."""
    return str(path).replace("$", "$(DOLLAR)")


def text(value: str) -> str:
    """Write a string as ClassAds do."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
