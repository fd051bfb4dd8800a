"""`pilotage fleet`: a recipe, some answers and some clusters make a folder to apply."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Cli, typed_on_a_terminal
from worker.db.database import Database
from worker.services.operate import fleets

HERE = "here backend=local capacity=2"


def read_fleet(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "fleet.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("recipe", [one.name for one in fleets.recipes()])
def test_a_recipe_without_answers_can_be_applied_as_it_is(
    cli: Cli, world: Database, tmp_path: Path, recipe: str
) -> None:
    folder = tmp_path / "mine"
    files = {str(folder / path.name) for path in (fleets.FOLDER / recipe).iterdir()}
    lines = cli.ok("fleet", "init", recipe, str(folder)).lines

    assert {line for line in lines[:-1] if not line.startswith("note: ")} == {
        f"wrote {one}" for one in files if not one.endswith(fleets.QUESTIONS)
    }
    assert lines[-1].endswith(f"'pilotage apply {folder}/fleet.toml'")
    changes = cli.json("apply", str(folder / "fleet.toml"))["changes"]
    assert "CE here" in {change["what"] for change in changes}
    assert cli.json("apply", str(folder / "fleet.toml"))["changes"] == []


def test_answers_and_clusters_stand_in_the_file(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    options = 'capacity=20 waiting_limit=5 partition="a b" ssh=me@login.example.org cpus=4'
    words = ("--cluster", HERE, "--cluster", f"fir {options} 'arguments=[\"--exclusive\"]'")
    cli.ok(
        "fleet",
        "init",
        "plain",
        str(folder),
        *words,
        "--answer",
        "workers=8",
        "--answer",
        "team=us",
    )
    file = read_fleet(folder)

    assert file["vo"]["us"]["limit"] == 8
    assert file["ce"]["here"] == {"backend": "local", "capacity": 2}
    assert file["ce"]["fir"] == {
        "backend": "slurm",
        "capacity": 20,
        "waiting_limit": 5,
        "options": {
            "partition": "a b",
            "ssh": "me@login.example.org",
            "cpus": 4,
            "arguments": ["--exclusive"],
        },
    }


def test_clusters_that_are_too_small_are_named(cli: Cli, tmp_path: Path) -> None:
    words = ("fleet", "init", "plain", str(tmp_path / "mine"), "--cluster", HERE)
    out = cli.ok(*words, "--answer", "workers=3").out
    assert "note: the clusters have room for 2 workers, and the fleet may have 3" in out
    again = ("fleet", "init", "plain", str(tmp_path / "ours"), "--cluster", HERE)
    assert "note:" not in cli.ok(*again, "--answer", "workers=2").out


def test_a_name_with_a_slash_is_quoted(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    cluster = "rack/7 backend=sim capacity=1"
    cli.ok("fleet", "init", "plain", str(folder), "--cluster", cluster)
    assert list(read_fleet(folder)["ce"]) == ["rack/7"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--cluster", "fir partition"), "KEY=VALUE"),
        (("--cluster", "partition=main"), "KEY=VALUE"),
        (("--cluster", "fir 'capacity=2"), "close each quote"),
        (("--cluster", ""), "write its name first"),
        (("--cluster", "fir capacity=2 partitoin=main"), "partition"),
        (("--cluster", "fir capacity=many"), "it must be a whole number"),
        (("--cluster", "fir backend=slurmy capacity=2"), "slurm"),
        (("--cluster", "fir backend=local"), "capacity"),
        (("--answer", "workers"), "KEY=VALUE"),
        (("--answer", "workers=none"), "is not a whole number"),
        (("--answer", "workers=0"), "is below 1"),
        (("--answer", "worker=1"), "workers"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    cli: Cli, tmp_path: Path, words: tuple[str, ...], part: str
) -> None:
    assert part in cli.refused("fleet", "init", "plain", str(tmp_path / "mine"), *words)
    assert not [path for path in tmp_path.iterdir() if path.name != "home"]


def test_a_folder_that_is_there_stays_as_it_is(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    assert "taken" in cli.refused("fleet", "init", "plain", str(folder))
    assert not list(folder.iterdir())
    assert "no such folder" in cli.refused("fleet", "init", "plain", str(tmp_path / "a" / "b"))
    assert "plain" in cli.refused("fleet", "init", "plane", str(tmp_path / "other"))


def test_a_person_at_a_terminal_is_asked(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    answers = ["us", "none", "0", "3", "", HERE, ""]
    screen = typed_on_a_terminal(
        answers, "fleet", "init", "plain", str(folder), PILOTAGE_HOME=str(tmp_path / "home")
    )
    assert "How many workers are kept alive [4]" in screen
    assert "'none' is not a whole number" in screen
    assert "0 is below 1" in screen
    assert (read_fleet(folder)["vo"]["us"]["limit"], list(read_fleet(folder)["ce"])) == (
        3,
        ["here"],
    )


def test_the_recipes_are_listed_with_what_they_are_for(cli: Cli) -> None:
    rows = {row["recipe"]: row["about"] for row in cli.json("fleet", "list")}
    assert rows == {one.name: one.about for one in fleets.recipes()}
    assert "plain" in rows
    assert all(line in cli.ok("fleet", "list").out for line in rows)


def test_the_names_of_recipes_are_whole_where_there_is_little_room(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = cli.ok("fleet", "list").out
    assert all(len(line) <= 80 for line in out.splitlines())
    assert {one.name for one in fleets.recipes()} <= set(out.split())
