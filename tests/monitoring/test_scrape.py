"""A real Prometheus reads a real server with a token that may read, and accepts the rules."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.command import Cli
from tests.monitoring.prometheus import (
    RULES,
    Prometheus,
    promtool,
    require_prometheus,
    running,
)
from tests.patience import until
from tests.secrets import write
from tests.services.world import World
from tests.session import PLAN
from tests.web.server import serving
from tests.web.site import furnish
from worker.db.database import Database
from worker.services.observe.metrics import METRICS
from worker.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "monitor.md").read_text(encoding="utf-8")
DEFAULT_PORT = Settings.model_fields["web_port"].default


def documented_configuration(server: str, token: Path) -> str:
    """Return the configuration of the documents, changed to read this server each second."""
    begin = "```yaml\n# /etc/prometheus/prometheus.yml\n"
    text = PAGE.partition(begin)[2].partition("```")[0]
    for original, replacement in (
        ("/etc/prometheus/rules/pilotage.yml", str(RULES)),
        ("/etc/prometheus/pilotage.token", str(token)),
        (f"127.0.0.1:{DEFAULT_PORT}", server.removeprefix("http://")),
        ("scrape_interval: 1m", "scrape_interval: 1s"),
    ):
        assert text.count(original) == 1, original
        text = text.replace(original, replacement)
    return "global:\n  evaluation_interval: 1s\n" + text


@contextmanager
def reading(server: str, token: Path, folder: Path) -> Iterator[Prometheus]:
    """Run a Prometheus that reads a server while the block runs."""
    path = write(folder / "prometheus.yml", documented_configuration(server, token))
    promtool("check", "config", str(path))
    with running(folder, path) as prometheus:
        yield prometheus


@pytest.mark.testbed
@pytest.mark.processes
def test_prometheus_reads_the_server_with_a_token_and_judges_by_the_rules(
    sqlite_database: Database, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    require_prometheus(request.config.stash[PLAN])
    world = World(sqlite_database, tmp_path / "home")
    world.clock = datetime.now(UTC)
    site = furnish(world, tmp_path)
    sqlite_database.engine.dispose()
    secret = site.headers("read")["Authorization"].removeprefix("Bearer ")
    token = write(tmp_path / "token", secret)
    with (
        serving(sqlite_database, tmp_path / "home") as server,
        reading(server.url, token, tmp_path) as prometheus,
    ):
        until(lambda: prometheus.numbers("up") == [1.0], "the first scrape")
        names = set(prometheus.get("label/__name__/values"))
        capacities = prometheus.numbers("count(pilotage_ce_capacity)")

        def has_evaluated_all() -> bool:
            [group] = prometheus.get("rules")["groups"]
            return all(rule["health"] == "ok" for rule in group["rules"])

        until(has_evaluated_all, "the evaluation of every rule")
        write(token, "no longer a token")
        until(lambda: prometheus.numbers("up") == [0.0], "a scrape that is refused")
    expected_names = {metric.name for metric in METRICS if metric.name.startswith("pilotage_ce_")}
    missing_names = {
        name for name in expected_names if not any(one.startswith(name) for one in names)
    }
    assert missing_names <= {"pilotage_ce_answered_timestamp_seconds"}
    assert capacities != [0.0]


def test_the_command_hands_out_the_files_and_puts_in_where_the_runbook_is(
    cli: Cli, tmp_path: Path
) -> None:
    path = tmp_path / "rules.yml"
    cli.ok("metrics", "--rules", "--to", str(path))
    assert path.read_text(encoding="utf-8") == RULES.read_text(encoding="utf-8")
    page = "https://wiki.example.org/pilotage"
    text = cli.ok("metrics", "--rules", "--runbook", page).out
    assert f"runbook_url: {page}#a-ce-is-paused" in text
    assert "docs/how-to" not in text
    assert json.loads(cli.ok("metrics", "--dashboard").out)["title"] == "Pilotage"
    assert "with two commands" in cli.refused("metrics", "--rules", "--dashboard")
    assert "give --rules too" in cli.refused("metrics", "--runbook", page)
    assert "not the address" in cli.refused("metrics", "--rules", "--runbook", 'x" y')
