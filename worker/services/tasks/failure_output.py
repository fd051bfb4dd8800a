"""The output of failed pilots: some of it is fetched at each check, while the CE still has it.

It is fetched after the record of a check, in the same turn, and for no more pilots than the
settings allow: a sample, so that not every pilot costs a query. It may show why a pilot failed if
its CE did not report a cause.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence

from worker.db import mover, outputs
from worker.domain.ce_answers import Job, Observed
from worker.domain.errors import BackendError
from worker.domain.pilot import Cause, Move, PilotToCheck, Status
from worker.policy.failures import refined
from worker.services.ce_calls import CECall

log = logging.getLogger(__name__)

ENOUGH = 20.0
"""Seconds after which no further output is fetched."""


def is_wanted(call: CECall, moves: Iterable[Move]) -> bool:
    """Return whether the output of some of these pilots is to be fetched."""
    limit = call.runtime.keep_failed_output
    return limit > 0 and any(move.to is Status.FAILED for move in moves)


def keep(call: CECall, failed: Sequence[PilotToCheck], answers: Iterable[Observed]) -> None:
    """Keep the output of some of the failed pilots, and derive from it why they failed."""
    if call.is_over:
        return
    texts = _fetch(call, failed)
    if not texts:
        return
    causes = {answer.stamp: answer.cause for answer in answers}
    stamps = {pilot.id: pilot.stamp for pilot in failed}
    with call.runtime.database.uow() as tx:
        recorded = mover.causes(tx, texts)
        mover.refine(tx, _refined(recorded, texts, stamps, causes))
        outputs.keep(tx, texts, call.runtime.now())
        call.give_back(tx)


def _refined(
    recorded: Mapping[int, Cause],
    texts: Mapping[int, str],
    stamps: Mapping[int, str],
    causes: Mapping[str, Cause | None],
) -> dict[int, Cause]:
    """Return the causes that are more precise than the recorded ones, according to the outputs."""
    closer = {
        number: refined(cause, causes.get(stamps[number]), texts[number])
        for number, cause in recorded.items()
    }
    return {number: cause for number, cause in closer.items() if cause is not recorded[number]}


def _fetch(call: CECall, failed: Sequence[PilotToCheck]) -> dict[int, str]:
    """Return the output of some pilots, by their ids."""
    began = time.monotonic()
    texts = {}
    for pilot in failed[: call.runtime.keep_failed_output]:
        if pilot.handle is None or time.monotonic() - began > ENOUGH:
            continue
        try:
            output = call.driver.output(Job.of(pilot))
        except BackendError as error:
            of = {"pilot": pilot.id, "stamp": pilot.stamp}
            log.info("the output of pilot %d was not kept: %s", pilot.id, error, extra=of)
            break  # after a failure the CE is not called again
        if output.text.strip():
            texts[pilot.id] = output.text
    return texts
