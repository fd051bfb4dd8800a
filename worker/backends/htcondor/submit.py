"""Submission to HTCondor: a submit description, and the program that it runs for each pilot.

Orders that are alike are one submission, however many they are. Everything that a VO or an operator
may write freely (variables, payload and arguments) goes into the program, a shell script, where
quoting is simple and well known. The description, with its macros and its two kinds of quotes, has
only words of known characters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from shlex import join, quote

from worker.backends import grace
from worker.backends.alike import Alike, alike
from worker.backends.htcondor.answers import WALLTIME
from worker.backends.htcondor.client import HTCondorClient
from worker.backends.htcondor.options import HTCondorOptions
from worker.backends.htcondor.output import SECRET_END, OutputFolder
from worker.backends.identities import gravest, not_sent, nothing_sent_yet, refused, refused_by
from worker.backends.option_types import FILE_VARIABLE, URL_VARIABLE, argv
from worker.domain.ce_answers import Order, Receipt
from worker.domain.errors import BackendError, CredentialProblem, NotSent, Refused, Unreadable
from worker.domain.pilot import Cause, group_and_number

PAYLOAD = "./pilotage-payload"


def program(what: Alike, ce: str, options: HTCondorOptions) -> str:
    """Return the program that each of these pilots runs."""
    environment = {
        **options.environment,
        "PILOTAGE_VO": what.vo,
        "PILOTAGE_CE": ce,
    }
    lines = [
        "#!/bin/sh",
        'export PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}"',
        *(f"export {name}={quote(value)}" for name, value in environment.items()),
        *_own_secret(what),
        *_work(what, options),
    ]
    return "\n".join(lines) + "\n"


def _own_secret(what: Alike) -> list[str]:
    """Return the lines that tell a pilot the file of its secret, which HTCondor puts there."""
    if what.url is None:
        return []
    return [
        f"export {URL_VARIABLE}={quote(what.url)}",
        f'export {FILE_VARIABLE}="$PWD/$PILOTAGE_STAMP{SECRET_END}"',
        f'chmod 600 "${FILE_VARIABLE}" || exit 126',
    ]


def _work(what: Alike, options: HTCondorOptions) -> list[str]:
    if what.script is None:
        return _run(join([*argv(options.command), *what.arguments]), what, options)
    starter = [PAYLOAD] if what.script.startswith("#!") else ["/bin/sh", PAYLOAD]
    return [
        f"printf %s {quote(what.script)} > {PAYLOAD} && chmod 700 {PAYLOAD} || exit 126",
        *_run(join([*starter, *what.arguments]), what, options),
    ]


def _run(command: str, what: Alike, options: HTCondorOptions) -> list[str]:
    if what.grace is None:
        return [f"exec {command}"]
    # condor_rm sends the signal itself. HTCondor sends none before the time is up: our timer does.
    after = grace.before(options.walltime, what.grace)
    return [grace.named('"$PWD"') + grace.run(command, after=after) + 'exit "$code"']


def description(
    stamps: Sequence[str],
    what: Alike,
    *,
    names: Mapping[str, str],
    options: HTCondorOptions,
    executable: Path,
    folder: Path,
) -> str:
    """Return the submit description of these pilots; `names` are attributes common to all."""
    lines = {
        **_resources(options),
        **options.submit,
        "executable": plain(executable),
        "copy_to_spool": "true",
        "environment": '"PILOTAGE_STAMP=$(PilotStamp)"',
        "initialdir": f"{plain(folder)}/$(PilotGroup)",
        "output": "$(PilotStamp).out",
        "error": "$(PilotStamp).out",
        **({"transfer_input_files": f"$(PilotStamp){SECRET_END}"} if what.url else {}),
        "should_transfer_files": "YES",
        "when_to_transfer_output": "ON_EXIT",
        "transfer_output_files": '""',
        "batch_name": names["batch"],
        "description": f"{names['prefix']}-$(PilotStamp)",
        "notification": "never",
        "+PilotageStamp": '"$(PilotStamp)"',
        "+PilotageInstance": text(names["instance_and_ce"]),
        "+PilotageVO": text(what.vo),
        **_ends(options),
        **_finishing(what.grace),
    }
    written = [f"{name} = {value}" for name, value in lines.items()]
    items = [f"{stamp} {group_and_number(stamp)[0]}" for stamp in stamps]
    return "\n".join([*written, "queue PilotStamp, PilotGroup from (", *items, ")"]) + "\n"


def _resources(options: HTCondorOptions) -> dict[str, str]:
    requests = {
        "request_cpus": options.cpus,
        "request_memory": options.memory,
        "request_disk": None if options.disk is None else options.disk * 1024,
    }
    return {name: str(value) for name, value in requests.items() if value is not None}


def _ends(options: HTCondorOptions) -> dict[str, str]:
    lines = {}
    if options.walltime is not None:
        ran = "time() - (JobCurrentStartExecutingDate ?: JobCurrentStartDate)"
        lines["periodic_remove"] = f"JobStatus == 2 && {ran} > {options.walltime}"
        lines["+PeriodicRemoveReason"] = text(WALLTIME)
    if options.spool:
        # A job must leave the queue even if its output is never fetched.
        kept = f"time() - EnteredCurrentStatus < {int(options.keep_output)}"
        lines["leave_in_queue"] = f"JobStatus == 4 && StageOutFinish =?= undefined && {kept}"
    return lines


def _finishing(seconds: float | None) -> dict[str, str]:
    """Return the commands by which a removed job is asked to end, and killed `seconds` later."""
    if seconds is None:
        return {}
    return {
        "kill_sig": "SIGTERM",
        "want_graceful_removal": "true",
        "job_max_vacate_time": str(ceil(seconds)),
    }


def plain(path: Path) -> str:
    """Write a path so that no part of it is read as a macro."""
    return str(path).replace("$", "$(DOLLAR)")


def text(value: str) -> str:
    """Quote a string for a ClassAd."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@dataclass(kw_only=True)
