"""Write docs/reference from the code, and the parts of other pages that repeat the code.

    python docs/generate.py            write what is out of date
    python docs/generate.py --check    change nothing; exit 1 and name what is out of date

A page of the reference has no second author: what it says stands in a docstring, a table or a
command, and is changed there. In other pages the same holds for what stands between two marks.
"""

import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from enum import StrEnum
from importlib import import_module
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

import annotated_types
import click
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from sqlalchemy import CheckConstraint, Column, Index, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql, sqlite

import pilotage as _installation  # noqa: F401 - makes `worker` importable from everywhere
import worker
from worker.backends.arc.options import ArcAuthentication
from worker.backends.contract import Backend, Options
from worker.backends.htcondor.options import HTCondorAuthentication
from worker.backends.registry import GROUP
from worker.backends.sim.kinds import DEFAULTS as FAULT_DEFAULTS
from worker.backends.sim.kinds import Fault
from worker.backends.sim.options import Spread
from worker.cli.main import pilotage
from worker.db.chains import CORE_CHAIN, Chain, ChainState
from worker.db.failures import By
from worker.db.sums import ReportBy
from worker.demand.answers import Measure
from worker.demand.contract import Unknown
from worker.domain import errors
from worker.domain.access import Role
from worker.domain.call_tally import CallKind, CallOutcome
from worker.domain.change import Door
from worker.domain.closing import ClosedBy
from worker.domain.credential import CredentialKind
from worker.domain.credential import State as CredentialState
from worker.domain.demand import DemandCounts
from worker.domain.lengths import in_two_units
from worker.domain.pilot import (
    CE_FAULTS,
    FINAL,
    MOVES,
    OCCUPYING,
    WAITING,
    Cause,
    ExitMeaning,
    Status,
    Use,
)
from worker.domain.pilot_report import PilotState
from worker.domain.schedule import Outcome, ScheduleSetting, Scope, VOSchedule
from worker.domain.sending import Sending
from worker.domain.tally import Grain
from worker.domain.token import TokenKind
from worker.domain.variable import Kind as VariableKind
from worker.domain.webhook import WebhookEventKind
from worker.domain.words import Described
from worker.policy.outcomes import EventKind as Learnt
from worker.policy.parameters import Parameters
from worker.services.log_lines import Trigger
from worker.services.observe.counters import CEEnd, VOEnd
from worker.services.observe.metric import MetricKind
from worker.services.observe.metrics import METRICS
from worker.services.runtime import Runtime
from worker.services.tasks import catalogue
from worker.settings import FROM_FILE, PREFIX, Settings
from worker.simulation.scenario import TroubleKind
from worker.web import problems
from worker.web.app import make_app
from worker.web.documents import ABOUT

FOLDER = Path(__file__).parent / "reference"
WIDTH = 88

MODELS = (VOSchedule, ScheduleSetting)
"""The tables that stand inside the settings file."""

FOUND_AT_START = {
    "home": "`$XDG_STATE_HOME/pilotage`, else `~/.local/state/pilotage`",
    "database_url": "`pilotage.sqlite` in the state folder",
}
"""Defaults that depend on the machine."""


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or say which are out of date."""
    if set(arguments) - {"--check"}:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    stale = list(_stale())
    for path, text in stale:
        sys.stdout.write(f"out of date: {path.relative_to(FOLDER.parent.parent)}\n")
        if "--check" not in arguments:
            _write(path, text)
    return 1 if stale and "--check" in arguments else 0


def _stale() -> Iterator[tuple[Path, str | None]]:
    wanted = {FOLDER / f"{name}.md": page() for name, page in PAGES.items()}
    for path, text in wanted.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            yield path, text
    for path in sorted(FOLDER.glob("*")):
        if path not in wanted:
            yield path, None
    for path, parts in PARTS.items():
        text = path.read_text(encoding="utf-8")
        renewed = _with_parts(text, parts)
        if renewed != text:
            yield path, renewed


def _with_parts(text: str, parts: Mapping[str, Callable[[], str]]) -> str:
    """Return a page with each part between its marks written anew."""
    for name, part in parts.items():
        begin, end = f"<!-- {name}: written by docs/generate.py -->", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        _, mark, after = rest.partition(end)
        if not mark:
            raise ValueError(f"the marks of the part {name} are missing")
        text = f"{before}{begin}\n\n{part()}\n\n{end}{after}"
    return text


def _write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


# -- settings


def settings() -> str:
    """Describe every setting."""
    meanings = _meanings(Settings)
    rows = [
        (
            f"`{PREFIX}{name.upper()}`",
            f"`{name}`",
            _kind(field.annotation, field.metadata),
            FOUND_AT_START.get(name, _default(field)),
            meanings[name],
        )
        for name, field in Settings.model_fields.items()
    ]
    inner = [
        f"## Keys of a schedule: `{model.__name__}`\n\n{_sentence(model.__doc__)}\n\n"
        f"{_options(model, ())}"
        for model in MODELS
    ]
    return _page(
        "Settings",
        f"""
