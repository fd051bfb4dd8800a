"""`pilotage ce calls`: how the calls to a CE went, and how long they took."""

from tests.cli.command import Cli
from tests.factories import a_ce
from worker.db import call_tallies
from worker.db.clock import Clock
from worker.db.database import Database
from worker.domain.call_tally import Call, CallKind, CallOutcome


def test_calls_are_summed_up_by_kind_and_outcome(cli: Cli, world: Database) -> None:
    success, timeout = (
        Call(CallKind.POLL, CallOutcome.ANSWERED, 0.02),
        Call(CallKind.POLL, CallOutcome.UNAVAILABLE, 25.0),
    )
    with world.uow() as tx:
        a_ce().named("lyon").create(tx)
        call_tallies.add(tx, "lyon", [success] * 19 + [timeout], Clock(world.engine).now())

    head, *lines = cli.ok("ce", "calls", "lyon").lines
    [poll, failures] = cli.json("ce", "calls", "lyon")["items"]

    assert " ".join(head.split()) == "kind outcome calls mean s half within s 90 % within s"
    assert [line.split()[:3] for line in lines] == [
        ["poll", "answered", "19"],
        ["poll", "unavailable", "1"],
    ]
    assert (poll["half_within"], poll["most_within"]) == (0.03, 0.03)
    assert (failures["calls"], failures["mean_seconds"], failures["half_within"]) == (1, 25.0, 30.0)


def test_without_a_call_it_says_so(cli: Cli, world: Database) -> None:
    with world.uow() as tx:
        a_ce().named("lyon").create(tx)

    assert cli.ok("ce", "calls", "lyon").out.startswith("CE lyon was not called since 20")
