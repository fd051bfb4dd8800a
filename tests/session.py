"""The test session: its settings, the end of its server, and its summary."""

import gc
import os
import re
import signal
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from sqlite3 import sqlite_version
from typing import Any

import hypothesis
import pytest

from tests import redis_server
from tests.guard import scrub
from tests.servers import Plan, Session, used_server
from tests.testbeds import packages

# pytest rewrites its assertions like those of the tests, but only before its first import.
pytest.register_assert_rewrite("worker.backends.conformance")

hypothesis.settings.register_profile("pilotage", database=None, deadline=None, derandomize=True)
# The long form tries other examples each time, and prints how to repeat one that fails.
hypothesis.settings.register_profile(
    "long", database=None, deadline=None, derandomize=False, max_examples=5000, print_blob=True
)
hypothesis.settings.load_profile("pilotage")

TESTS = Path(__file__).parent
PLACES = {
    "processes": (
        "acceptance/",
        "chaos/",
        "cli/test_process.py",
        "endtoend/",
        "faults/",
        "integration/",
        "test_bare.py",
    ),
    "harness": ("crash/", "stateful/"),
    "browser": ("web/browser/",),
    "embedded": (
        "acceptance/test_embedded.py",
        "acceptance/test_garbage.py",
        "acceptance/test_wheel.py",
    ),
    "long": (
        "acceptance/test_two_hosts.py",
        "chaos/test_crowd.py",
        "chaos/test_hanging.py",
        "chaos/test_schema_behind.py",
        "chaos/test_stop_and_start.py",
        "chaos/test_upgrade.py",
        "faults/",
    ),
}
"""Where the tests are that need each of these, or that only the long form runs."""

FIXTURES = {
    "postgresql": re.compile(r"postgresql.*"),
    "processes": re.compile(r"processes"),
    "testbed": re.compile(r"slurm_cluster|forgetful_slurm|login_node|arc7?_testbed|condor_pool"),
}
"""The fixtures that need each of these."""

ROOMS_WITHOUT_SQL = ("cli/", "services/", "web/")
"""Folders that reach a database only through `worker/db`, which is tested on both."""

OBJECTS = 10_000
"""New objects after which Python looks for garbage; its default is 700."""

NO_REDIS = "Redis: none, because no test asked for one"
PLAN = pytest.StashKey[Plan]()
SESSION = pytest.StashKey[Session]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the settings of the session before the environment is scrubbed."""
    plan = getattr(config, "workerinput", {}).get("pilotage_plan")
    if plan is None:
        try:
            config.stash[SESSION] = Session(dict(os.environ))
        except ValueError as error:
            raise pytest.UsageError(str(error)) from error
        if config.stash[SESSION].is_in_memory and config.option.basetemp is None:
            # SQLite mostly waits for the disk. The session removes the folder at its end.
            config.option.basetemp = str(config.stash[SESSION].folder / "tests")
    config.stash[PLAN] = Plan(**plan) if plan else config.stash[SESSION].plan
    hypothesis.settings.load_profile("long" if config.stash[PLAN].long else "pilotage")
    # A worker of xdist is started after the environment was scrubbed.
    packages.ALLOWED = config.stash[PLAN].may_install
    redis_server.NOTES = Path(config.stash[PLAN].folder)
    # A run in the background may ignore the interrupt, but the programs that tests start must not.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    scrub(Path(config.stash[PLAN].folder) / f"home-{worker_name(config)}")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Send the settings of the session to a worker of xdist."""
    node.workerinput["pilotage_plan"] = asdict(node.config.stash[PLAN])


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the server with the session."""
    if SESSION in config.stash:
        config.stash[SESSION].close()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Iterator[None]:
    """Print the servers that were used and the tests that were skipped, below all else."""
    yield
    terminalreporter.write_sep("-", "services and skipped tests")
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        for name, value in report.user_properties:
            if name == "summary":
                terminalreporter.write_line(str(value))
    for line in (*services(config.stash[PLAN]), *skips(terminalreporter.stats.get("skipped", []))):
        terminalreporter.write_line(line)


def services(plan: Plan) -> list[str]:
    """Describe each service that the tests have used."""
    note = Path(plan.folder) / redis_server.NOTE
    redis = note.read_text(encoding="utf-8") if note.exists() else NO_REDIS
    return [used_server(plan).description, f"SQLite: {sqlite_version}", redis]


def skips(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Count the skipped tests by their reason, the most frequent first."""
    reasons = Counter(
        " ".join(str(report.longrepr[2]).removeprefix("Skipped: ").split())
        for report in reports
        if isinstance(report.longrepr, tuple)
    )
    lines = [f"{count} skipped: {reason}" for reason, count in reasons.most_common()]
    return lines or ["no test was skipped"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with what it needs; slow ones go first, so that none is left for the end."""
    for item in items:
        for mark in needs(item):
            item.add_marker(mark)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """Do not search the collected tests for garbage: they stay to the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS)


def needs(item: pytest.Item) -> set[str]:
    """Return what a test needs, by its folder and by the names of its fixtures."""
    fixtures = getattr(item, "fixturenames", ())
    place = item.path.relative_to(TESTS).as_posix()
    by_place = {mark for mark, places in PLACES.items() if place.startswith(places)}
    by_fixture = {mark for mark, names in FIXTURES.items() if any(map(names.fullmatch, fixtures))}
    return by_place | by_fixture | ({"long"} if is_repeated(item) else set())


def is_repeated(item: pytest.Item) -> bool:
    """Return whether a test without SQL of its own repeats on PostgreSQL what SQLite has shown."""
    place = item.path.relative_to(TESTS).as_posix()
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return place.startswith(ROOMS_WITHOUT_SQL) and "postgresql" in parameters.values()


def worker_name(config: pytest.Config) -> str:
    """Name this worker of xdist; empty where there are none."""
    return str(getattr(config, "workerinput", {}).get("workerid", ""))
