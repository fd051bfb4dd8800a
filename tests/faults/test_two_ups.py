"""A second `pilotage up` in one state folder prints one line and harms nothing."""

import signal
from pathlib import Path

from tests.acceptance.conftest import processes as processes
from tests.acceptance.processes import PILOTAGE, Processes, ended, one_line, settings_of
from tests.acceptance.test_embedded import State, child
from tests.patience import until


def test_the_second_names_the_first_and_harms_nothing(processes: Processes, tmp_path: Path) -> None:
    settings = settings_of({"home": str(tmp_path / "home")})
    first = processes.start("up", [*PILOTAGE, "up"], settings)
    home = State(tmp_path / "home")
    until(lambda: child(processes, "beat") and child(processes, "worker"))
    children = set(processes.left())

    one_line(processes.run([*PILOTAGE, "up"], settings), "already up", f"pid {first.pid} since ")

    assert children <= set(processes.left())
    assert (home.home / "broker" / "messages").is_dir()
    first.send_signal(signal.SIGTERM)
    assert ended(first) == 0
    home.database.close()
