"""Keeping what failed pilots wrote: a few of each check, while the CE still has it.

It is fetched between the call and the record of a check, by the same right to call the CE, and
never for more pilots than the settings say: what is kept is a sample, and costs no query a pilot.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from worker.backends.guard import Guard
from worker.domain.ce_answers import Job, Observed
from worker.domain.errors import BackendError
from worker.domain.pilot import Move, Pilot, Status
from worker.policy.failures import refined
from worker.services.runtime import Runtime

log = logging.getLogger(__name__)

ENOUGH = 20.0
"""Seconds after which no further output is fetched."""


def fetch(
    runtime: Runtime, driver: Guard, asked: Sequence[Pilot], moves: Sequence[Move]
) -> dict[int, str]:
    """Fetch what some of the pilots wrote that are about to fail, by their ids."""
    failed = {move.pilot_id for move in moves if move.to is Status.FAILED}
    chosen = [pilot for pilot in asked if pilot.id in failed][: runtime.keep_failed_output]
    began = time.monotonic()
    texts = {}
    for pilot in chosen:
        if pilot.handle is None or time.monotonic() - began > ENOUGH:
            continue
        try:
            found = driver.output(Job(stamp=pilot.stamp, handle=pilot.handle, vo=pilot.vo))
        except BackendError as error:
            log.info("the output of pilot %d was not kept: %s", pilot.id, error)
            break  # a CE that fails once is not asked again and again
        if found.text.strip():
            texts[pilot.id] = found.text
    return texts


def judged(
    asked: Sequence[Pilot],
    observed: Sequence[Observed],
    moves: Sequence[Move],
    texts: Mapping[int, str],
) -> list[Move]:
    """Read why pilots failed from what they wrote, where their CE did not say."""
    stamps = {pilot.id: pilot.stamp for pilot in asked}
    told = {answer.stamp: answer.cause for answer in observed}
    return [
        replace(
            move, cause=refined(move.cause, told.get(stamps[move.pilot_id]), texts[move.pilot_id])
        )
        if move.pilot_id in texts and move.cause is not None
        else move
        for move in moves
    ]
