"""The report of a run: for a reader, for a program, and as a page of the documentation.

python -m tests.chaos.report FILE [OTHER...]    writes the page of a report, and names the others
"""

import json
import os
import platform
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from tests.chaos.logs import KNOWN
from tests.chaos.pulse import Wound
from tests.chaos.upgrade import Upgraded
from tests.chaos.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """How soon a site went on after one kind of fault, in seconds."""

    faults: int
    median: float | None
    maximum: float | None
    overtaken: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of a run."""

    ce: str
    seed: int
    began: datetime
    asked_seconds: float
    seconds: float
    tormented: float
    settled: float
    kills: int
    acts: Mapping[str, int]
    missed: Mapping[str, int]
    upgrade: Upgraded | None
    left_out: Mapping[str, str]
    pilots: Mapping[str, int]
    starts: int
    lies: Mapping[str, int]
    transitions: int
    snapshots: int
    recoveries: Mapping[str, Recovery]
    restarts: int
    own_ends: Mapping[str, int]
    tracebacks: Mapping[str, int]
    long_waits: int
    verdict: Verdict

    def as_json(self) -> dict[str, Any]:
        """Return everything for a program."""
        system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
        return {
            **asdict(self),
            "began": self.began.isoformat(timespec="seconds"),
            "machine": f"{system}, Python {platform.python_version()}",
            "command": f'make chaos ARGS="{self.arguments()}"',
            "verdict": self.verdict.counts(),
            "wrong": asdict(self.verdict),
        }

    def arguments(self) -> str:
        """Return the arguments of the command that makes this run."""
        how_long = f"--kills {self.kills} --for {self.asked_seconds:.0f}s"
        upgrade = " --upgrade" if self.upgrade else ""
        return f"{how_long} --seed {self.seed} --ce {self.ce}{upgrade}"


def recoveries(wounds: Sequence[Wound]) -> dict[str, Recovery]:
    """Gather the wounds by kind."""
    kinds: dict[str, list[Wound]] = defaultdict(list)
    for wound in wounds:
        kinds[wound.kind].append(wound)
    by_kind = {}
    for kind, some in sorted(kinds.items()):
        times = [wound.seconds for wound in some if wound.seconds is not None]
        by_kind[kind] = Recovery(
            faults=len(some),
            median=round(median(times), 2) if times else None,
            maximum=round(max(times), 2) if times else None,
            overtaken=sum(wound.overtaken for wound in some),
        )
    return by_kind


def as_text(facts: Mapping[str, Any]) -> str:
    """Lay out the facts of a report for a reader."""
    wrong = {kind: some for kind, some in facts["wrong"].items() if some}
    pilots = f"{sum(facts['pilots'].values())} pilots ({_listing(facts['pilots'])})"
    kills = f"{facts['kills']} kills in {facts['tormented']:.0f} s"
    settled = f"settled {facts['settled']:.0f} s after the last fault"
    lines = [
        f"{kills}, CE {facts['ce']}, seed {facts['seed']}",
        f"{pilots}, {facts['starts']} started at the CE, {facts['transitions']} transitions",
        "lies: " + (_listing(facts["lies"]) or "none"),
        "",
        "verdict: " + _listing(facts["verdict"]),
        *(f"  {kind}: {one}" for kind, some in wrong.items() for one in some[:20]),
        f"limits: {facts['snapshots']} snapshots, and every one of the commits",
        f"{settled}; {facts['restarts']} restarts of workers and beats",
        "",
        *_table(facts["recoveries"]),
        "",
        "acts: " + _listing(facts["acts"]),
        *_upgrade(facts["upgrade"]),
        *(f"left out: {act}: {why}" for act, why in facts["left_out"].items()),
        "nothing to do it to: " + (_listing(facts["missed"]) or "never"),
        "tracebacks: " + (_listing(facts["tracebacks"]) or "none"),
        f"waits for a lock of more than a second: {facts['long_waits']}",
        *(f"ended by itself {number} times: {why}" for why, number in facts["own_ends"].items()),
    ]
    return "\n".join(lines)


def as_page(facts: Mapping[str, Any], others: Sequence[Mapping[str, Any]] = ()) -> str:
    """Lay out the facts as a page of the documentation, with a line for each other run."""
    pilots = sum(facts["pilots"].values())
    verdict = [f"| {kind.replace('_', ' ')} | {n} |" for kind, n in facts["verdict"].items()]
    recovery_rows = [
        f"| {kind} | {one['faults']} | {_seconds(one['median'])} | {_seconds(one['maximum'])} |"
        for kind, one in facts["recoveries"].items()
    ]
    tracebacks = [
        f"| `{name}` | {number} | {KNOWN.get(name) or KNOWN.get(name.split(' in ')[0], '')} |"
        for name, number in facts["tracebacks"].items()
    ]
    return f"""# Chaos: how the promises were tried

