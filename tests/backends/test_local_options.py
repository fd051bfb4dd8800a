"""The options of a CE of the back-end local."""

from typing import Any

import pytest

from worker.backends import registry
from worker.backends.local.options import LocalOptions
from worker.backends.option_types import argv
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
        {"environment": {"A-B": "x"}},
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
    assert argv("echo $A") == ["/bin/sh", "-c", "echo $A"]
    assert argv(("/bin/echo", "$A")) == ["/bin/echo", "$A"]
    assert argv(LocalOptions.model_validate({"command": ["a", "b"]}).command) == ["a", "b"]


def test_each_option_says_what_it_is() -> None:
    for name, field in LocalOptions.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
