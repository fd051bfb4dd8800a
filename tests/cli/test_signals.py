"""Ctrl-C and SIGTERM in every command that waits: one line, its exit code, and no process left."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.acceptance.processes import Processes, ended, settings_of
from tests.cli.command import Cli, address
from tests.cli.test_tree import LEAVES
from tests.factories import a_pilot
from tests.patience import PATIENCE, until
from worker.backends.local.keeper.process import start_ticks
from worker.db import ces, credentials
from worker.db.database import Database
from worker.db.tables import leases
from worker.domain.credential import Credential, CredentialKind

SIGNALS = {
    signal.SIGINT: (130, "pilotage: interrupted"),
    signal.SIGTERM: (143, "pilotage: ended by SIGTERM"),
}
AT_A_CE = {
    ("ce", "test"): ("slow",),
    ("ce", "diff"): ("slow",),
    ("pilot", "cancel"): ("1", "--yes"),
    ("task", "run", "dispatch"): ("--ce", "slow"),
    ("task", "run", "check_pilots"): ("--ce", "slow"),
    ("task", "run", "reconcile"): ("--ce", "slow"),
}
AT_A_PROGRAM = {
    ("vo", "ask"): ("default",),
    ("task", "run", "ask_demand"): ("--vo", "default"),
    ("credential", "renew"): ("default", "slurm"),
    ("task", "run", "renew_credentials"): (),
}
WAITING = {**AT_A_CE, **AT_A_PROGRAM}
PROGRAMS = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "asked", "renew")


@pytest.fixture
def slow(
    sqlite_database: Database, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Make a CE, a demand source and a credential whose programs do not end."""
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", address(sqlite_database.url))
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).write_text(f"#!/bin/sh\necho $$ >>{folder}/begun\nsleep 1000\n")
        (folder / name).chmod(stat.S_IRWXU)
    options = [f"programs={folder}", "array_size=10"]
    cli.ok(
        "ce", "add", "slow", "--backend", "slurm", "--capacity", "9",
        *(word for one in options for word in ("--option", one)),
    )  # fmt: skip
    command = json.dumps([f"{folder}/asked"])
    cli.ok("vo", "set", "default", "--source", "kind=command", "--source", f"command={command}")
    with sqlite_database.uow() as tx:
        ce = ces.get(tx, "slow")
        a_pilot().on(ce).with_handle("7_0").submitted().create(tx)
        a_pilot().on(ce).reserved().create(tx)
        credentials.add(
            tx,
            Credential(
                vo="default",
                backend="slurm",
                kind=CredentialKind.KEY,
                path=str(tmp_path / "key"),
                renew=(f"{folder}/renew",),
            ),
        )
    return folder


@pytest.mark.finding("M5")
@pytest.mark.processes
@pytest.mark.parametrize("number", SIGNALS, ids=[one.name for one in SIGNALS])
@pytest.mark.parametrize("path", WAITING, ids=map(" ".join, WAITING))
def test_m5_a_command_that_waits_ends_with_one_line_and_leaves_nothing(
    slow: Path, sqlite_database: Database, path: tuple[str, ...], number: signal.Signals
) -> None:
    code, line = SIGNALS[number]
    with subprocess.Popen(
        [sys.executable, "-m", "worker", *path, *WAITING[path]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PILOTAGE_DATABASE_URL": address(sqlite_database.url)},
    ) as child:
        until(
            lambda: (slow / "begun").exists() or child.poll() is not None,
            "a program to begin",
        )
        child.send_signal(number)
        try:
            _, complaints = child.communicate(timeout=PATIENCE)
        finally:
            child.kill()

    lines = [one for one in complaints.splitlines() if one]
    assert (child.returncode, lines[-1:]) == (code, [line]), complaints
    assert "Traceback" not in complaints
    for pid in map(int, (slow / "begun").read_text().split()):
        until(lambda pid=pid: start_ticks(pid) is None, "the end of its program")  # type: ignore[misc]
    with sqlite_database.uow() as tx:
        holders = tx.execute(select(leases.c.name).where(leases.c.holder.is_not(None))).all()
    assert holders == []


def test_every_command_that_waits_is_one_of_the_tree() -> None:
    leaves = {path[:2] for path in WAITING}
    assert leaves <= set(LEAVES)


@pytest.mark.processes
@pytest.mark.parametrize("number", SIGNALS, ids=[one.name for one in SIGNALS])
def test_up_ends_its_children_and_holds_nothing(tmp_path: Path, number: signal.Signals) -> None:
    processes = Processes(tmp_path)
    try:
        child = processes.start(
            "up",
            [sys.executable, "-m", "pilotage", "up"],
            settings_of({"home": str(tmp_path / "h")}),
        )
        until(lambda: len(processes.left()) >= 4, progress=processes.progress)
        child.send_signal(number)
        assert ended(child) == 0
        assert processes.left() == {}
        assert processes.said("up").splitlines()[-1].startswith("stopped; ")
    finally:
        processes.end()
