"""What a CE of the back-end local may be told."""

from typing import Any

import pytest

from worker.backends import registry
from worker.backends.local.options import LocalOptions
from worker.domain.errors import Invalid


@pytest.mark.parametrize(
    "options",
    [
        {"command": ""},
        {"command": "  "},
        {"command": []},
        {"command": ["", "x"]},
        {"command": ["a\0b"]},
        {"command": "a\0b"},
        {"command": "x" * 100_001},
        {"command": 7},
        {"environment": {"A=B": "x"}},
        {"environment": {"": "x"}},
        {"environment": {"A": "x\0"}},
        {"environment": {"A": 1}},
        {"walltime": 0},
        {"walltime": float("inf")},
        {"grace": -1},
        {"grace": float("nan")},
        {"nice": -1},
        {"nice": 20},
        {"memory": 1},
        {"keep_output": -1},
        {"host": ""},
        {"success_rate": 0.5},
        {"colour": "blue"},
    ],
)
def test_nonsense_is_refused_in_one_line(options: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        registry.check_options(registry.discover(), "local", options)
    assert "\n" not in str(caught.value)
    assert next(iter(options)) in str(caught.value)


def test_a_line_is_for_the_shell_and_a_list_is_a_program() -> None:
    assert LocalOptions(command="echo $A").argv() == ["/bin/sh", "-c", "echo $A"]
    assert LocalOptions(command=("/bin/echo", "$A")).argv() == ["/bin/echo", "$A"]
    assert LocalOptions.model_validate({"command": ["a", "b"]}).argv() == ["a", "b"]
