"""The installed demand sources: finding, checking and asking them."""

import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from worker import plugins
from worker.db import uow
from worker.demand.contract import Source, SourceOptions
from worker.domain.checks import LARGEST
from worker.domain.demand import DemandCounts
from worker.domain.errors import ConfigurationError, DemandUnknown, Invalid
from worker.domain.nearest import nearest
from worker.domain.secrets import REMOVED, hidden_url, without_secrets
from worker.domain.validation import read_options

GROUP = "pilotage.demand_sources"
KIND = "kind"
"""The key of a VO's source that names its kind; the others are the options of that kind."""

log = logging.getLogger(__name__)


@cache
def discover() -> dict[str, Source]:
    """Load every installed source, in the order of their names."""
    sources = plugins.load(GROUP, Source, "demand source")
    for name, source in sources.items():
        if source.name != name:
            raise ConfigurationError(f"demand source {name}", f"it calls itself {source.name}")
    return sources


def check(source_values: Mapping[str, Any]) -> tuple[Source, SourceOptions]:
    """Read the values of a VO's source; raise `Invalid` if they are wrong."""
    sources = discover()
    kind = source_values.get(KIND)
    if kind not in sources:
        raise Invalid(f"demand source {str(kind)!r}", nearest(str(kind), sources))
    source = sources[str(kind)]
    options = {key: value for key, value in source_values.items() if key != KIND}
    return source, read_options(source.options, options, f"demand source {source.name}")


def counts(source_values: Mapping[str, Any]) -> DemandCounts | None:
    """Return what a VO's source counts, without checking its other values; `None` if unknown."""
    source = discover().get(str(source_values.get(KIND)))
    if source is None:
        return None
    word = str(source_values.get("counts", source.options.model_fields["counts"].default))
    return DemandCounts(word) if word in set(DemandCounts) else None


def check_new(source_values: Mapping[str, Any]) -> None:
    """Refuse values that a source does not accept, or with which it would not be asked."""
    source, options = check(source_values)
    objection = options.objection()
    if objection is not None:
        raise Invalid(f"demand source {source.name}", objection)


def shown(source_values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a VO's source without secrets, so that they may be shown."""
    return {key: _shown(value) for key, value in source_values.items()}


def _shown(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    if isinstance(value, Mapping):
        return shown(value)
    if isinstance(value, str):
        return hidden_url(value) if "://" in value else without_secrets(value)
    return value


def with_secrets(
    source_values: Mapping[str, Any], stored: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """Return the values of a source in which secrets that were hidden are put back.

    If the given values equal the stored values as they are shown, the stored ones are returned.
    """
    if REMOVED not in str(source_values):
        return source_values
    if stored is None or shown(stored) != shown(source_values):
        raise Invalid("demand source", f"write what {REMOVED} stands for, or use token_file")
    return stored


def ask(vo: str, source_values: Mapping[str, Any]) -> int:
    """Ask for the demand of a VO: a whole number from 0.

    If the source fails in any way, `DemandUnknown` is raised.
    """
    source, options = check(source_values)
    if uow.is_open():
        raise AssertionError("a source was about to be asked with a unit of work open")
    objection = options.objection()
    if objection is not None:
        raise DemandUnknown(source.name, objection)
    try:
        answer = source.ask(vo, options)
    except DemandUnknown:
        raise
    except Exception as error:  # a plug-in may break in any way
        log.exception("the demand source %s failed", source.name)
        raise DemandUnknown(source.name, type(error).__name__) from error
    if isinstance(answer, bool) or not isinstance(answer, int) or not 0 <= answer <= LARGEST:
        raise DemandUnknown(source.name, f"{str(answer)[:40]!r} is not a whole number from 0")
    return answer
