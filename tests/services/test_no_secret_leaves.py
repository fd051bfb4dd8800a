"""Our secrets appear in no environment, process list, error, log, table or metric."""

import logging
import os
import stat
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import select

from tests.backends import local_world
from tests.cli.command import forget
from tests.databases import installed
from tests.services.world import Broken, World
from tests.unit.test_secrets import SHAPES
from worker import logs, wiring
from worker.backends import registry, shell
from worker.backends.contract import Means
from worker.db.database import Database
from worker.db.engine import parse_url
from worker.db.tables import metadata
from worker.demand import registry as sources
from worker.domain.ce import CE
from worker.domain.ce_answers import Order
from worker.domain.errors import BackendError, ConfigurationError, NotSent
from worker.services.observe.metrics import metrics
from worker.services.observe.overview import explain, overview
from worker.services.tasks import check_pilots
from worker.services.tasks.dispatch import dispatch

PASSWORD = "S3cr3t-of-ours"
OURS = {
    "PILOTAGE_DATABASE_URL": f"postgresql://me:{PASSWORD}@host/db",
    "PILOTAGE_BROKER_URL": f"redis://:{PASSWORD}@host/0",
    "CELERY_BROKER_URL": f"redis://:{PASSWORD}@host/0",
    "_MP_FORK_LOGFILE_": f"/{PASSWORD}",
}
OFTEN = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def settings_in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OURS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.finding("M3")
@pytest.mark.usefixtures("settings_in_environment")
def test_m3_a_local_pilot_finds_nothing_of_ours_in_its_environment(
    tmp_path: Path, sqlite_database: Database
) -> None:
    world = local_world.World(tmp_path, sqlite_database.uow)
    try:
        [job] = world.send(command="env; echo; tr '\\0' '\\n' </proc/$PPID/environ")
        world.until_final(job)
        pilot, _, keeper = world.connect().output(job).text.partition("\n\n")
    finally:
        world.end()

    ours = {line.partition("=")[0] for line in pilot.splitlines() if line.startswith("PILOTAGE")}
    assert ours == {"PILOTAGE_STAMP", "PILOTAGE_VO", "PILOTAGE_CE", "PILOTAGE_END_FILE"}
    assert "PATH=" in keeper
    assert "PILOTAGE" not in keeper
    assert PASSWORD not in pilot + keeper


@pytest.mark.finding("M3")
@pytest.mark.usefixtures("settings_in_environment")
def test_m3_a_demand_command_finds_nothing_of_ours_in_its_environment() -> None:
    count = "print(sum(any(word in line for word in ours) for line in map(str, environ.items())))"
    ours = ("PILOTAGE", "CELERY", "_MP_FORK", "S3cr3t")
    command = [sys.executable, "-c", f"from os import environ; ours = {ours}; {count}"]

    assert sources.ask("lhcb", {"kind": "command", "command": command}) == 0
    child = shell.run(["env"], timeout=60, env=shell.without_our_settings())
    assert "PATH=" in child.stdout
    assert PASSWORD not in child.stdout


SPY = """\
#!/bin/sh
{ tr '\\0' ' ' </proc/$$/cmdline; echo; tr '\\0' '\\n' </proc/$$/environ; ps -ef; } \
  >>"$0.seen" 2>/dev/null
cat >/dev/null
exit 1
"""
SENDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "htcondor": ("condor_submit", {"programs": "{bin}"}),
    "slurm": ("scontrol", {"programs": "{bin}"}),
    "slurm with a size": ("sbatch", {"programs": "{bin}", "array_size": 10}),
    "slurm over SSH": ("ssh", {"ssh": "login.example.org", "ssh_keep": 0, "array_size": 10}),
}


