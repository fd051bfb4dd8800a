"""The meaning of exit codes."""

import pytest

from worker.domain import exits
from worker.domain.pilot import Cause


@pytest.mark.parametrize(
    ("code", "cause", "reason"),
    [
        (None, None, None),
        (0, None, None),
        (1, Cause.EXIT_CODE, "exit code 1"),
        (128, Cause.EXIT_CODE, "exit code 128"),
        (137, Cause.SIGNAL, "signal 9 (SIGKILL)"),
        (-15, Cause.SIGNAL, "signal 15 (SIGTERM)"),
        (128 + 60, Cause.SIGNAL, "signal 60"),
        (128 + 65, Cause.EXIT_CODE, "exit code 193"),
        (255, Cause.EXIT_CODE, "exit code 255"),
    ],
)
def test_an_exit_code_is_a_cause(code: int | None, cause: Cause | None, reason: str | None) -> None:
    assert exits.meaning(code) == (cause, reason)


def test_the_signal_of_a_shell_and_that_of_python_are_one() -> None:
    assert exits.signal_of(exits.code_of(11)) == exits.signal_of(-11) == 11