class BatchSender:
    """One call of `submit`: the receipts so far, and the errors."""

    ce: str
    options: HTCondorOptions
    place: OutputFolder
    names: dict[str, str]
    receipts: list[Receipt] = field(default_factory=list)
    errors: list[BackendError] = field(default_factory=list)

    def send(self, orders: Sequence[Order], client: HTCondorClient) -> list[Receipt]:
        """Send orders; return the receipts, or raise the error if all batches had the same."""
        batches: dict[Alike, list[str]] = {}
        for order in orders:
            batches.setdefault(alike(order), []).append(order.stamp)
        with nothing_sent_yet(self.ce):
            self.place.prepare(order.stamp for order in orders)
            self.place.write_secrets({one.stamp: one.secret for one in orders if one.secret})
        for what, stamps in batches.items():
            if not self._send_batch(what, stamps, client):
                break
        return self._answer()

    def _send_batch(self, what: Alike, stamps: Sequence[str], client: HTCondorClient) -> bool:
        """Send the orders of one submission; return whether to go on with the next one."""
        if what.problem is not None:
            self.receipts += refused(stamps, Cause.REFUSED, what.problem)
            return True
        try:
            handles = self._submit(what, stamps, client)
        except (CredentialProblem, Refused) as error:
            self.errors.append(error)
            self.receipts += refused_by(stamps, error)
        except NotSent as error:
            self.errors.append(error)
            self.receipts += not_sent(stamps, error)
        except BackendError as error:
            # The outcome of these orders is unknown, and the next submission would fail, too.
            self.errors.append(error)
            return False
        else:
            self.receipts += [
                Receipt(stamp=stamp, handle=handle, raw="accepted")
                for stamp, handle in zip(stamps, handles, strict=False)
            ]
        return True

    def _submit(self, what: Alike, stamps: Sequence[str], client: HTCondorClient) -> list[str]:
        with self.place.program(program(what, self.ce, self.options)) as executable:
            handles = client.submit(
                description(
                    stamps,
                    what,
                    names=self.names,
                    options=self.options,
                    executable=executable,
                    folder=self.place.folder,
                )
            )
        if len(handles) > len(stamps):
            raise Unreadable(
                str(handles)[:2000], "condor_submit", "its answer names more jobs than were sent"
            )
        return handles

    def _answer(self) -> list[Receipt]:
        """Return the receipts; if every batch had the same error, raise it: it concerns the CE."""
        kinds = {(type(error), getattr(error, "cause", None)) for error in self.errors}
        is_sent = any(receipt.handle for receipt in self.receipts)
        if self.errors and not is_sent and len(kinds) == 1:
            raise self.errors[0]
        if self.errors and all(one.not_sent for one in self.receipts):
            raise gravest(self.errors)
        return self.receipts
