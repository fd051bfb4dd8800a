"""export: write the inventory and the schedules as the file that `apply` reads.

Default values are left out. Credentials are written as their paths; no file with a secret is read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

from worker.db import ces, credentials, payloads, schedules, vos
from worker.db.pages import MOST, PageRequest
from worker.db.uow import Transaction
from worker.demand import registry as sources
from worker.domain.ce import CE
from worker.domain.vo import VO
from worker.services.operate.toml_text import document
from worker.services.runtime import Runtime
from worker.services.tasks import catalogue

Path = tuple[str, ...]
Tables = Iterator[tuple[Path, Mapping[str, Any]]]

HEADING = (
    "# The inventory and the schedules of Pilotage. 'pilotage apply FILE' makes a database so.\n\n"
)

ELSEWHERE = ("name", "id", "open_to_all", "options", "source")
"""Fields that are not written as values, but as the name of a table, as a table, or not at all."""


def export(runtime: Runtime) -> str:
    """Return the text of the file."""
    with runtime.database.uow() as tx:
        tables = [*_vos(tx), *_ces(tx), *_credentials(tx), *_schedules(tx)]
    return HEADING + document(dict(tables))


def _vos(tx: Transaction) -> Tables:
    present = vos.find(tx, asked=PageRequest(limit=MOST)).items
    scripts = payloads.of_vos(tx, [vo.name for vo in present])
    for vo in present:
        yield ("vo", vo.name), _changed(vo)
        if vo.source is not None:
            yield ("vo", vo.name, "source"), sources.shown(vo.source)
        if vo.name in scripts:
            payload = dict(scripts[vo.name])
            script = {"script_text": payload.pop("script")}
            rest = {name: value for name, value in payload.items() if value}
            yield ("vo", vo.name, "payload"), {**script, **rest}


def _ces(tx: Transaction) -> Tables:
    for ce in ces.find(tx, asked=PageRequest(limit=MOST)).items:
        only_for = {} if ce.open_to_all else {"vos": ces.allowed(tx, ce.name)}
        yield ("ce", ce.name), {**_changed(ce), **only_for}
        if ce.options:
            yield ("ce", ce.name, "options"), ce.options


def _credentials(tx: Transaction) -> Tables:
    of_places: dict[Path, dict[str, Any]] = {}
    for one in credentials.get_all(tx):
        owner = () if one.vo is None else ("vo", one.vo)
        kinds = of_places.setdefault((*owner, "credentials", one.backend), {})
        renew = {} if one.renew is None else {"renew": one.renew}
        kinds[str(one.kind)] = {"path": one.path, **renew}
    yield from of_places.items()


def _schedules(tx: Transaction) -> Tables:
    for schedule in schedules.get_all(tx):
        if schedule.task in catalogue.tasks():
            own = () if schedule.vo is None else ("vo", schedule.vo)
            enabled = {} if schedule.enabled else {"enabled": False}
            when = {"every": schedule.every, "cron": schedule.cron}
            yield ("schedules", schedule.task, *own), {**when, **enabled}


def _changed(thing: VO | CE) -> dict[str, Any]:
    """Return the values of a VO or CE that differ from the defaults."""
    values = {field: getattr(thing, field.name) for field in fields(thing)}
    return {
        field.name: value
        for field, value in values.items()
        if field.name not in ELSEWHERE and not _is_default(field, value)
    }


def _is_default(field: Field[Any], value: object) -> bool:
    return field.default is not MISSING and bool(value == field.default)
