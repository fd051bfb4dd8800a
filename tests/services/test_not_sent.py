"""If the request surely did not reach the CE, no pilot is in doubt: all are lost at once.

The drivers are real; their programs are missing, their hosts do not answer, or their folders cannot
be made. The slots are free again, and the CE says why.
"""

import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.factories import a_ce
from tests.services.world import Broken, Fake, World
from worker.backends import registry
from worker.db import health
from worker.domain.ce import CE
from worker.domain.errors import NotSent, Unavailable
from worker.domain.pilot import Status
from worker.policy.outcomes import PilotOutcome, events_of
from worker.services.tasks.dispatch import dispatch


def nobody_there() -> int:
    """Return a port of this host on which no process listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def no_condor(folder: Path) -> tuple[str, dict[str, Any], str]:
    programs = folder / "bin"
    return "htcondor", {"programs": str(programs)}, f"{programs}/condor_submit is not installed"


def condor_that_cannot_run(folder: Path) -> tuple[str, dict[str, Any], str]:
    (folder / "condor_submit").write_text("#!/no/such/interpreter\n")
    (folder / "condor_submit").chmod(stat.S_IRWXU)
    return "htcondor", {"programs": str(folder)}, "it cannot be started"


def no_room_for_condor(folder: Path) -> tuple[str, dict[str, Any], str]:
    (folder / "taken").write_text("x")
    return "htcondor", {"output_folder": str(folder / "taken" / "below")}, "Not a directory"


def no_slurm(folder: Path) -> tuple[str, dict[str, Any], str]:
    (folder / "bin").mkdir()
    return "slurm", {"programs": str(folder / "bin")}, "there is no such program in"


def no_ssh(folder: Path) -> tuple[str, dict[str, Any], str]:
    return "slurm", {"ssh": "login.invalid"}, "ssh is not installed on this host"


def no_login_node(folder: Path) -> tuple[str, dict[str, Any], str]:
    options = {"ssh": "127.0.0.1", "ssh_port": nobody_there(), "ssh_keep": 0}
    return "slurm", options, "Connection refused"


def local_elsewhere(folder: Path) -> tuple[str, dict[str, Any], str]:
    return "local", {"host": "another.example.org"}, "its processes are on host another"


SITES = {
    one.__name__: one
    for one in (
        no_condor,
        condor_that_cannot_run,
        no_room_for_condor,
        no_slurm,
        no_ssh,
        no_login_node,
        local_elsewhere,
    )
}


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_a_ce_that_was_not_asked_leaves_no_pilot_in_doubt(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    site: Callable[[Path], tuple[str, dict[str, Any], str]],
) -> None:
    name, values, why = site(tmp_path)
    if site is no_ssh:
        monkeypatch.setattr("worker.backends.shell.STANDARD_PATH", str(tmp_path))
        path = {"PATH": str(tmp_path)}
        monkeypatch.setattr("worker.backends.slurm.reach.clean_environment", lambda: path)
    backend = registry.discover()[name]
    options = registry.check_options(registry.discover(), name, values)
    ce = world.ce(a_ce().with_capacity(3))
    world.reserve(ce, 3)

    def connect(ce: CE, _: Any, means: Any) -> Any:
        return backend.driver(ce, options, means)

    result = dispatch(world.with_driver(Fake(connect)), ce.name)

    assert result.counts == {"not sent": 3}
    assert {(one.status, one.raw) for one in world.pilots()} == {(Status.LOST, "not sent")}
    assert all(why in str(one.reason) for one in world.pilots())
    with world.database.uow() as tx:
        record = health.get(tx, ce.name)
    assert record.failed_calls == 1
    assert why in str(record.last_error)
    assert len(world.reserve(ce, 3)) == 3, "the slots are free"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotSent("condor_submit is not installed on this host"), Status.LOST),
        (Unavailable("condor_submit", "no answer within 60 s"), Status.SUBMITTING),
    ],
)
def test_only_a_ce_that_surely_was_not_asked_decides(
    world: World, error: Unavailable, status: Status
) -> None:
    ce = world.ce()
    world.reserve(ce, 2)

    dispatch(world.with_driver(Broken(error)), ce.name)

    assert {one.status for one in world.pilots()} == {status}


def test_what_was_not_sent_counts_neither_for_nor_against_its_ce(world: World) -> None:
    ce = world.ce()
    world.reserve(ce, 1)
    dispatch(world.with_driver(Broken(NotSent("x"))), ce.name)
    [pilot] = world.pilots()
    step = PilotOutcome(
        Status.SUBMITTING, Status.LOST, None, world.clock, pilot.status, None, None, None
    )

    assert events_of(step._replace(raw=pilot.raw)) == ()
    assert events_of(step) != ()
