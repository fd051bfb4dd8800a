"""A script that must run twenty times: twenty runs end well, and then no worker is left."""

import os
import signal
from pathlib import Path

import pytest

from tests.patience import until
from tests.recipes.fleet import Fleet
from tests.secrets import write

pytestmark = pytest.mark.processes
QUICK = {"check_soonest": 0.2, "check_latest": 1}
RUNS = 20

SCRIPT = """#!/bin/sh
cd '{folder}' || exit 70
echo $$ >"$PILOTAGE_STAMP.begun"
# The first runs fail. Only one run can make a folder.
for number in 1 2 3; do
  if [ "$number" != 2 ] && mkdir "failed.$number" 2>/dev/null; then exit 3; fi
  if [ "$number" = 2 ] && mkdir held 2>/dev/null; then
    echo $$ >held/pid.new && mv held/pid.new held/pid
    exec sleep 100000
  fi
done
sleep 0.5
: >"$PILOTAGE_STAMP.done"
"""


def count_files(folder: Path, kind: str) -> int:
    return len(list(folder.glob(f"*.{kind}")))


def under_way(fleet: Fleet) -> int:
    words = ("reserved", "submitting", "submitted", "running")
    return len(fleet.pilots(*(word for status in words for word in ("--status", status))))


def begin(fleet: Fleet, folder: Path, script: str, **answers: object) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    fleet.settings["PILOTAGE_TIME_LIMIT"] = "30"
    fleet.init(
        "times",
        {"here": {"backend": "local", "capacity": 4, **QUICK}},
        runs=RUNS,
        **answers,
    )
    write(fleet.folder / "run.sh", script.format(folder=folder))
    fleet.apply()
    fleet.up()


@pytest.mark.long
def test_so_many_runs_end_well_though_some_fail_and_others_are_killed(
    fleet: Fleet, tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    begin(fleet, folder, SCRIPT, failures=RUNS)
    pid = folder / "held" / "pid"
    until(pid.exists, "the run that the test kills", progress=fleet.processes.progress)
    os.kill(int(pid.read_text()), signal.SIGKILL)
    assert fleet.kill_workers_of_pilotage()
    line = f"VO times: {RUNS} of {RUNS} done, 3 failed: all are done"
    until(
        lambda: line in fleet.pilotage("status"), "the last run", progress=fleet.processes.progress
    )

    before = len(fleet.pilots())
    assert not under_way(fleet)
    assert count_files(folder, "done") == RUNS
    assert count_files(folder, "begun") == RUNS + 3
    ends = sorted((one["status"], one["use"] or one["cause"]) for one in fleet.pilots())
    assert ends[:RUNS] == [("done", "useful")] * RUNS
    assert [status for status, _ in ends[RUNS:]] == ["failed"] * 3
    fleet.pilotage("task", "run", "submit_pilots", "--vo", "times")
    assert len(fleet.pilots()) == before


def test_a_script_that_always_fails_is_given_up(fleet: Fleet, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    begin(fleet, folder, "#!/bin/sh\nexit 3 # {folder}\n", failures=3, most=2)
    until(
        lambda: "given up" in fleet.pilotage("status") and not under_way(fleet),
        "the batch to be given up",
        progress=fleet.processes.progress,
    )
    before = len(fleet.pilots())
    assert 3 <= before <= 4
    fleet.pilotage("task", "run", "submit_pilots", "--vo", "times")
    assert len(fleet.pilots()) == before
