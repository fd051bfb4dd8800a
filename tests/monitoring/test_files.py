"""The rules and the dashboard use only metrics that exist, and link to pages that exist."""

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
LABELS = {metric.name: set(metric.labels) for metric in METRICS}
DASH: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
ALERTS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"][0][
    "rules"
]
EVERY = [*expressions(ALERTS), *expressions(DASH)]


@pytest.mark.parametrize("expression", EVERY)
def test_an_expression_uses_only_what_the_metrics_give(expression: str) -> None:
    metrics = list(uses(expression))
    assert metrics
    for name, labels in metrics:
        assert name in LABELS, f"{name} is no metric"
        assert labels <= LABELS[name], f"{name} has no label {labels - LABELS[name]}"
    common_labels = set.union(*(LABELS[name] for name, _ in metrics))
    assert grouped_by(expression) <= common_labels


def test_every_alert_leads_to_a_symptom_of_the_documents() -> None:
    titles = re.findall(r"^## (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert len({alert["alert"] for alert in ALERTS}) == len(ALERTS)
    for alert in ALERTS:
        page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        assert page == "docs/how-to/troubleshoot.md"
        assert anchor in anchors, alert["alert"]
        labels = set(re.findall(r"\$labels\.(\w+)", alert["annotations"]["summary"]))
        assert labels <= set.union(*(LABELS[name] for name, _ in uses(alert["expr"]))), alert
        assert alert["labels"]["severity"] in ("critical", "warning", "info")


def test_the_dashboard_shows_every_counter_of_ces_and_vos() -> None:
    names = {name for expression in expressions(DASH) for name, _ in uses(expression)}
    counters = {name for name in LABELS if name.endswith("_total")}
    assert counters - names == {"pilotage_vo_sent_total", "pilotage_vo_turned_up_total"}


@pytest.mark.testbed
def test_prometheus_reads_the_rules_and_every_expression(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    require_prometheus(request.config.stash[PLAN])
    promtool("check", "rules", str(RULES))
    rules = [
        {"record": f"panel:{number}", "expr": re.sub(r"\$\w+", "any", expression)}
        for number, expression in enumerate(expressions(DASH))
    ]
    path = tmp_path / "panels.yml"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", str(path))
