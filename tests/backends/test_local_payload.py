"""The back-end local runs the script of an order with its arguments."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.backends.local_world import World
from worker.db.database import Database
from worker.domain.ce_answers import Job, Order
from worker.domain.pilot import Cause, Status

HOSTILE = ["$(echo broken)", "`id`", "'; exit 9; '", '"', "a b", "", "-n", "*", "é", "\\"]


STAMP = uuid4().hex
"""Unlike that of other processes: a world kills what has a stamp of its own when it ends."""


@pytest.fixture
def world(tmp_path: Path, sqlite_database: Database) -> Iterator[World]:
    world = World(tmp_path / "with a space", sqlite_database.uow)
    yield world
    world.end()


def run_pilot(world: World, **order: object) -> tuple[str, int | None, str]:
    """Run one pilot to its end; return its status, exit code and output."""
    one = Order(stamp=STAMP, vo="lhcb", **order)  # type: ignore[arg-type]
    [receipt] = world.connect().submit([one])
    job = Job(stamp=receipt.stamp, handle=str(receipt.handle))
    observation = world.until_final(job)
    return str(observation.status), observation.exit_code, world.connect().output(job).text


def test_a_script_without_a_program_is_for_the_shell(world: World) -> None:
    result = run_pilot(world, script='printf "<%s>" "$@"; exit 3', arguments=HOSTILE)

    assert result == ("failed", 3, "".join(f"<{word}>" for word in HOSTILE))


def test_a_script_that_names_its_program_is_run_by_it(world: World) -> None:
    script = "#!/usr/bin/env python3\nimport sys\nprint(*sys.argv[1:])\n"

    assert run_pilot(world, script=script, arguments=("a", "b c")) == ("done", 0, "a b c\n")


def test_a_pilot_is_told_who_it_is(world: World) -> None:
    script = 'echo "$PILOTAGE_STAMP $PILOTAGE_VO"; cd /; cat "$0" | wc -l; ls -l "$0" | cut -c 1-10'

    assert run_pilot(world, script=script) == (
        "done",
        0,
        f"{STAMP} lhcb\n0\n-rwx------\n",
    )


def test_a_program_that_is_not_there_is_named(world: World) -> None:
    status, code, output = run_pilot(world, script="#!/no/such/program\n")

    assert (status, code) == ("failed", 127)
    assert "cannot be started" in output


def test_pilots_of_several_vos_run_what_is_theirs(world: World) -> None:
    scripts = ["echo one", None, "echo two", "echo one"]
    orders = [
        Order(stamp=f"{number:032x}", vo=f"vo{number}", script=script)
        for number, script in enumerate(scripts)
    ]
    driver = world.connect(command="echo from the options")
    jobs = [Job(stamp=one.stamp, handle=str(one.handle)) for one in driver.submit(orders)]
    for job in jobs:
        assert world.until_final(job).status is Status.DONE

    outputs = [driver.output(job).text for job in sorted(jobs, key=lambda job: job.stamp)]
    assert outputs == ["one\n", "from the options\n", "two\n", "one\n"]


@pytest.mark.parametrize("order", [{"arguments": ("a\0b",)}, {"script": "\ud800"}])
def test_what_no_process_can_be_given_is_refused(world: World, order: dict[str, object]) -> None:
    bad = Order(stamp=uuid4().hex, vo="lhcb", **order)  # type: ignore[arg-type]
    good = Order(stamp=uuid4().hex, vo="lhcb")
    receipts = {one.stamp: one for one in world.connect().submit([bad, good])}

    assert receipts[bad.stamp].refused is Cause.REFUSED
    assert receipts[good.stamp].refused is None
