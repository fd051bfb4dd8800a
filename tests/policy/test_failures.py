"""Why a pilot failed, where the CE did not say."""

from datetime import datetime, timedelta

import pytest

from tests.factories import NOW
from worker.domain.pilot import Cause
from worker.policy.failures import FAST, cause_of

JUDGED = {
    "told": (Cause.OUT_OF_MEMORY, NOW - 2 * FAST, Cause.OUT_OF_MEMORY),
    "told_though_it_never_ran": (Cause.REMOVED, None, Cause.REMOVED),
    "never_started": (None, None, Cause.NEVER_STARTED),
    "nobody_knows_but_it_never_ran": (Cause.UNKNOWN, None, Cause.NEVER_STARTED),
    "soon": (None, NOW - FAST + timedelta(seconds=1), Cause.FAILED_FAST),
    "late": (None, NOW - FAST, Cause.FAILED_LATE),
    "nobody_knows_but_late": (Cause.UNKNOWN, NOW - 2 * FAST, Cause.FAILED_LATE),
    "before_it_started": (None, NOW + FAST, Cause.FAILED_FAST),
}


@pytest.mark.parametrize(("told", "started_at", "expected"), JUDGED.values(), ids=JUDGED)
def test_a_cause_is_what_the_ce_told_or_how_long_the_pilot_ran(
    told: Cause | None, started_at: datetime | None, expected: Cause
) -> None:
    assert cause_of(told, started_at, NOW) is expected
