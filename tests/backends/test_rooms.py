"""Modules with the same role have the same name in all back-ends."""

from pathlib import Path

import pytest

from worker import backends

OURS = ("arc", "htcondor", "local", "sim", "slurm")
EVERYWHERE = {"driver", "options", "states", "output", "memory"}
"""The modules of each back-end."""


def files(backend: str) -> set[str]:
    return {path.stem for path in (Path(backends.__file__).parent / backend).glob("[a-z]*.py")}


@pytest.mark.parametrize("backend", OURS)
def test_what_each_back_end_has_is_called_the_same(backend: str) -> None:
    assert files(backend) >= EVERYWHERE


@pytest.mark.parametrize("backend", ["arc", "htcondor", "slurm"])
def test_what_is_reached_over_the_network_is_asked_sent_to_and_read(backend: str) -> None:
    assert files(backend) >= {"client", "submit", "look", "answers"}
