"""What the console shows about a CE or a VO beside its settings."""

from dataclasses import dataclass
from typing import Any

from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.fields import FieldInfo

from worker.backends import registry
from worker.backends.contract import Options
from worker.db import ces, pilot_reads, vos
from worker.domain.access import Role
from worker.services import ce_lines
from worker.services.allowed import allowed_to
from worker.services.ce_lines import CELine
from worker.services.runtime import Runtime

_BOUNDS = (
    ("minimum", "at least"),
    ("exclusiveMinimum", "above"),
    ("maximum", "at most"),
    ("exclusiveMaximum", "below"),
)
"""The names of bounds in JSON Schema, and the words for people."""


@dataclass(frozen=True, kw_only=True)
class OptionLine:
    """An option of the CEs of a back-end."""

    name: str
    about: str
    bounds: str
    default: Any


@allowed_to(Role.READ)
def lines(runtime: Runtime) -> list[CELine]:
    """List the CEs, one line each, with slots, chance and state."""
    with runtime.database.uow() as tx:
        return ce_lines.ce_lines(tx, runtime)


@allowed_to(Role.READ)
def open_to(runtime: Runtime, vo: str) -> list[str]:
    """Name the CEs that a VO may use."""
    with runtime.database.uow() as tx:
        vos.get(tx, vo)
        closed = ces.allowed_by_ce(tx)
        return [ce for ce in ces.names(tx) if vo in closed.get(ce, {vo})]


@allowed_to(Role.READ)
def active_of(runtime: Runtime, vo: str) -> int:
    """Count the pilots of a VO that wait or run."""
    with runtime.database.uow() as tx:
        return pilot_reads.count_active(tx, vo=vo)


@allowed_to(Role.READ)
def options_of(runtime: Runtime, backend: str) -> list[OptionLine]:
    """List the options of a back-end, with their descriptions and the values that they take."""
    kind = registry.get(runtime.backends, backend).options
    schema = _schema(kind)
    return [
        OptionLine(
            name=field.alias or name,
            about=" ".join((field.description or "").split()),
            bounds=_bounds(schema.get(field.alias or name, {})),
            default=_default(field),
        )
        for name, field in kind.model_fields.items()
    ]


def _default(field: FieldInfo) -> Any:
    """Return the default of an option; `None` if it is required."""
    if field.is_required():
        return None
    return field.get_default(call_default_factory=True, validated_data={})


def _schema(kind: type[Options]) -> dict[str, Any]:
    """Return the JSON schema of each option; empty if the options of a plug-in have none."""
    try:
        properties: dict[str, Any] = kind.model_json_schema().get("properties", {})
    except PydanticInvalidForJsonSchema:
        return {}
    return properties


def _bounds(schema: dict[str, Any]) -> str:
    ways = schema.get("anyOf", [schema])
    words = [f"{word} {way[key]:,.10g}" for way in ways for key, word in _BOUNDS if key in way]
    words += [" or ".join(map(str, way["enum"])) for way in ways if "enum" in way]
    return ", ".join(words)
