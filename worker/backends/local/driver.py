"""The driver of the back-end local: pilots are processes of this host."""

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from worker.backends.contract import Means
from worker.backends.identities import nothing_sent_yet
from worker.backends.local import output
from worker.backends.local.keeper.pilot import Start, Submission
from worker.backends.local.look import Folder
from worker.backends.local.memory import CEFolder
from worker.backends.local.options import LocalOptions, check_word
from worker.backends.local.processes import STAMP_VARIABLE, Remains
from worker.backends.local.submit import is_launching, launch, patience
from worker.backends.option_types import URL_VARIABLE, argv, check_text
from worker.backends.shell import clean_environment
from worker.domain.ce import CE
from worker.domain.ce_answers import Cancelled, Job, Listing, Observed, Order, Output, Receipt
from worker.domain.errors import Unavailable
from worker.domain.pilot import Cause, is_stamp

_NO_ROOM = frozenset({errno.EAGAIN, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EMLINK})
"""Errors which mean that the host is full, not that it is broken."""


class LocalDriver:
    """The driver of one CE."""

    def __init__(self, ce: CE, options: LocalOptions, means: Means) -> None:
        self.ce = ce
        self.options = options
        self.means = means
        self.place = CEFolder(ce.name, options, means)

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        """Start a keeper for each pilot; a stamp that was started before is not started again."""
        with nothing_sent_yet(self.ce.name):
            place = self.place.claim()
        with self._reaching():
            refused_orders = {order.stamp: word for order in orders if (word := _problem(order))}
            valid = [order for order in orders if order.stamp not in refused_orders]
            # A script that many pilots run is sent to the launcher once.
            scripts = [*dict.fromkeys(order.script for order in valid if order.script is not None)]
            numbers = {script: number for number, script in enumerate(scripts)}
            starts = [self._start(order, numbers) for order in valid]
            submission = self._submission(place, scripts, len(starts))
            answers = launch(self.ce.name, submission, starts) if starts else []
        refused = [
            Receipt(stamp=stamp, refused=Cause.REFUSED, raw="order", reason=word)
            for stamp, word in refused_orders.items()
        ]
        return [*refused, *map(_receipt, answers)]

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """Read the folder of each pilot."""
        with self._reaching():
            place = self.place.reach()
            remains = Remains()
            answers = [_look(place / job.stamp, remains) for job in jobs]
        return [self._here(job) for job in answers]

    def find(self) -> Listing:
        """Read every folder of the CE."""
        with self._reaching():
            as_of = self.means.now()
            place = self.place.reach()
            # Checked before the folders are listed: if no launcher is at work now, every pilot that
            # was sent earlier has its folder.
            complete = not is_launching(place)
            remains = Remains()
            answers = [_look(path, remains) for path in _folders(place)]
            jobs = [job._replace(ce=self.ce.name) for job in answers if not job.absent]
        return Listing(jobs=[self._here(job) for job in jobs], complete=complete, as_of=as_of)

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Cancelled]:
        """Ask the keepers to end their pilots.

        The keepers wait for the grace of their pilots; this call does not.
        """
        with self._reaching():
            place = self.place.reach()
            remains = Remains()
            problems = [_cancel(place / job.stamp, remains) for job in jobs]
        return [
            Cancelled(stamp=job.stamp, accepted=problem is None, reason=problem)
            for job, problem in zip(jobs, problems, strict=True)
        ]

    def output(self, job: Job) -> Output:
        """Read what a pilot wrote to its standard output and error."""
        with self._reaching():
            return output.read(self.place.reach() / job.stamp)

    def tidy(self) -> None:
        """End processes whose keeper is gone, and remove folders that were kept long enough."""
        with self._reaching():
            place, now, remains = self.place.reach(), self.means.now(), Remains()
            for path in _folders(place):
                with suppress(PermissionError):
                    is_over = Folder(path).tidy(remains)
                    if is_over and output.is_over(path, now, self.options.keep_output):
                        output.remove(path)
            output.empty_trash(place)

    def hello(self) -> str:
        """Check that the folder of the CE can be used here, and return the host and the folder."""
        with self._reaching():
            place = self.place.reach()
        return f"processes of this host, {os.uname().nodename}, in {place}"

    def _here(self, answer: Observed) -> Observed:
        """Add the name of this host to a pilot that runs, or ran."""
        return answer if answer.started_at is None else answer._replace(node=self.place.host)

    def _submission(self, place: Path, scripts: Sequence[str], orders: int) -> Submission:
        return Submission(
            place=str(place),
            host=self.place.host,
            command=argv(self.options.command),
            grace=self.options.grace,
            nice=self.options.nice,
            walltime=self.options.walltime,
            memory=self.options.memory,
            file_size=self.options.file_size,
            patience=patience(orders),
            scripts=scripts,
        )

    def _start(self, order: Order, scripts: Mapping[str, int]) -> Start:
        environment = {
            **clean_environment(),
            "LANG": "C.UTF-8",
            **self.options.environment,
            "PILOTAGE_VO": order.vo,
            "PILOTAGE_CE": self.ce.name,
            STAMP_VARIABLE: order.stamp,
            **({} if order.url is None else {URL_VARIABLE: order.url}),
        }
        return Start(
            stamp=order.stamp,
            vo=order.vo,
            environment=environment,
            script=None if order.script is None else scripts[order.script],
            arguments=list(order.arguments),
            secret=order.secret,
            grace=order.grace,
        )

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Turn an error of the file system into `Unavailable`.

        It is an error of the CE and says nothing about any pilot.
        """
        try:
            yield
        except OSError as error:
            raise Unavailable(self.ce.name, str(error)) from error


def _look(path: Path, remains: Remains) -> Observed:
    """Read one folder. A pilot may have changed the mode of its own so that it cannot be read."""
    try:
        return Folder(path).look(remains)
    except PermissionError as error:
        reason = f"its folder cannot be read: {error.strerror}"
        return Observed(stamp=path.name, handle=path.name, raw="unreadable", reason=reason)


def _cancel(path: Path, remains: Remains) -> str | None:
    try:
        return Folder(path).cancel(remains)
    except PermissionError as error:
        return f"its folder cannot be read: {error.strerror}"


def _problem(order: Order) -> str | None:
    try:
        check_text(order.script or "")
        for word in order.arguments:
            check_word(word)
    except ValueError as error:
        return str(error)
    return None


def _receipt(answer: Mapping[str, Any]) -> Receipt:
    stamp, number, error = answer["stamp"], answer["errno"], answer["error"]
    if number is None:
        return Receipt(stamp=stamp, handle=stamp, raw="accepted")
    if number == errno.EEXIST:
        return Receipt(stamp=stamp, handle=stamp, raw="exists", reason=error)
    cause = Cause.QUOTA if number in _NO_ROOM else Cause.REFUSED
    return Receipt(stamp=stamp, refused=cause, raw=errno.errorcode.get(number), reason=error)


def _folders(place: Path) -> Iterator[Path]:
    """Return the folders whose names are stamps; anything else in this place is not ours."""
    try:
        entries = list(os.scandir(place))
    except FileNotFoundError:
        return
    for entry in entries:
        if is_stamp(entry.name) and entry.is_dir(follow_symlinks=False):
            yield Path(entry.path)
