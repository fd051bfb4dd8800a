"""`pilotage bench` on a small site and on an empty one."""

import pytest

from tests.cli.command import Cli
from worker.db import ces
from worker.db.database import Database
from worker.services.observe.timings import QUESTIONS


@pytest.mark.usefixtures("site")
def test_each_question_has_a_line_in_eighty_columns(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    lines = cli.ok("bench", "--repeat", "2").out.splitlines()

    assert " ".join(lines[0].split()) == "question asked by median ms p90 ms round trips"
    assert len(lines) == len(QUESTIONS) + 2
    assert all(len(line) <= 80 for line in lines)
    assert not [line for line in lines if "…" in line]


def test_machines_get_every_number(cli: Cli, site: Database) -> None:
    answer = cli.json("bench", "--repeat", "1")

    assert {item["question"] for item in answer["items"]} > {"everything at a glance"}
    with site.uow() as tx:
        assert answer["ce"] in ces.names(tx)


@pytest.mark.usefixtures("world")
def test_without_a_ce_it_says_what_to_do(cli: Cli) -> None:
    assert "pilotage up --demo makes some" in cli.ok("bench").out


@pytest.mark.usefixtures("world")
def test_without_a_ce_machines_get_no_numbers(cli: Cli) -> None:
    assert cli.json("bench") == {"ce": None, "vo": None, "items": []}
