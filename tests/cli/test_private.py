"""The state folder is closed to others whatever the umask is, or it is refused."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import Cli
from worker import wiring
from worker.embedded.children import alone
from worker.messaging.folder_broker import locked, replace

OF_OTHERS = 0o077


@pytest.fixture(params=[0o000, 0o002, 0o022])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.finding("M1")
@pytest.mark.usefixtures("umask")
def test_all_that_is_made_in_it_is_closed_to_others(cli: Cli, tmp_path: Path) -> None:
    home = tmp_path / "home"
    cli.ok("db", "setup")
    wiring.broker()
    replace(home / "broker" / "messages" / "1.plan.msg", {})
    with alone(home), locked(home / "broker" / "control" / "lock"):
        paths = [home, *home.rglob("*")]

    assert {"pilotage.sqlite", "1.plan.msg", "lock", "up.lock"} <= {path.name for path in paths}
    assert {path.name: oct(mode(path)) for path in paths if mode(path) & OF_OTHERS} == {}


@pytest.mark.usefixtures("umask")
def test_the_folders_above_it_cannot_be_changed_by_others(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PILOTAGE_HOME", str(tmp_path / "a" / "b" / "home"))
    cli.ok("db", "setup")

    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o755


@pytest.mark.finding("M1")
def test_one_that_others_may_read_is_closed(cli: Cli, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o755)
    cli.ok("db", "setup")

    assert mode(home) == 0o700


@pytest.mark.finding("M1")
@pytest.mark.parametrize("open_mode", [0o770, 0o777, 0o1777, 0o702])
def test_one_that_others_may_write_to_is_refused(cli: Cli, tmp_path: Path, open_mode: int) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(open_mode)

    for words in (("db", "setup"), ("status",), ("up",)):
        line = cli.refused(*words)
        assert f"others may write to the state folder {home}" in line
        assert "chmod 700" in line
    assert list(home.iterdir()) == []
