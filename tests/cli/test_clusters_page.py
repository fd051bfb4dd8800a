"""The commands on the page for labs work, as far as they need no cluster."""

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.command import Cli

PAGE = Path(__file__).parents[2] / "docs" / "clusters.md"
ASKS_A_CLUSTER = ("pilotage ce test", "pilotage up")


def blocks(language: str) -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def lab(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """A command line in a folder with the files of the page."""
    [script] = [block for block in blocks("sh") if block.startswith("#!")]
    worker, clusters = blocks("toml")
    for name, text in {
        "worker.sh": script,
        "worker.toml": worker,
        "clusters.toml": clusters,
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    cli.ok("db", "setup")
    return cli


def test_its_commands_lead_to_two_workers_on_one_cluster(lab: Cli) -> None:
    lines = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    start, end = lines.index("pilotage db setup") + 1, lines.index("pilotage up")
    commands = [line for line in lines[start:end] if line.startswith("pilotage ")]
    for line in commands:
        if not line.startswith(ASKS_A_CLUSTER):
            lab.ok(*shlex.split(line)[1:])

    assert len(commands) >= 5
    assert "worker $PILOTAGE_STAMP on" in lab.ok("vo", "payload", "default").out
    assert lab.ok("plan").lines[:2] == [
        "VO default: 2 pilots",
        "  north  2  free 5; gets 2 of 2 (the VO's limit leaves room for 2)",
    ]


def test_its_file_makes_three_clusters_that_share_the_workers(lab: Cli) -> None:
    lab.ok("apply", "clusters.toml")
    again = lab.ok("apply", "clusters.toml", "--dry-run")

    assert again.lines == ["the database already has all that the file says"]
    assert lab.ok("plan").lines[0] == "VO default: 12 pilots"
    assert [line.split()[:2] for line in lab.ok("plan").lines[1:]] == [
        ["north", "5"],
        ["north-gpu", "2"],
        ["south", "5"],
    ]
