"""The rules and the dashboard use what the metrics give, and lead to what the documents say."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.prometheus import (
    DASHBOARD,
    RULES,
    expressions,
    grouped_by,
    promtool,
    require_prometheus,
    uses,
)
from tests.session import PLAN
from worker.services.observe.metrics import METRICS

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "troubleshoot.md"
GIVEN = {metric.name: set(metric.labels) for metric in METRICS}
DASH: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
ALERTS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"][0][
    "rules"
]
EVERY = [*expressions(ALERTS), *expressions(DASH)]


@pytest.mark.parametrize("expression", EVERY)
def test_an_expression_uses_only_what_the_metrics_give(expression: str) -> None:
    used = list(uses(expression))
    assert used
    for name, labels in used:
        assert name in GIVEN, f"{name} is no metric"
        assert labels <= GIVEN[name], f"{name} has no label {labels - GIVEN[name]}"
    shared = set.union(*(GIVEN[name] for name, _ in used))
    assert grouped_by(expression) <= shared


def test_every_alert_leads_to_a_symptom_of_the_documents() -> None:
    titles = re.findall(r"^## (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert len({alert["alert"] for alert in ALERTS}) == len(ALERTS)
    for alert in ALERTS:
        page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        assert page == "docs/how-to/troubleshoot.md"
        assert anchor in anchors, alert["alert"]
        labels = set(re.findall(r"\$labels\.(\w+)", alert["annotations"]["summary"]))
        assert labels <= set.union(*(GIVEN[name] for name, _ in uses(alert["expr"]))), alert
        assert alert["labels"]["severity"] in ("critical", "warning", "info")


def test_the_dashboard_shows_every_counter_of_ces_and_vos() -> None:
    shown = {name for expression in expressions(DASH) for name, _ in uses(expression)}
    counted = {name for name in GIVEN if name.endswith("_total")}
    assert counted - shown == {"pilotage_vo_sent_total", "pilotage_vo_turned_up_total"}


@pytest.mark.testbed
def test_prometheus_reads_the_rules_and_every_expression(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    require_prometheus(request.config.stash[PLAN])
    promtool("check", "rules", str(RULES))
    recorded = [
        {"record": f"panel:{number}", "expr": re.sub(r"\$\w+", "any", expression)}
        for number, expression in enumerate(expressions(DASH))
    ]
    path = tmp_path / "panels.yml"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": recorded}]}))
    assert f"{len(recorded)} rules found" in promtool("check", "rules", str(path))
