"""The number of plays to try, and their settings."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import Engine

from tests.stateful.machine import Machine
from tests.stateful.site import Site
from worker.db import pilots
from worker.db.uow import UnitOfWork

ODD = list(HealthCheck)
"""Health checks to leave out: a play is long, and has many steps."""

SHORT = settings(max_examples=30, stateful_step_count=20, suppress_health_check=ODD)
"""The same plays each time."""

LONG = settings(SHORT, max_examples=600, stateful_step_count=40, derandomize=False)
"""Other plays each time."""


def some(uow: UnitOfWork) -> settings:
    """Try some examples, fewer where each costs more."""
    return settings(max_examples=8 if uow.engine.dialect.name == "postgresql" else 30)


Try = Callable[[settings], None]


def number_stamps(patch: pytest.MonkeyPatch) -> None:
    """Give the same play the same stamps: they decide the lives of simulated jobs."""
    numbers = count(1)
    patch.setattr(pilots, "token_hex", lambda length: f"{next(numbers):0{2 * length}x}")


def run(engine: Engine, pour: Callable[[Engine], None], home: Path, how: settings) -> None:
    """Try many plays."""

    def machine() -> Machine:
        number_stamps(patch)
        pour(engine)
        return Machine(Site(engine, home))

    factory: Any = machine
    with pytest.MonkeyPatch.context() as patch:
        run_state_machine_as_test(factory, settings=how)