A setting is a variable of the environment that begins with `{PREFIX}`, or a key of a TOML file
that `{PREFIX}CONFIG` names, or its default: the first of these that is there.
A variable or key that is not on this page is an error. A variable whose name ends in `{FROM_FILE}`
names a file that holds the value: `{PREFIX}DATABASE_URL{FROM_FILE}` is for a secret.
What differs from CE to CE or from VO to VO is no setting: see
[the back-ends' options](backends.md) and [the command line](command-line.md).
""",
        _table(("variable", "key", "kind", "default", "meaning"), rows),
        *inner,
    )


def _options(model: type[BaseModel], left_out: Iterable[str]) -> str:
    meanings = _meanings(model)
    rows = [
        (
            f"`{name}`",
            _kind(field.annotation, field.metadata),
            _default(field),
            meanings[name],
        )
        for name, field in model.model_fields.items()
        if name not in left_out
    ]
    return _table(("key", "kind", "default", "meaning"), rows)


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """Return the sentence under each field. A field that is declared anew has the last one."""
    meanings: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, BaseModel) and cls is not BaseModel:
            meanings |= _attribute_docstrings(cls)
    return meanings


KINDS: Mapping[Any, str] = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
    Path: "folder",
    SecretStr: "text, never shown",
}


def _kind(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """Say in words what values a field takes."""
    bounds = _bounds([*metadata, *_inner_metadata(annotation)])
    return f"{_word(annotation)}{f', {bounds}' if bounds else ''}"


def _word(annotation: Any) -> str:
    if annotation in KINDS:
        return KINDS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        words = [f"`{member}`" for member in annotation]
        return " or ".join(words) if len(words) < 6 else f"a {annotation.__name__.lower()}"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _word(arguments[0])
    if origin in (Union, UnionType):
        return " or ".join(_word(one) for one in arguments if one is not NoneType)
    if origin is Literal:
        return " or ".join(f"`{one}`" for one in arguments)
    if origin is tuple:
        return "list"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "table"
    return str(getattr(annotation, "__name__", annotation))


def _inner_metadata(annotation: Any) -> Iterator[Any]:
    for argument in get_args(annotation):
        if isinstance(argument, FieldInfo):
            yield from argument.metadata
        elif isinstance(argument, annotated_types.BaseMetadata):
            yield argument
        else:
            yield from _inner_metadata(argument)


def _bounds(metadata: Iterable[Any]) -> str:
    low, high = "", ""
    for one in metadata:
        if isinstance(one, annotated_types.Ge) and not low:
            low = f"≥ {one.ge:,}"
        if isinstance(one, annotated_types.Gt):
            low = f"> {one.gt:,}"
        if isinstance(one, annotated_types.Le):
            high = f"≤ {one.le:,}"
    return ", ".join(filter(None, (low, high)))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "none: it must be given"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value in ({}, (), ""):
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"`{key}` {item:g}" for key, item in value.items())
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


# -- the command line


def command_line() -> str:
    """Show the help of every command."""
    sections = [
        f"{'#' * min(1 + len(path), 4)} `{' '.join(path)}`\n\n```text\n{text}\n```"
        for path, text in _helps(pilotage, None, ("pilotage",))
    ]
    return _page(
        "Command line",
        """
The command is `pilotage`; `python -m pilotage` is the same.
It leaves with exit code 0, or says in one line on standard error what is wrong and leaves with 1.
Lists and single things take `--json`. What destroys something does it only with `--yes`.
""",
        *sections,
    )


def _helps(
    command: click.Command, parent: click.Context | None, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str]]:
    context = click.Context(
        command, parent, path[-1], terminal_width=WIDTH, max_content_width=WIDTH, color=False
    )
    lines = command.get_help(context).splitlines()
    yield path, "\n".join(line.rstrip() for line in lines).strip()
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                yield from _helps(found, context, (*path, name))


# -- statuses


def statuses() -> str:
    """Describe what a pilot may be, become and fail of."""
    rows = [
        (
            f"`{status}`",
            status.sentence,
            _yes(status in OCCUPYING),
            _yes(status in WAITING),
            _yes(status in FINAL),
            ", ".join(f"`{to}`" for to in Status if to in MOVES[status]) or "–",
        )
        for status in Status
    ]
    causes = [(f"`{cause}`", cause.sentence, _yes(cause in CE_FAULTS)) for cause in Cause]
    return _page(
        "Statuses, causes and moves",
        """
A pilot has one status. The moves on this page are the only ones: the statement that moves pilots
leaves every other undone. Each leaves a row in [`transitions`](tables.md#transitions), but for the
birth of a pilot and a claim without words: these two stand in the pilot itself, as `reserved_at`
and `claimed_at`.
""",
        "## Statuses",
        _table(("status", "meaning", "occupies", "waits", "final", "may become"), rows),
        """
*Occupies*: it counts against the capacity of its CE and the limit of its VO. *Waits*: it counts
against the waiting limit of its CE. `lost` is final, but a pilot that turns up after all is taken
back for what it is. From `running` to `submitted` is a requeue, and is counted.
""",
        f"## Moves\n\n```mermaid\n{_diagram()}\n```",
        "## Causes",
        "A pilot that failed has a cause; no other has one.",
        _table(("cause", "meaning", "counts against the CE"), causes),
        "## Uses",
        "A pilot that is done has a use, if it ended since uses are stored; no other has one.",
        _table(("use", "meaning"), [(f"`{use}`", use.sentence) for use in Use]),
        "## Words of other things",
        _words("Meaning of an exit code", ExitMeaning),
        _words("Sending of a CE", Sending),
        _words("Scope of a task", Scope),
        _words("Outcome of an execution", Outcome),
    )


def _diagram() -> str:
    lines = ["stateDiagram-v2", "    [*] --> reserved"]
    lines += [f"    {was} --> {to}" for was in Status for to in Status if to in MOVES[was]]
    lines += [f"    {status} --> [*]" for status in Status if status in FINAL]
    return "\n".join(lines)


def _words(title: str, enum: type[Described]) -> str:
    rows = [(f"`{member}`", member.sentence) for member in enum]
    return f"### {title}\n\n{_table(('word', 'meaning'), rows)}"


# -- tables


def tables() -> str:
    """Describe every table of every chain that we ship."""
    chains = [CORE_CHAIN, *(backend.chain for backend in _backends())]
    return _page(
        "Tables",
        """
Each chain owns its tables and has its own line of migrations. The tables of a back-end begin with
its name. No table of the core points at a back-end's table. Types are those of PostgreSQL; where
SQLite has another, it stands behind the stroke. Times are UTC. Where a table has `updated_at`, a
trigger keeps it.
""",
        *(section for chain in chains for section in _chain(chain)),
    )


def _chain(chain: Chain) -> Iterator[str]:
    yield f"## Chain `{chain.name}`"
    yield f"Its revision is kept in `{chain.version_table}`."
    for name in chain.tables:
        table = chain.metadata.tables[name]
        yield f"### {name}"
        yield _sentence(table.comment)
        yield _table(("column", "type", "null", "default"), [_column(c) for c in table.columns])
        yield "\n".join(f"- {rule}" for rule in _rules(table))


def _column(column: Column[Any]) -> tuple[str, str, str, str]:
    kinds = [
        column.type.compile(dialect=dialect)
        for dialect in (postgresql.dialect(), sqlite.dialect())  # type: ignore[no-untyped-call]
    ]
    default = getattr(column.server_default, "arg", None)
    return (
        f"`{column.name}`",
        " / ".join(dict.fromkeys(kinds)),
        _yes(bool(column.nullable)),
        "–" if default is None else f"`{getattr(default, 'text', None) or default}`",
    )


def _rules(table: Table) -> Iterator[str]:
    keys = ", ".join(f"`{column.name}`" for column in table.primary_key)
    yield f"primary key: {keys}"
    for column in table.columns:
        for link in column.foreign_keys:
            yield f"`{column.name}` points at `{link.target_fullname}`, on delete {link.ondelete}"
    said = []
    for constraint in table.constraints:
        name = postgresql.dialect().identifier_preparer.format_constraint(constraint)  # type: ignore[no-untyped-call]
        if isinstance(constraint, UniqueConstraint):
            said.append(f"`{name}`: unique {', '.join(constraint.columns.keys())}")
        if isinstance(constraint, CheckConstraint):
            said.append(f"`{name}`: {_sql(constraint.sqltext)}")
    yield from sorted(said)
    yield from sorted(map(_index, table.indexes))


def _index(index: Index) -> str:
    kind = "unique index" if index.unique else "index"
    columns = ", ".join(column.name for column in index.columns)
    where = index.dialect_options["postgresql"]["where"]
    return f"`{index.name}`: {kind} on {columns}{'' if where is None else f' where {_sql(where)}'}"


def _sql(clause: Any) -> str:
    text = clause.compile(
        dialect=postgresql.dialect(),  # type: ignore[no-untyped-call]
        compile_kwargs={"literal_binds": True, "include_table": False},
    )
    return f"`{' '.join(str(text).split())}`"


# -- errors


def error_tree() -> str:
    """Show the tree of errors, and what each says."""
    tree = [line for line in (errors.__doc__ or "").splitlines() if line.startswith("    ")]
    rows = [
        (f"`{error.__name__}`", _sentence(error.__doc__), f"`{error.__base__.__name__}`")
        for error in _heirs(errors.PilotageError)
        if error.__base__ is not None
    ]
    return _page(
        "Errors",
        """
Every error that is meant for a person is one line: the sentence of its kind, then the details,
then what to do. Where a name is unknown, the nearest known one is suggested. A message never holds
a password.

| exit code | meaning |
| --- | --- |
| 0 | It worked. |
| 1 | An error of the tree below. |
| 2 | Wrong use: an unknown command or option, a missing argument, a value of the wrong type. |
""",
        "```text\n" + "\n".join(line.removeprefix("    ") for line in tree) + "\n```",
        _table(("error", "says", "is a"), rows),
    )


def _heirs(error: type[Exception]) -> Iterator[type[Exception]]:
    for heir in error.__subclasses__():
        if heir.__module__ == errors.__name__:
            yield heir
            yield from _heirs(heir)


# -- tasks


def tasks() -> str:
    """Describe every periodic task that we ship."""
    rows = [
        (
            f"[`{task.name}`](#{task.name})",
            f"`{task.scope}`",
            f"`{task.cron}`" if task.cron else f"{task.every:g} s",
            f"`{task.queue}`",
            task.about,
        )
        for task in catalogue.BUILT_IN
    ]
    sections = [
        f"## {task.name}\n\n{_docstring_of(task)}\n\n"
        f"By hand: `pilotage task run {task.name}{_subject(task)}`"
        for task in catalogue.BUILT_IN
    ]
    return _page(
        "Tasks",
        """
Each task fires by its schedule, for each VO, for each CE, or once for all; the schedules here are
the defaults. `pilotage task list` shows those of a database, `pilotage task schedule` changes them.
Messages for tasks that only use the database go to the queue `plan`, those for tasks that wait for
others, a CE, a source or a command, to the queue `call`. `dispatch` is also sent as soon as
`submit_pilots` has reserved something.
""",
        _table(("task", "scope", "fires", "queue", "does"), rows),
        *sections,
    )


def _docstring_of(task: catalogue.Task) -> str:
    module = import_module(f"{catalogue.__package__}.{task.name}")
    text = (inspect.getdoc(module) or "").partition(": ")[2]
    return text[:1].upper() + text[1:]


def _subject(task: catalogue.Task) -> str:
    return "" if task.scope is Scope.GLOBAL else f" --{task.scope} {task.scope.upper()}"


# -- metrics


def metrics() -> str:
    """Describe every metric."""
    rows = [
        (
            f"`{metric.name}`",
            metric.kind,
            ", ".join(f"`{label}`" for label in metric.labels),
            metric.about,
        )
        for metric in METRICS
    ]
    return _page(
        "Metrics",
        """
`pilotage metrics` and `/metrics` print them in Prometheus's text format: see
[Watch it with Prometheus](../how-to/monitor.md). All are read from the database at that moment, so
each process that is asked answers the same, and a counter goes on when a process is restarted. No
metric has a CE and a VO together: there are as many series as CEs (17 each) and VOs (32 each), and
some hundreds more. A summary has the series `_sum` and `_count`, a histogram `_bucket` too. The VO
`all` stands for every VO that has none of its own.
""",
        _table(("metric", "kind", "labels", "meaning"), rows),
    )


# -- back-ends


def backends() -> str:
    """Describe every back-end that we ship, and what its CEs may be told."""
    sections = []
    common = _meanings(Options)
    for backend in _backends():
        own = [
            name
            for name, field in Options.model_fields.items()
            if field.default == backend.options.model_fields[name].default
            and common[name] == _meanings(backend.options)[name]
        ]
        sections += [
            f"## {backend.name}",
            backend.about,
            _options(backend.options, own),
        ]
        if backend.name == "sim":
            sections += ["### Faults", FAULTS, _faults()]
    return _page(
        "Back-ends",
        """
An option is set on a CE: `pilotage ce set NAME --option KEY=VALUE`. A key that is not here is
refused. Every back-end, also one of another distribution, knows the options of all back-ends.
""",
        "## All back-ends",
        _options(Options, ()),
        *sections,
    )


FAULTS = """
Each fault can be switched on and off while the simulator runs:
`worker.backends.sim.faults.switch_on(uow, ce, fault, rate, until, **settings)` and `switch_off`.
The rate is the share of calls, or of pilots, that it strikes.
""".strip()


def _faults() -> str:
    rows = [
        (
            f"`{fault}`",
            fault.sentence,
            ", ".join(f"`{key}`" for key in FAULT_DEFAULTS.get(fault, {})) or "–",
        )
        for fault in Fault
    ]
    return _table(("fault", "what is wrong", "may be told"), rows)


def _backends() -> list[Backend]:
    """Load the back-ends of this distribution; others that are installed have their own docs."""
    points = entry_points(group=GROUP)
    ours = {point for point in points if point.module.split(".")[0] == "worker"}
    return [point.load() for point in sorted(ours, key=lambda point: point.name)]


# -- Markdown


def _page(title: str, *sections: str) -> str:
    note = "<!-- Written by docs/generate.py from the code. Change it there. -->"
    return "\n\n".join([f"# {title}", note, *(part.strip() for part in sections)]) + "\n"


# -- the API

BROKEN = 500
"""The status of errors that no request can have."""

AS_A_DOCUMENT = """\
The same as a document for programs: `GET /api/openapi.json`, with a token like all else.
[How scripts use it](../how-to/api.md) explains keys, pages and events."""

HOW_TO_CALL = """\
```sh
pilotage token create nightly --role operate --to token
curl --header "Authorization: Bearer $(cat token)" \\
  'http://127.0.0.1:8017/api/pilots?status=failed&sort=ended_at&descending=true&limit=20'
```

In Python:

```python
import httpx

token = open("token").read().strip()
api = httpx.Client(
    base_url="http://127.0.0.1:8017/api", headers={"Authorization": f"Bearer {token}"}
)

which = {"status": "running", "limit": 1000}
while True:
    answer = api.get("/pilots", params=which)
    answer.raise_for_status()
    page = answer.json()
    for pilot in page["items"]:
        print(pilot["id"], pilot["ce"], pilot["run_time"])
    if page["next"] is None:
        break
    which["after"] = page["next"]

held = api.post(
    "/ces/lyon/pilots", json={"vo": "default", "count": 2}, headers={"Idempotency-Key": "monday-1"}
)
print(held.status_code, held.json())
```"""


def api() -> str:
    """Describe every request of the API."""
    document = make_app(cast(Runtime, None), checks={}).openapi()
    schemas = document["components"]["schemas"]
    by_group: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    # What pilots send is matched first, and read last.
    paths = sorted(document["paths"].items(), key=lambda one: one[0] == "/api/pilots/me")
    for path, operations in paths:
        for method, operation in operations.items():
            group = operation["tags"][0]
            by_group.setdefault(group, []).append((method.upper(), path, operation))
    parts = [
        ABOUT.strip(),
        AS_A_DOCUMENT,
        HOW_TO_CALL,
        "## Errors",
        _table(("status", "type", "sentence"), _problems()),
    ]
    for group, operations in by_group.items():
        parts.append(f"## {group}")
        parts += [_operation(*one, schemas) for one in operations]
    return _page("The API", *parts)


def _problems() -> Iterator[tuple[str, str, str]]:
    for word, kind in sorted(errors.kinds().items()):
        if problems.status_of(kind) != BROKEN:
            yield str(problems.status_of(kind)), f"`/api/problems/{word}`", errors.title_of(kind)


def _operation(
    method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]
) -> str:
    parts = [f"### `{method} {path}`", f"{operation['summary']}. {operation['description']}"]
    rows: list[tuple[str, ...]] = [
        (f"`{one['name']}`", one["in"], _type(one["schema"], schemas), one.get("description", ""))
        for one in operation.get("parameters", [])
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        rows += [(f"`{n}`", "body", *rest) for n, *rest in _fields(body["schema"], schemas)]
    if rows:
        parts.append(_table(("parameter", "in", "type", "meaning"), rows))
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            parts.append(_answer(status, answer, schemas))
    return "\n\n".join(part.strip() for part in parts)


def _answer(status: str, answer: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    content = answer.get("content", {})
    schema = content.get("application/json", {}).get("schema")
    if not schema:
        kinds = ", ".join(f"`{kind}`" for kind in content)
        return f"Answer {status}: {kinds or 'nothing'}."
    names = ", ".join(f"`{name}`" for name, *_ in _fields(schema, schemas))
    return f"Answer {status}: {_type(schema, schemas)}{f' with {names}' if names else ''}."


def _fields(
    schema: Mapping[str, Any], schemas: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """Yield the fields of a table, or of the items of a list or a page of them."""
    schema = _resolved(schema, schemas)
    items = schema.get("items") or schema.get("properties", {}).get("items", {}).get("items")
    if items:
        schema = _resolved(items, schemas)
    needed = schema.get("required", ())
    for name, one in schema.get("properties", {}).items():
        meaning = one.get("description", "")
        yield name, f"{_type(one, schemas)}{', needed' if name in needed else ''}", meaning


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    [first, *_] = schema.get("anyOf") or [schema]
    reference = first.get("$ref")
    resolved: Mapping[str, Any] = schemas[reference.rpartition("/")[2]] if reference else first
    return resolved


def _type(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """Write a type as people say it. That a value may be left out or null is not said."""
    if "anyOf" in schema:
        kinds = [one for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(_type(one, schemas) for one in kinds))
    if "$ref" in schema:
        return _reference(schema["$ref"].rpartition("/")[2], schemas)
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}), schemas)}"
    if schema.get("format") == "date-time":
        return "moment"
    return str(schema.get("type", "anything"))


def _reference(name: str, schemas: Mapping[str, Any]) -> str:
    """Write a type by its words if it is one of a few, else by its name."""
    words = schemas[name].get("enum")
    if words:
        return "one of " + ", ".join(f"`{word}`" for word in words)
    page = re.fullmatch(r"Page_(\w+)_", name)
    return f"page of {page[1]}" if page else name


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split())


def _yes(value: bool) -> str:  # noqa: FBT001 - a value to be shown, not a switch
    return "yes" if value else "no"


PAGES: Mapping[str, Callable[[], str]] = {
    "settings": settings,
    "command-line": command_line,
    "statuses": statuses,
    "tables": tables,
    "errors": error_tree,
    "tasks": tasks,
    "metrics": metrics,
    "backends": backends,
    "api": api,
}
"""The pages of the reference, and who writes each."""


# -- parts of pages that people wrote


def layers() -> str:
    """Show the map of the layers, and the order in which to read them."""
    _, _, text = (worker.__doc__ or "").partition("\n\n")
    return re.sub(
        r"^(?: {4}.*\n?)+",
        lambda block: f"```text\n{textwrap.dedent(block[0]).rstrip()}\n```\n",
        text,
        flags=re.MULTILINE,
    ).strip()


def parameters() -> str:
    """Describe the parameters of the policy."""
    meanings = _attribute_docstrings(Parameters)
    rows = [
        (f"`{field.name}`", _number(field.default), meanings[field.name])
        for field in fields(Parameters)
    ]
    return _table(("name", "default", "meaning"), rows)


def _number(value: Any) -> str:
    return in_two_units(value) if isinstance(value, timedelta) else f"{value:g}"


def _attribute_docstrings(cls: type) -> dict[str, str]:
    [tree] = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    return {
        one.target.id: _sentence(str(text.value.value))
        for one, text in pairwise(body)
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


ENUMERATIONS: Mapping[str, type[Described]] = {
    "status of a pilot": Status,
    "cause of a failure": Cause,
    "use of a good end": Use,
    "meaning of an exit code": ExitMeaning,
    "what a pilot says": PilotState,
    "sending state of a CE": Sending,
    "what closes a VO or a CE": ClosedBy,
    "state of a credential": CredentialState,
    "kind of credential": CredentialKind,
    "rule for an unknown demand": Unknown,
    "what a demand source counts": DemandCounts,
    "what is read of an answer": Measure,
    "scope of a task": Scope,
    "outcome of an execution": Outcome,
    "outcome that is learnt": Learnt,
    "group of failures": By,
    "length of a tally": Grain,
    "group of sums": ReportBy,
    "end of a pilot of a CE": CEEnd,
    "end of a pilot of a VO": VOEnd,
    "kind of metric": MetricKind,
    "trigger of an execution": Trigger,
    "kind of call": CallKind,
    "outcome of a call": CallOutcome,
    "place of a database on its chain": ChainState,
    "kind of variable": VariableKind,
    "door of a change": Door,
    "event of the webhook": WebhookEventKind,
    "role at the API": Role,
    "kind of token": TokenKind,
    "authentication at ARC": ArcAuthentication,
    "authentication at HTCondor": HTCondorAuthentication,
    "spread of times (sim)": Spread,
    "fault of a CE (sim)": Fault,
    "trouble in a scenario": TroubleKind,
}
"""The enumerations that people meet, and what a word of each is."""


def fixed_words() -> str:
    """List the words of all enumerations that people meet."""
    rows = [
        (f"`{member}`", what, member.sentence)
        for what, enum in ENUMERATIONS.items()
        for member in enum
    ]
    return _table(("word", "is a", "meaning"), sorted(rows))


DOCS = Path(__file__).parent
STORED_COSTS = DOCS.parent / "tests" / "bench" / "stored.json"


def costs() -> str:
    """Show the stored run of the benchmark beside its goals."""
    run = json.loads(STORED_COSTS.read_text(encoding="utf-8"))
    rows = [
        (
            f"{line['operation']}, {line['rows']:,}",
            f"{line['ours_ms']:.2f}",
            f"{line['floor_ms']:.2f}",
            f"{line['ratio']:.1f}",
            f"{line['goal']:g}",
            str(line["statements"]),
        )
        for line in run["compared"]
    ]
    figures = [
        (figure["name"], f"{figure['value']:,.0f} {figure['unit']}", f"{figure['goal']:,g}")
        for figure in run["figures"]
    ]
    head = ("operation, pilots", "ms", "floor, ms", "times the floor", "goal", "statements")
    return "\n\n".join([_table(head, rows), _table(("figure", "value", "goal"), figures)])


def growth() -> str:
    """Show how costs grow in the stored run."""
    run = json.loads(STORED_COSTS.read_text(encoding="utf-8"))
    return "\n\n".join(
        _table(
            (f"ms, by {by} pilots", *(f"{size:,}" for size in lines[0]["sizes"]), "exponent"),
            [
                (line["name"], *(f"{ms:.2f}" for ms in line["ms"]), f"{line['exponent']:.2f}")
                for line in lines
            ],
        )
        for by, lines in run["growth"].items()
    )


def workers() -> str:
    """Show what several workers did at once in the stored run."""
    crowds = json.loads(STORED_COSTS.read_text(encoding="utf-8"))["crowds"]
    return _table(
        ("workers", "lives a second", "times one", "median wait for a lock, ms"),
        [
            (
                str(crowd["workers"]),
                f"{crowd['pilots_per_second']:,.0f}",
                f"{crowd['pilots_per_second'] / crowds[0]['pilots_per_second']:.2f}",
                f"{1000 * crowd['median_wait']:.1f}",
            )
            for crowd in crowds
        ],
    )


PARTS: Mapping[Path, Mapping[str, Callable[[], str]]] = {
    DOCS / "glossary.md": {"fixed words": fixed_words},
    DOCS / "why" / "architecture.md": {"layers": layers},
    DOCS / "why" / "policy.md": {"parameters": parameters},
    DOCS / "why" / "cost.md": {"costs": costs, "growth": growth, "workers": workers},
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
