"""Metrics cost the same for any number of CEs."""

from tests.expectations import statements
from tests.factories import a_ce, a_pilot
from tests.services.world import World
from worker.services.observe.metrics import metrics


def test_many_ces_take_as_many_statements_as_one(world: World) -> None:
    told = []
    for count in (1, 20):
        with world.database.uow() as tx:
            for n in range(count):
                a_pilot().running().on(a_ce().named(f"ce{count}of{n}").create(tx)).create(tx)
        with statements(world.database.engine) as seen:
            assert f'ce="ce{count}of{count - 1}",status="running"}} 1.0' in metrics(world.runtime())
        told.append(len(seen))
    assert told[0] == told[1] <= 8
