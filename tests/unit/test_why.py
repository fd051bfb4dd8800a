"""The reasons for the end of a pilot, each said once."""

import pytest

from worker.domain.pilot import Cause, Status
from worker.domain.why import why


@pytest.mark.parametrize(
    ("cause", "raw", "reason", "lines"),
    [
        (Cause.EXIT_CODE, "FAILED", "exit code 78", ["exit code 78"]),
        (Cause.EXIT_CODE, "exit 78", "exit code 78", ["exit code 78"]),
        (Cause.NODE, "exit 69", "exit code 69", ["node", "exit code 69"]),
        (Cause.SIGNAL, "signal 9", "signal 9 (SIGKILL)", ["signal 9 (SIGKILL)"]),
        (Cause.WALLTIME, "TIMEOUT", None, ["walltime", "TIMEOUT"]),
        (Cause.REFUSED, "bad partition", "bad partition", ["refused", "bad partition"]),
        (None, "FAILED", None, []),
    ],
)
def test_nothing_is_said_twice(
    cause: Cause | None, raw: str | None, reason: str | None, lines: list[str]
) -> None:
    assert why(Status.FAILED, cause, raw, reason) == lines
