"""A worker and a scheduler run on each of two hosts; the cable between them is pulled."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance import site
from tests.acceptance.hosts import Hosts, Servers, servers_on_the_first, two_hosts
from tests.acceptance.processes import Processes, ended, holds_for
from tests.integration.test_concurrency import observing, replay
from tests.patience import until
from tests.session import PLAN
from worker.db import pilot_reads, vos
from worker.db.database import Database
from worker.domain.pilot import FINAL, Status

CUT = 20.0


@pytest.fixture
def hosts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Hosts, Servers]]:
    """Two hosts, with PostgreSQL and Redis on the first."""
    plan = request.config.stash[PLAN]
    with ExitStack() as stack:
        try:
            pair = stack.enter_context(two_hosts())
            servers = stack.enter_context(servers_on_the_first(pair, Path(plan.folder), tmp_path))
        except LookupError as problem:
            say = pytest.fail if plan.required else pytest.skip
            say(f"needs two network namespaces, PostgreSQL and Redis: {problem}")
        yield pair, servers


def active(database: Database) -> int:
    with database.uow() as tx:
        return pilot_reads.count_active(tx)


@pytest.mark.slow
def test_while_a_host_is_cut_off_the_other_goes_on_and_then_both_do(
    hosts: tuple[Hosts, Servers], processes: Processes
) -> None:
    pair, servers = hosts
    database = servers.database
    site.build(database)
    settings = site.settings(processes, servers.database_url, servers.broker_url)
    with observing(database) as observations:
        members = []
        for name, namespace in (("near", pair.first), ("far", pair.second)):
            on = pair.on(namespace)
            members.append(processes.start(name, site.worker(name), settings, within=on))
            members.append(processes.start(f"{name}-beat", site.beat(), settings, within=on))

        def work(name: str) -> int:
            return site.executions(processes, name).total()

        until(lambda: work("near") > 50 and work("far") > 50, progress=processes.progress)
        until(lambda: site.statuses(database).get(Status.DONE, 0) > 20, progress=processes.progress)

        pair.set_link("down")
        near, far, steps = work("near"), work("far"), site.count_transitions(database)
        holds_for(CUT, lambda: all(one.poll() is None for one in members))
        until(lambda: work("near") > near + 5, progress=processes.progress)
        until(lambda: site.count_transitions(database) > steps + 5, progress=processes.progress)
        assert work("far") <= far + 20
        pair.set_link("up")

        far = work("far")
        until(lambda: work("far") > far + 50, progress=processes.progress)
        with database.uow() as tx:
            for name in vos.names(tx):
                vos.change(tx, name, enabled=False)
        until(lambda: active(database) == 0, progress=processes.progress)
        for one in reversed(members):
            one.terminate()
        assert [ended(one) for one in members] == [0] * 4

    assert [problems for problems in observations if problems] == []
    assert replay(database) == []
    assert len(observations) > 20
    assert site.twice_or_never(database) == []
    statuses = site.statuses(database)
    assert set(statuses) <= FINAL
    assert statuses.get(Status.LOST, 0) == 0
