"""Every number in the options of a CE or a demand source has bounds."""

from collections.abc import Iterator
from typing import Any

import pytest

from worker.backends import registry as backends
from worker.demand import registry as sources
from worker.domain.errors import Invalid
from worker.domain.validation import Table

KINDS: dict[str, type[Table]] = {
    **{f"back-end {name}": one.options for name, one in backends.discover().items()},
    **{f"demand source {name}": one.options for name, one in sources.discover().items()},
}
ENDS = (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum"))
TIMES_AND_RATES = [
    (backend, name)
    for backend, one in backends.discover().items()
    for name in one.options.model_fields
    if name.startswith(("check_", "call")) or name.endswith(("_delay", "_per_minute"))
]


def numbers(schema: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every number in a schema, with the path to it."""
    if isinstance(schema, list):
        for one in schema:
            yield from numbers(one, place)
    elif isinstance(schema, dict):
        if schema.get("type") in ("number", "integer"):
            yield place, schema
        for key, inner in schema.items():
            yield from numbers(inner, f"{place}.{key}" if key not in ("anyOf", "items") else place)


@pytest.mark.finding("L9")
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_l9_every_number_of_an_option_has_a_lowest_and_a_highest_value(kind: type[Table]) -> None:
    all_numbers = list(numbers(kind.model_json_schema(), kind.__name__))
    numbers_without_bounds = [
        place
        for place, one in all_numbers
        if not all(any(name in one for name in end) for end in ENDS)
    ]

    assert all_numbers
    assert not numbers_without_bounds


@pytest.mark.finding("L9")
@pytest.mark.parametrize(("backend", "name"), TIMES_AND_RATES)
@pytest.mark.parametrize("value", [1e18, float("nan"), float("inf"), -1])
def test_l9_a_number_that_nobody_can_mean_is_refused_in_one_line(
    backend: str, name: str, value: float
) -> None:
    more = {"url": "https://ce.example.org"} if backend == "arc" else {}

    with pytest.raises(Invalid, match=name) as refusal:
        backends.check_options(backends.discover(), backend, {**more, name: value})

    assert "\n" not in str(refusal.value)
