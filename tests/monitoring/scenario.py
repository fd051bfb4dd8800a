"""A site on sim whose clock the test moves; its metrics are read each minute.

Scheduler, workers and services are the real ones. The metrics become the input of a unit test of
promtool, so a real Prometheus evaluates the real rules with their real durations. The clock of
promtool begins at 0, so moments are counted from the beginning of the scenario.
"""

import json
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.monitoring.prometheus import RULES, promtool
from tests.services.world import World
from worker.domain.errors import PilotageError
from worker.services.observe.metrics import metrics
from worker.services.tasks import execute, ticks
from worker.services.tasks.catalogue import CALL, PLAN

MOMENT = "_timestamp_seconds"
"""The end of the name of a metric whose value is a moment."""


class Scenario:
    """The events at a site, minute by minute."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.begin = world.clock
        self.minute = 0
        self.has_scheduler = True
        self.is_read = True
        self.queues = {PLAN, CALL}
        self._series: dict[str, dict[int, float]] = defaultdict(dict)
        self._expectations: list[tuple[str, int, bool]] = []
        ticks.seed(world.database, world.clock)

    def go_on(self, minutes: int) -> None:
        """Let this number of minutes pass."""
        for _ in range(minutes):
            self.minute += 1
            self.world.wait(60)
            if self.has_scheduler:
                self._work()
            if self.is_read:
                self._read_metrics()

    def expect(self, alert: str, *, fires: bool) -> None:
        """Expect that an alert fires in this minute, or that it does not."""
        self._expectations.append((alert, self.minute, fires))

    def judge(self, folder: Path) -> None:
        """Let promtool check that every alert fires when the test expects it."""
        tests = [
            {
                "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > bool 0',
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
            for alert, minute, fires in self._expectations
        ]
        series = [
            {"series": name, "values": self._values(values)}
            for name, values in self._series.items()
        ]
        unit = {
            "rule_files": [str(RULES)],
            "evaluation_interval": "1m",
            "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": tests}],
        }
        path = folder / "scenario.yml"
        path.write_text(json.dumps(unit), encoding="utf-8")
        promtool("test", "rules", str(path))

    def store(self, folder: Path) -> None:
        """Write the metrics with their moments into `tsdb`, where a Prometheus reads them."""
        text = folder / "read.om"
        with text.open("w", encoding="utf-8") as file:
            for name, values in self._series.items():
                file.writelines(self._line(name, minute, values[minute]) for minute in values)
            file.write("# EOF\n")
        promtool("tsdb", "create-blocks-from", "openmetrics", str(text), str(folder / "tsdb"))

    def _line(self, name: str, minute: int, value: float) -> str:
        if name.partition("{")[0].endswith(MOMENT):
            value += self.begin.timestamp()
        return f"{name} {value} {self.begin.timestamp() + 60 * minute}\n"

    def _values(self, values: dict[int, float]) -> str:
        minutes = range(self.minute + 1)
        return " ".join(f"{values[m]:.6f}" if m in values else "_" for m in minutes)

    def _work(self) -> None:
        firings, _ = ticks.claim_due(self.world.database, self.world.clock)
        for firing in firings:
            if firing.task.queue in self.queues:
                # A worker logs such an error; the schedule shows it too.
                with suppress(PilotageError):
                    execute.execute(firing.task, firing.subject, self.world.runtime())

    def _read_metrics(self) -> None:
        text = metrics(self.world.runtime())
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(f'{k}="{v}"' for k, v in sorted(sample.labels.items()))
                value = sample.value
                if sample.name.endswith(MOMENT):
                    value -= self.begin.timestamp()
                self._series[f"{sample.name}{{{labels}}}"][self.minute] = value
