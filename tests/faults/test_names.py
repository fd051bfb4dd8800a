"""The name of a host stops resolving while processes use it."""

import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.conftest import processes as processes
from tests.acceptance.processes import CELERY, Processes, settings_of
from tests.chaos.conftest import Make
from tests.chaos.ending import begin
from tests.chaos.world import World
from tests.expectations import refused
from tests.faults.trial import ends_well, says, site, works_again
from worker.demand import http
from worker.domain.errors import DemandUnknown

NAME = "pilotage-servers.invalid"
"""No name server knows this name."""
WITHIN = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"')
"""The command that runs a program with its own file of hosts."""


def problem(hosts: Path) -> str:
    """Say why no program can have its own file of hosts; empty if one can."""
    if shutil.which("unshare") is None:
        return "needs the program unshare"
    result = subprocess.run([*WITHIN, str(hosts), "true"], check=False, capture_output=True)
    return "needs the right to mount" if result.returncode else ""


def with_names(world: World, hosts: Path) -> None:
    """Let every process use a name for the servers, which a file of hosts resolves."""
    settings = world.fleet.told
    world.fleet.told = {key: text.replace("127.0.0.1", NAME) for key, text in settings.items()}
    for member in world.fleet.members:
        member.words = [*WITHIN, str(hosts), *member.words]


@pytest.mark.postgresql
def test_a_name_that_stops_resolving_is_named_and_used_again(make: Make) -> None:
    world = site(make)
    hosts = world.home.parent / "hosts"
    with_name, without_name = f"127.0.0.1 localhost {NAME}\n", "127.0.0.1 localhost\n"
    hosts.write_text(with_name)
    if why := problem(hosts):
        pytest.skip(why)
    with_names(world, hosts)
    begin(world)
    hosts.write_text(without_name)
    # A process notices the fault only when its connection is cut.
    world.redis.stop(signal.SIGTERM)
    world.postgresql.stop(signal.SIGINT)
    world.postgresql.start()
    world.redis.start()
    says(world, f"no tick: The database cannot be reached: postgresql://postgres:***@{NAME}")
    says(world, "Name or service not known")
    hosts.write_text(with_name)

    works_again(world)
    ends_well(world)


@pytest.mark.parametrize("what", ["worker", "beat"])
def test_a_database_whose_name_never_resolves_is_named_in_one_line_at_the_start(
    processes: Processes, what: str
) -> None:
    url = f"postgresql://pilotage:not-to-be-seen@{NAME}:5432/pilotage"
    settings = settings_of({"database_url": url, "home": str(processes.folder / "home")})
    result = processes.run([*CELERY, what], settings)

    [line] = [line for line in result.stderr.splitlines() if line.startswith("pilotage: ")]
    assert result.returncode == 1
    assert f"The database cannot be reached: postgresql://pilotage:***@{NAME}" in line
    assert "Traceback" not in result.stderr + result.stdout
    assert "not-to-be-seen" not in result.stderr + result.stdout


def test_a_demand_source_whose_name_does_not_resolve_is_named_in_one_line() -> None:
    with refused(DemandUnknown, NAME):
        http.ask("lhcb", http.HttpOptions(url=f"http://{NAME}/waiting?key=hush-hush"))
