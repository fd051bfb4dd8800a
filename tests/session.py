"""The test session: what it is told, the server that it ends, and what it says at its end."""

import os
from dataclasses import asdict
from pathlib import Path
from sqlite3 import sqlite_version
from typing import Any

import hypothesis
import pytest

from tests.guard import scrub
from tests.servers import Plan, Session, obtained
from tests.testbeds import packages

hypothesis.settings.register_profile("pilotage", database=None, deadline=None, derandomize=True)
hypothesis.settings.load_profile("pilotage")

PLAN = pytest.StashKey[Plan]()
SESSION = pytest.StashKey[Session]()


def pytest_configure(config: pytest.Config) -> None:
    """Read what the session is told about its server, before the environment is scrubbed."""
    told = getattr(config, "workerinput", {}).get("pilotage_plan")
    if told is None:
        try:
            config.stash[SESSION] = Session(dict(os.environ))
        except ValueError as error:
            raise pytest.UsageError(str(error)) from error
    config.stash[PLAN] = Plan(**told) if told else config.stash[SESSION].plan
    # A worker of xdist is started after the environment was scrubbed.
    packages.ALLOWED = config.stash[PLAN].may_install
    scrub(Path(config.stash[PLAN].folder) / f"home-{worker_name(config)}")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist what the session was told."""
    node.workerinput["pilotage_plan"] = asdict(node.config.stash[PLAN])


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the server with the session."""
    if SESSION in config.stash:
        config.stash[SESSION].close()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say which databases were used, and what tests have to say of how much they tried."""
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        for name, value in report.user_properties:
            if name == "summary":
                terminalreporter.write_line(str(value))
    used = obtained(config.stash[PLAN])
    terminalreporter.write_line(f"PostgreSQL {used.version} ({used.how})".replace("  ", " "))
    terminalreporter.write_line(f"SQLite {sqlite_version}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for the server by the name of a fixture."""
    for item in items:
        if any(name.startswith("postgresql") for name in getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.postgresql)


def worker_name(config: pytest.Config) -> str:
    """Name this worker of xdist; empty where there are none."""
    return str(getattr(config, "workerinput", {}).get("workerid", ""))
