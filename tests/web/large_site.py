"""A site of many CEs and VOs, some in every kind of trouble, with a tick of each VO."""

from datetime import timedelta

from tests.factories import a_ce, a_pilot, a_vo
from tests.services.world import World
from worker.db import ces, health, mover, sending, vos
from worker.db.health import FailedCall
from worker.db.uow import Transaction
from worker.domain.ce import CE
from worker.domain.pilot import Cause, Move, Status
from worker.domain.sending import Sending
from worker.services.tasks import submit_pilots

HOLDS, DRAINS, SILENCES, PAUSES = 41, 53, 37, 29
"""One CE of this many is held, drained, silent or paused."""


def furnish_large(world: World, places: int = 500, users: int = 20) -> None:
    """Make the site, or add to it."""
    with world.database.uow() as tx:
        before = len(ces.names(tx))
        new_ces = [_ce(tx, number) for number in range(before, before + places)]
        for number in range(users):
            if _name(number) not in vos.names(tx):
                _add_vo(tx, number)
        for number, ce in enumerate(new_ces, before):
            _trouble(world, tx, number, ce)
    for number, ce in enumerate([ce for ce in new_ces if not ce.draining][::10]):
        _pilots(world, ce, number % users)
    for number in range(users):
        world.wait(seconds=1)
        submit_pilots.submit_pilots(world.runtime(), _name(number))


def _name(vo: int) -> str:
    return f"vo{vo:02}"


def _add_vo(tx: Transaction, number: int) -> None:
    a_vo().named(_name(number)).with_share(1 + number % 3).demanding(400).create(tx)


def _ce(tx: Transaction, number: int) -> CE:
    builder = a_ce().named(f"ce{number:03}.grid.example.org").with_capacity(100 + number)
    builder = builder.with_waiting_limit(10 + number % 7).tagged(f"tier{number % 3}", "eu")
    return (builder.draining() if number % DRAINS == 3 else builder).create(tx)


def _trouble(world: World, tx: Transaction, number: int, ce: CE) -> None:
    if number % HOLDS == 1:
        _send(world, tx, ce, Sending.HELD, "new disks")
    elif number % PAUSES == 4:
        _send(world, tx, ce, Sending.PAUSED, "7 failed starts in a row (limit 5)")
    elif number % SILENCES == 2:
        failure = FailedCall(error="squeue: timed out after 60 s", at=world.now())
        health.call_failed(tx, ce.name, failure, lambda times: world.now() + timedelta(minutes=5))


def _send(world: World, tx: Transaction, ce: CE, became: Sending, reason: str) -> None:
    change = sending.SendingChange(
        ce=ce.name,
        was=Sending.NORMAL,
        became=became,
        reason=reason,
        by_hand=became is Sending.HELD,
        at=world.now(),
    )
    sending.change(tx, change, reason, world.now())


def _pilots(world: World, ce: CE, vo: int) -> None:
    """Let some pilots run, some wait and one fail."""
    with world.database.uow() as tx:
        owner = vos.get(tx, _name(vo))
    new_pilots = world.make(a_pilot().on(ce).for_vo(owner).submitted(), 6)
    world.wait(seconds=30)
    moves = [Move(pilot_id=one.id, to=Status.RUNNING) for one in new_pilots[:4]]
    moves += [
        Move(pilot_id=new_pilots[4].id, to=Status.FAILED, cause=Cause.FAILED_FAST, raw="Exit 127")
    ]
    with world.database.uow() as tx:
        mover.move(tx, moves, world.now())
