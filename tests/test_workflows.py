"""The workflows of a public CI do what the gate does, with pinned actions and without secrets."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

FILES = sorted((Path(__file__).parents[1] / ".github" / "workflows").glob("*.yml"))


def steps_of(file: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def test_one_of_them_runs_the_gate_and_another_what_it_leaves_out() -> None:
    commands = [step.get("run") for file in FILES for step in steps_of(file)]
    assert sorted(filter(None, commands)) == [".ci/run", "make long"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_its_actions_are_of_one_major_version_and_it_needs_no_secret(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    actions = [step["uses"] for step in steps_of(file) if "uses" in step]

    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", action) for action in actions), actions
    assert "secrets." not in text
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
