"""Whatever the pilots of one VO report, no number of a CE or of another VO changes."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.databases import Sqlite
from tests.factories import a_ce, a_pilot, a_vo
from tests.services.world import Fake, World
from worker.db import health, sending, slots, vos, work
from worker.db import payloads as stored
from worker.domain.ce_answers import Job, Observed
from worker.domain.pilot import Pilot, Status
from worker.domain.pilot_report import PilotState
from worker.domain.sending import Sending
from worker.domain.vo import DEFAULT_VO
from worker.services.pilot_reports import note
from worker.services.tasks import learn, sweep

LIARS, HONEST = "liars", DEFAULT_VO
SWALLOWS, WELL = "lyon", "bari"
AT_EACH = 12
LIFE = {SWALLOWS: timedelta(seconds=2), WELL: timedelta(minutes=15)}
BEGAN = timedelta(minutes=20)

Word = tuple[PilotState, int | None]
WORDS = st.lists(
    st.tuples(st.sampled_from(PilotState), st.none() | st.integers(0, 9)),
    min_size=2 * AT_EACH,
    max_size=2 * AT_EACH,
)
numbers = count(1)


class EndsWell(Fake):
    """A CE whose pilots all began twenty minutes ago and ended well after equal times."""

    def __init__(self, world: World, life: timedelta) -> None:
        super().__init__()
        self.world, self.life = world, life

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        began = self.world.now() - BEGAN
        return [
            Observed(
                stamp=job.stamp,
                handle=job.handle,
                status=Status.DONE,
                exit_code=0,
                started_at=began,
                ended_at=began + self.life,
            )
            for job in jobs
        ]


def facts_after(world: World, words: Sequence[Word]) -> dict[str, Any]:
    """Let pilots of two VOs end at two CEs, where the pilots of one VO report these words."""
    liars = world.vo(a_vo().named(LIARS))
    for vo in (LIARS, HONEST):
        payload = {"script": "exit 0", "reports": True, "useful_after": 300}
        world.change(lambda tx, vo=vo, payload=payload: stored.put(tx, vo, payload))  # type: ignore[misc]
    world.change(lambda tx: vos.change(tx, LIARS, idle_at_most=timedelta(minutes=1), demand=0))
    ces = [world.ce(a_ce().named(name).with_capacity(100)) for name in LIFE]
    lying: list[Pilot] = []
    for ce in ces:
        world.make(a_pilot().on(ce).submitted(), AT_EACH)
        lying += world.make(a_pilot().on(ce).submitted().for_vo(liars), AT_EACH)
    world.wait(minutes=30)
    for pilot, (state, payloads) in zip(lying, words, strict=False):
        note(world.runtime(), pilot.stamp, state=state, payloads=payloads)
    sweep.sweep(world.runtime())
    for ce in ces:
        world.check(ce, world.with_driver(EndsWell(world, LIFE[ce.name]), by_hand=True))
    learn.learn(world.runtime())
    honest = [one for one in world.pilots() if one.vo == HONEST]
    with world.database.uow() as tx:
        return {
            "CEs": health.get_all(tx),
            "pauses": [sending.find(tx, name).items for name in LIFE],
            "work": work.get_all(tx)[HONEST],
            "slots": [slots.slots_of(tx, name) for name in LIFE],
            "pilots": [(one.ce, one.status, one.use, one.cause) for one in honest],
        }


@pytest.mark.slow
@given(WORDS)
@settings(max_examples=15, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
def test_no_word_of_a_pilot_changes_what_is_learnt_of_a_ce_or_of_another_vo(
    sqlite_template: Sqlite, tmp_path: Path, words: list[Word]
) -> None:
    after = []
    for some in ([], words):
        with sqlite_template.file(tmp_path / f"{next(numbers)}.sqlite") as database:
            after.append(facts_after(World(database, tmp_path), some))
    silent, lied_to = after
    assert silent["CEs"][SWALLOWS].sending is Sending.PAUSED
    assert lied_to == silent
