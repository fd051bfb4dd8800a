"""Values that a validator refuses: the message is ours, in plain words."""

import pytest
from pydantic import BaseModel, ValidationError

from tests.expectations import refused
from worker.backends.registry import check_options, discover
from worker.demand import registry as sources
from worker.domain.errors import ConfigurationError, Invalid
from worker.domain.validation import reason
from worker.settings import Settings, load

BAD: tuple[object, ...] = (
    "soon",
    -1,
    0,
    10**30,
    1.5,
    "",
    "x" * 5000,
    [],
    ["a", 1],
    {},
    {"a": 1},
    True,
    None,
)
FOREIGN = ("Input", "should", "valid", "parse", "Value error", "pydantic", "right kind")
"""Words of the validator itself, and of a sentence that says nothing."""


def models() -> list[type[BaseModel]]:
    return [
        Settings,
        *(backend.options for backend in discover().values()),
        *(source.options for source in sources.discover().values()),
    ]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_refused_value_is_answered_in_plain_words(model: type[BaseModel]) -> None:
    refusals = 0
    for name in model.model_fields:
        for value in BAD:
            try:
                model(**{name: value})
            except ValidationError as error:
                for problem in error.errors():
                    refusals += 1
                    sentence = reason(problem)
                    assert not any(word in sentence for word in FOREIGN), (name, value, sentence)
    assert refusals


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("queue_time", "soon", "it must be a number"),
        ("queue_time", -1, "it must be at least 0"),
        ("check_soonest", 0, "it must be above 0"),
        ("seed", "x", "it must be a whole number"),
    ],
)
def test_an_option_says_what_it_must_be(key: str, value: object, sentence: str) -> None:
    with refused(Invalid, f"option {key!r} of back-end sim: {sentence}"):
        check_options(discover(), "sim", {key: value})


def test_a_setting_is_named_as_it_was_written() -> None:
    with refused(ConfigurationError, "PILOTAGE_BATCH: it must be at least 1"):
        load({"PILOTAGE_BATCH": "0"})
    with refused(ConfigurationError, "PILOTAGE_TIME_LIMIT: it must be a number"):
        load({"PILOTAGE_TIME_LIMIT": "soon"})