This page is written by a program from [the report of one run](../chaos/{facts["ce"]}.json).
[How to run it, and what the words mean](../how-to/run-chaos.md).
[Each fault alone, and what is seen of it](faults.md).

```sh
{facts["command"]}
```

{facts["kills"]} kills in {facts["tormented"] / 60:.0f} minutes, seed {facts["seed"]},
on {facts["machine"]}, while
{pilots} pilots passed through the CEs of the back-end `{facts["ce"]}`: {_listing(facts["pilots"])}.
These are statuses. In the table below, [*lost* has another
meaning](../how-to/run-chaos.md#what-it-finds-out).
{facts["starts"]} of them were started there, each once, by what they wrote themselves.
{_liars(facts["lies"])}{_middle(facts.get("upgrade"))}
| wrong | |
| --- | --- |
{chr(10).join(verdict)}

The limits held in {facts["snapshots"]} snapshots while it went on, and after each commit of
{facts["transitions"]} steps when the history was gone through. The site settled
{facts["settled"]:.0f} s after the last fault; {facts["long_waits"]} transactions waited
for a lock for more than a second.

The same is what [an independent judge](../how-to/run-chaos.md#what-it-finds-out) says of
[the evidence](../chaos/{facts["ce"]}.jsonl.xz) that the run wrote.
The exit code of this run and of those below was 0.

{_others(others)}## Recovery

Seconds from the end of a fault (a kill ends at once) until what it stopped was seen to go on, while
all the other faults went on too.

| fault | times | median | worst |
| --- | --- | --- | --- |
{chr(10).join(recovery_rows)}

## Tracebacks

| error | times | why |
| --- | --- | --- |
{chr(10).join(tracebacks)}
"""


def _liars(lies: Mapping[str, int]) -> str:
    lies_by_kind = ", ".join(f"{number} {lie.replace('_', ' ')}" for lie, number in lies.items())
    return f"{sum(lies.values())} of these lied of their end: {lies_by_kind}.\n" if lies else ""


def _middle(upgrade: Mapping[str, Any] | None) -> str:
    """Describe the upgrade from the version before, if there was one."""
    if upgrade is None:
        return ""
    return f"""\
The run began with the schema and the workers of {upgrade["version"]}. When a fifth of the kills
were done, the database was migrated while half of these worked on; ours refused
{upgrade["refusals"]} times to work before.
"""


def _others(others: Sequence[Mapping[str, Any]]) -> str:
    """Lay out runs at other kinds of CE as a table."""
    if not others:
        return ""
    lines = [
        f"| `{one['ce']}` | {one['kills']} | {one['tormented'] / 60:.0f} min "
        f"| {sum(one['pilots'].values())} | {one['starts']} "
        f"| {', '.join(str(n) for n in one['verdict'].values())} |"
        for one in others
    ]
    wrong = ", ".join(kind.replace("_", " ") for kind in others[0]["verdict"])
    return f"""## At other CEs

The same was done to CEs of batch systems that were started for it. Their controllers stood still
now and then, replies were lost, and somebody else removed jobs. The last column counts, in this
order: {wrong}.

| CE | kills | | pilots | started | wrong |
| --- | --- | --- | --- | --- | --- |
{chr(10).join(lines)}

"""


def _upgrade(facts: Mapping[str, Any] | None) -> list[str]:
    if facts is None:
        return []
    refusals = f"ours refused {facts['refusals']} times before the migration"
    attempts = f"{facts['attempts']} attempts to migrate"
    return [f"upgrade from {facts['version']} in {facts['seconds']} s: {refusals}, {attempts}"]


def _listing(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts.items())


def _table(by_kind: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = [f"{'fault':<36}{'times':>7}{'median s':>10}{'worst s':>9}{'overtaken':>11}"]
    for kind, one in by_kind.items():
        times = f"{_seconds(one['median']):>10}{_seconds(one['maximum']):>9}"
        lines.append(f"{kind:<36}{one['faults']:>7}{times}{one['overtaken']:>11}")
    return lines


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


if __name__ == "__main__":
    reports = [json.loads(Path(name).read_text(encoding="utf-8")) for name in sys.argv[1:]]
    sys.stdout.write(as_page(reports[0], reports[1:]))
