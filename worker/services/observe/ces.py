"""What a page about a CE or a VO shows beside its settings."""

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
"""How JSON Schema calls a bound, and how people do."""


@dataclass(frozen=True, kw_only=True)
class OptionLine:
    """An option that the CEs of a back-end have."""

    name: str
    about: str
    bounds: str
    default: Any


@allowed_to(Role.READ)
def lines(runtime: Runtime) -> list[CELine]:
    """Show each CE in a line: its slots, its chance, its state."""
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
    """List the options of a back-end: what each says, and which values it takes."""
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
    """Return what is so if an option is left out; nothing of one that must be given."""
    if field.is_required():
        return None
    return field.get_default(call_default_factory=True, validated_data={})


def _schema(kind: type[Options]) -> dict[str, Any]:
    """Return the schema of each option; the options of a plug-in may have none."""
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
