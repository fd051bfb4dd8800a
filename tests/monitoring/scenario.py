"""A site on sim whose clock is moved by hand, read each minute as Prometheus would read it.

Scheduler, workers and services are the real ones. What was read becomes the input of a unit test
of promtool, so a real Prometheus judges the rules as they are, with their real durations; moments
are counted from the beginning of the scenario, for there promtool's own clock begins.
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
"""The end of the name of a number that is a moment."""


class Scenario:
    """What happens at a site, minute by minute."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.began = world.clock
        self.minute = 0
        self.has_scheduler = True
        self.is_read = True
        self.queues = {PLAN, CALL}
        self._series: dict[str, dict[int, float]] = defaultdict(dict)
        self._expected: list[tuple[str, int, bool]] = []
        ticks.seed(world.database, world.clock)

    def go_on(self, minutes: int) -> None:
        """Let so many minutes pass."""
        for _ in range(minutes):
            self.minute += 1
            self.world.wait(60)
            if self.has_scheduler:
                self._work()
            if self.is_read:
                self._read()

    def expect(self, alert: str, *, fires: bool) -> None:
        """Say whether an alert fires in this minute."""
        self._expected.append((alert, self.minute, fires))

    def judge(self, folder: Path) -> None:
        """Let promtool say whether every alert did what was expected."""
        tests = [
            {
                "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > bool 0',
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
            for alert, minute, fires in self._expected
        ]
        series = [
            {"series": name, "values": self._values(read)} for name, read in self._series.items()
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
        """Write what was read, with its moments, where a Prometheus finds it: into `tsdb`."""
        text = folder / "read.om"
        with text.open("w", encoding="utf-8") as file:
            for name, read in self._series.items():
                file.writelines(self._line(name, minute, read[minute]) for minute in read)
            file.write("# EOF\n")
        promtool("tsdb", "create-blocks-from", "openmetrics", str(text), str(folder / "tsdb"))

    def _line(self, name: str, minute: int, value: float) -> str:
        if name.partition("{")[0].endswith(MOMENT):
            value += self.began.timestamp()
        return f"{name} {value} {self.began.timestamp() + 60 * minute}\n"

    def _values(self, read: dict[int, float]) -> str:
        minutes = range(self.minute + 1)
        return " ".join(f"{read[m]:.6f}" if m in read else "_" for m in minutes)

    def _work(self) -> None:
        firings, _ = ticks.claim_due(self.world.database, self.world.clock)
        for firing in firings:
            if firing.task.queue in self.queues:
                # A worker writes it to its log; the schedule says it too.
                with suppress(PilotageError):
                    execute.execute(firing.task, firing.subject, self.world.runtime())

    def _read(self) -> None:
        text = metrics(self.world.runtime())
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(f'{k}="{v}"' for k, v in sorted(sample.labels.items()))
                value = sample.value
                if sample.name.endswith(MOMENT):
                    value -= self.began.timestamp()
                self._series[f"{sample.name}{{{labels}}}"][self.minute] = value