@pytest.mark.parametrize("kind", SENDERS)
@pytest.mark.usefixtures("settings_in_environment")
def test_no_process_list_shows_a_secret(
    kind: str, tmp_path: Path, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, settings = SENDERS[kind]
    spy = tmp_path / "bin" / program
    spy.parent.mkdir()
    spy.write_text(SPY)
    spy.chmod(stat.S_IRWXU)
    path = f"{spy.parent}:{shell.STANDARD_PATH}"
    monkeypatch.setattr(shell, "STANDARD_PATH", path)
    options: dict[str, Any] = {
        key: str(value).format(bin=spy.parent) for key, value in settings.items()
    }
    options |= {"environment": {"TOKEN": f"of-the-ce-{PASSWORD}"}}
    ce = CE(name="ce", backend=kind.split()[0], capacity=1, options=options)
    means = Means(uow=sqlite_database.uow, home=tmp_path, now=lambda: datetime.now(UTC))
    order = Order(
        stamp="0" * 32, vo="lhcb", script=f"#!/bin/sh\necho {PASSWORD}\n", arguments=(PASSWORD,)
    )

    with pytest.raises(BackendError):
        registry.connect(installed(), ce, means).submit([order])

    listing = Path(f"{spy}.seen").read_text(errors="replace")
    assert program in listing
    assert PASSWORD not in listing


ODD = st.text("abcXYZ019:/?#@[]%&=+ .-_\\é", min_size=8, max_size=30)
AROUND = st.sampled_from(
    [
        "postgresql://me:{}@host/db", "postgresql://me:{}@host:port/db", "postgresql://me:{}@/",
        "postgresql://me:{}@[::1/db", "://me:{}@host/db", "me:{}@host", "redis://:{}@host:6379/0",
        "redis://:{}@host:x/0", "redis://{}@", "{}", "mysql://me:{}@host/db", "sqlite://{}@x/y",
        "rediss://u:{}@h/0?x={}",
    ]
)  # fmt: skip


def pieces(secret: str) -> Iterator[str]:
    """Yield the pieces of a secret that are too long to appear by accident."""
    yield from (secret[at : at + 6] for at in range(len(secret) - 5))


@pytest.mark.finding("L2")
@OFTEN
@given(secret=ODD, url=AROUND)
def test_l2_no_error_about_a_url_shows_a_piece_of_its_password(secret: str, url: str) -> None:
    text = url.replace("{}", secret)
    for parse in (parse_url, wiring._checked):
        try:
            parse(text)
        except ConfigurationError as error:
            trace = "".join(traceback.format_exception(error))
            message = trace.partition("ConfigurationError")[2] + repr(error.details)
            urls = "redis://:PASSWORD@HOST:PORT/0 postgresql://USER:PASSWORD@HOST:PORT/NAME sqlite"
            assert not [one for one in pieces(secret) if one in message and one not in urls]


def test_no_setting_shows_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PILOTAGE_DATABASE_URL", "PILOTAGE_BROKER_URL"):
        monkeypatch.setenv(name, OURS[name])
    forget()
    values = wiring.settings()
    forget()

    assert isinstance(values.database_url, SecretStr)
    assert PASSWORD not in f"{values!r} {values} {values.model_dump()}"


@pytest.mark.parametrize(("shape", "secrets"), SHAPES[::4], ids=[one for one, _ in SHAPES[::4]])
def test_what_a_ce_says_is_kept_and_shown_without_its_secret(
    sqlite_world: World,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    shape: str,
    secrets: st.SearchStrategy[str],
) -> None:
    world = sqlite_world
    ce = world.ce()
    world.sent(ce, 1)

    @settings(OFTEN, max_examples=4)
    @given(secrets.filter(lambda one: len(set(one)) > 6))
    def survives(secret: str) -> None:
        message = f"it said: {shape.format(secret)}"
        world.wait(3600)
        world.reserve(ce, 1)
        runtime = world.with_driver(Broken(NotSent("the CE", message)))
        lines = [*dispatch(runtime, ce.name).lines]
        world.wait(3600)
        lines += check_pilots.check_pilots(
            world.with_driver(Broken(ValueError(message))), ce.name
        ).lines
        texts = [*lines, metrics(world.runtime()), repr(overview(world.runtime()))]
        texts += [repr(explain(world.runtime(), ce.name)), database_text(world)]
        assert secret not in "\n".join(texts)

    survives()


def database_text(world: World) -> str:
    """Return all rows of the database as one text."""
    with world.database.uow() as tx:
        return "\n".join(
            repr(tuple(row))
            for table in metadata.sorted_tables
            for row in tx.execute(select(table))
        )


@pytest.mark.finding("M3")
def test_m3_no_traceback_in_a_log_shows_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        root.handlers = []
        logs.set_up(wiring.settings())

        @settings(OFTEN, max_examples=20)
        @given(st.text("abcXYZ019-_", min_size=12, max_size=40).filter(lambda one: one[0] != "-"))
        def survives(secret: str) -> None:
            try:
                raise ValueError(f"redis://:{secret}@host/0 password={secret}")
            except ValueError:
                logging.getLogger("x").exception("token=%s", secret)
            assert secret not in capsys.readouterr().err

        survives()
    finally:
        root.handlers = handlers
        root.setLevel(level)


def test_the_environment_of_this_process_is_as_it_was() -> None:
    assert not [name for name in os.environ if name in OURS]
