"""The file that `apply` reads and `export` writes.

[vo.lhcb]
share = 2
limit = 500

[vo.lhcb.credentials.arc]
proxy = "/etc/pilotage/lhcb.pem"
renew = ["renew-proxy", "lhcb"]

[vo.lhcb.payload]                    as 'pilotage vo payload' takes it
script = "pilot.sh"

[ce.lyon]
backend = "sim"
capacity = 100
wait_at_most = "2h"
vos = ["lhcb"]
options = { queue_time = 60 }

[credentials.slurm]                  for all VOs that have none of their own
key = { path = "/etc/pilotage/id", renew = ["fetch-key"] }

[schedules.submit_pilots]
every = 30
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from worker.backends import registry
from worker.backends.contract import Backend
from worker.db.schedules import Schedule
from worker.demand import registry as sources
from worker.domain import validation
from worker.domain.ce import CE
from worker.domain.credential import Credential, CredentialKind
from worker.domain.lengths import length
from worker.domain.payload import Payload
from worker.domain.schedule import ScheduleSetting
from worker.domain.validation import FileTable, naming_place
from worker.domain.vo import VO
from worker.services.files import read_toml
from worker.services.payloads import read_values
from worker.services.tasks import ticks


class CredentialTable(FileTable):
    """The path of a credential's file, and the command that renews it."""

    path: str
    renew: tuple[str, ...] | None = None


class CredentialTables(FileTable):
    """The credentials for one kind of CE: for each its path, or its path and how it is renewed."""

    proxy: CredentialTable | None = None
    token: CredentialTable | None = None
    key: CredentialTable | None = None
    renew: tuple[str, ...] | None = None

    @field_validator("proxy", "token", "key", mode="before")
    @classmethod
    def _path_alone(cls, value: object) -> object:
        return {"path": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _renew_is_clear(self) -> Self:
        named = list(self.named().values())
        if not named:
            raise ValueError(f"name its file with one of {', '.join(CredentialKind)}")
        if self.renew is not None and (len(named) > 1 or named[0].renew is not None):
            example = 'proxy = { path = "…", renew = […] }'
            raise ValueError(f"give renew for each of them: {example}")
        return self

    def named(self) -> dict[CredentialKind, CredentialTable]:
        """Return the credentials that are given, by their kinds."""
        kinds = {kind: getattr(self, kind) for kind in CredentialKind}
        return {kind: one for kind, one in kinds.items() if one is not None}


def _length(value: object) -> timedelta:
    read = length(value) if isinstance(value, str) else None
    if read is None:
        raise ValueError('it must be a length of time like "2h"')
    return read


Length = Annotated[timedelta, BeforeValidator(_length)]
"""A length of time, written as for the commands."""


class VOTable(FileTable):
    """A VO, with its credentials and its payload."""

    share: float = 1.0
    limit: int | None = None
    demand: int | None = None
    enabled: bool = True
    draining: bool = False
    budget: int | None = None
    cancel_surplus: bool = False
    wait_at_most: Length | None = None
    run_at_most: Length | None = None
    silent_at_most: Length | None = None
    idle_at_most: Length | None = None
    demand_min: int | None = None
    demand_max: int | None = None
    scale_down_delay: Length | None = None
    source: Mapping[str, Any] | None = None
    credentials: Mapping[str, CredentialTables] = Field(default={})
    payload: Mapping[str, Any] | None = None


class CETable(FileTable):
    """A CE, and the VOs that may use it; without a list all VOs may."""

    backend: str
    capacity: int
    success_rate: float = 1.0
    waiting_limit: int | None = None
    enabled: bool = True
    draining: bool = False
    drain_by: datetime | None = None
    end_running: bool = False
    wait_at_most: Length | None = None
    run_at_most: Length | None = None
    silent_at_most: Length | None = None
    cancel_strangers: bool = False
    tags: tuple[str, ...] = ()
    options: Mapping[str, Any] = Field(default={})
    vos: tuple[str, ...] | None = None


class InventoryTable(FileTable):
    """The whole file."""

    vo: Mapping[str, VOTable] = Field(default={})
    ce: Mapping[str, CETable] = Field(default={})
    credentials: Mapping[str, CredentialTables] = Field(default={})
    schedules: Mapping[str, ScheduleSetting] = Field(default={})


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The content of a file. A CE whose `only_for` is `None` is open to all VOs."""

    vos: Mapping[str, VO]
    ces: Mapping[str, CE]
    only_for: Mapping[str, list[str] | None]
    schedules: list[Schedule]
    credentials: list[Credential]
    payloads: Mapping[str, Payload]


def read(path: Path, backends: Mapping[str, Backend]) -> Wanted:
    """Read a file; refuse values that cannot be. A script that it names lies in the same folder."""
    file = validation.read(InventoryTable, read_toml(path))
    schedules = list(ticks.of_settings(file.schedules))
    for schedule in schedules:
        ticks.check(schedule)
    return Wanted(
        vos={name: _vo(name, table) for name, table in file.vo.items()},
        ces={name: _ce(name, table, backends) for name, table in file.ce.items()},
        only_for={
            name: None if table.vos is None else sorted(set(table.vos))
            for name, table in file.ce.items()
        },
        schedules=schedules,
        credentials=list(_credentials(file, backends)),
        payloads=dict(_payloads(file, path.parent)),
    )


def _vo(name: str, table: VOTable) -> VO:
    with naming_place(f"vo.{name}"):
        if table.source is not None:
            sources.check_new(table.source)
        return VO(name=name, **_values(table, "credentials", "payload"))


def _ce(name: str, table: CETable, backends: Mapping[str, Backend]) -> CE:
    with naming_place(f"ce.{name}"):
        registry.check_options(backends, table.backend, table.options)
        return CE(name=name, **_values(table, "vos"))


def _values(table: FileTable, *left_out: str) -> dict[str, Any]:
    """Return only the values that the file gives; the others keep their defaults."""
    return {key: getattr(table, key) for key in table.model_fields_set if key not in left_out}


def _credentials(file: InventoryTable, backends: Mapping[str, Backend]) -> Iterator[Credential]:
    yield from _of_owner(None, "credentials", file.credentials, backends)
    for name, vo in file.vo.items():
        yield from _of_owner(name, f"vo.{name}.credentials", vo.credentials, backends)


def _of_owner(
    vo: str | None,
    where: str,
    tables: Mapping[str, CredentialTables],
    backends: Mapping[str, Backend],
) -> Iterator[Credential]:
    for backend, table in tables.items():
        registry.get(backends, backend)
        for kind, one in table.named().items():
            with naming_place(f"{where}.{backend}.{kind}"):
                yield Credential(
                    vo=vo,
                    backend=backend,
                    kind=kind,
                    path=one.path,
                    renew=one.renew or table.renew,
                )


def _payloads(file: InventoryTable, folder: Path) -> Iterator[tuple[str, Payload]]:
    for name, vo in file.vo.items():
        if vo.payload is not None:
            with naming_place(f"vo.{name}"):
                yield name, read_values(vo.payload, folder)
