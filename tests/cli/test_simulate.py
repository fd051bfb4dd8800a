"""`pilotage simulate`: policies are compared on a made-up world; no database is needed."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.cli.command import Cli
from worker.services.observe.simulate import scenarios

TINY = """\
about = "One CE that goes away."
hours = 3
[[ce]]
name = "ce"
capacity = 5
[[trouble]]
ce = "ce"
kind = "outage"
begins = 1
ends = 1.5
"""


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    return scenario(tmp_path)


def scenario(tmp_path: Path) -> str:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    return str(path)


def test_the_scenarios_are_listed_with_what_they_are_about(cli: Cli) -> None:
    rows = cli.json("simulate", "--list")
    assert [one["name"] for one in rows] == sorted(one.name for one in scenarios())
    assert all(one["about"].endswith(".") for one in rows)
    plain = cli.ok("simulate", "--list").lines
    assert any(line.startswith("black_hole ") for line in plain)


def test_policies_are_compared_in_a_table_and_a_chart(cli: Cli, tiny: str) -> None:
    lines = cli.ok("simulate", tiny).lines
    assert lines[0] == "tiny, 3 h, seed 1: One CE that goes away."
    table = [line.split() for line in lines[2:7]]
    assert table[0][:4] == ["policy", "goodput", "net", "waste"]
    assert [row[0] for row in table[1:]] == ["oracle", "three_chances", "proportional", "fill_all"]
    assert table[1][1:3] == ["1.000", "1.000"]
    bars = [line for line in lines if "▒" in line]
    assert [line.split()[::2] for line in bars] == [["ce", "outage"]]
    assert sum("█" in line for line in lines) == 4


def test_for_machines_there_are_all_numbers(cli: Cli, tiny: str) -> None:
    [data] = cli.json("simulate", tiny, "--policy", "fill_all", "--seed", "7", "--hours", "2")
    assert (data["scenario"], data["hours"], data["seed"]) == ("tiny", 2, 7)
    oracle, fill_all = data["policies"]
    assert (oracle["policy"], fill_all["policy"]) == ("oracle", "fill_all")
    assert oracle["goodput"] == oracle["net"] == 1
    assert fill_all["refused"] > oracle["refused"] == 0
    assert fill_all["net"] < 1


def test_the_same_seed_says_the_same(cli: Cli, tiny: str) -> None:
    first = cli.ok("simulate", tiny).out
    assert cli.ok("simulate", tiny).out == first
    assert cli.ok("simulate", tiny, "--seed", "2").out != first


def test_a_picture_is_drawn(cli: Cli, tiny: str, tmp_path: Path) -> None:
    path = tmp_path / "tiny.svg"
    cli.ok("simulate", tiny, "--svg", str(path))
    picture = ET.parse(path).getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert picture.tag == f"{space}svg"
    assert len(picture.findall(f"{space}polyline")) == 4
    assert "ce: outage" in [one.text for one in picture.findall(f"{space}text")]


def test_the_numbers_of_the_policy_are_those_of_the_settings(
    cli: Cli, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = cli.ok("simulate", tiny, "--policy", "three_chances").out
    settings = tmp_path / "settings.toml"
    settings.write_text("[parameters]\nprobe_soonest = 60\nprobe_latest = 60\n", encoding="utf-8")
    monkeypatch.setenv("PILOTAGE_CONFIG", str(settings))
    assert cli.ok("simulate", tiny, "--policy", "three_chances").out != usual


WRONG = {
    "unknown_scenario": (("black_hall",), ("black_hall", "black_hole")),
    "no_such_file": (("nowhere.toml",), ("nowhere.toml",)),
    "unknown_policy": (("dead", "--policy", "threechances"), ("three_chances",)),
    "hours_of_nothing": (("dead", "--hours", "0"), ("--hours",)),
    "many_to_draw": (("--svg", "all.svg"), ("one scenario",)),
}


@pytest.mark.parametrize(("words", "parts"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_one_line(
    cli: Cli, words: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    complaint = cli.refused("simulate", *words)
    assert all(word in complaint for word in parts)


def test_a_file_that_is_no_scenario_is_one_line(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("hours = = 3", encoding="utf-8")
    assert "not TOML" in cli.refused("simulate", str(path))
    path.write_text("[[ce]]\nnam = 'a'", encoding="utf-8")
    assert "name" in cli.refused("simulate", str(path))
