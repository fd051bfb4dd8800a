"""Builders of what stands beside VOs, CEs and pilots: like those of `factories.py`.

    credential = a_credential().for_vo(vo).renewed_by("renew-proxy").create(tx)
    a_pause().of(ce).because("it is on fire").create(tx)

What an operation takes as plain values (a demand, a payload, an output) has no builder.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert

from tests.factories import NOW, a_ce
from worker.db import credentials, maintenances, reports, sending
from worker.db.maintenances import Maintenance
from worker.db.pages import PageRequest
from worker.db.reports import Report
from worker.db.sending import SendingChange
from worker.db.tables import changes
from worker.db.uow import Transaction
from worker.domain.ce import CE
from worker.domain.change import Door
from worker.domain.credential import Credential, CredentialKind
from worker.domain.sending import Sending
from worker.domain.vo import VO


@dataclass(frozen=True)
class CredentialBuilder:
    credential: Credential

    def for_vo(self, vo: VO) -> "CredentialBuilder":
        return self._with(vo=vo.name)

    def for_backend(self, backend: str) -> "CredentialBuilder":
        return self._with(backend=backend)

    def of_kind(self, kind: CredentialKind) -> "CredentialBuilder":
        return self._with(kind=kind)

    def at_path(self, path: str) -> "CredentialBuilder":
        return self._with(path=path)

    def renewed_by(self, *words: str) -> "CredentialBuilder":
        return self._with(renew=words)

    def create(self, tx: Transaction) -> Credential:
        one = self.credential
        credentials.add(tx, one)
        return credentials.get(tx, one.vo, one.backend, one.kind)

    def _with(self, **changes: Any) -> "CredentialBuilder":
        return CredentialBuilder(replace(self.credential, **changes))


@dataclass(frozen=True)
class MaintenanceBuilder:
    ce: str | None = None
    begins_at: datetime = NOW
    length: timedelta = timedelta(hours=1)
    reason: str = "new disks"

    def of(self, ce: CE) -> "MaintenanceBuilder":
        return replace(self, ce=ce.name)

    def at(self, begins_at: datetime) -> "MaintenanceBuilder":
        return replace(self, begins_at=begins_at)

    def for_(self, length: timedelta) -> "MaintenanceBuilder":
        return replace(self, length=length)

    def because(self, reason: str) -> "MaintenanceBuilder":
        return replace(self, reason=reason)

    def create(self, tx: Transaction) -> Maintenance:
        maintenance = Maintenance(
            ce=self.ce or a_ce().create(tx).name,
            begins_at=self.begins_at,
            ends_at=self.begins_at + self.length,
            reason=self.reason,
        )
        return replace(maintenance, id=maintenances.add(tx, maintenance))


@dataclass(frozen=True)
class PauseBuilder:
    ce: str | None = None
    moment: datetime = NOW
    reason: str = "five calls failed"
    until: datetime | None = None

    def of(self, ce: CE) -> "PauseBuilder":
        return replace(self, ce=ce.name)

    def at(self, moment: datetime) -> "PauseBuilder":
        return replace(self, moment=moment)

    def because(self, reason: str) -> "PauseBuilder":
        return replace(self, reason=reason)

    def by_hand_until(self, until: datetime) -> "PauseBuilder":
        return replace(self, until=until)

    def create(self, tx: Transaction) -> SendingChange:
        by_hand = self.until is not None
        change = SendingChange(
            ce=self.ce or a_ce().create(tx).name,
            was=Sending.NORMAL,
            became=Sending.HELD if by_hand else Sending.PAUSED,
            reason=self.reason,
            by_hand=by_hand,
            until=self.until,
            at=self.moment,
        )
        sending.add(tx, [change])
        return change


@dataclass(frozen=True)
class ReportBuilder:
    summary: Mapping[str, Any]
    moment: datetime = NOW

    def of(self, **summary: Any) -> "ReportBuilder":
        return replace(self, summary=summary)

    def at(self, moment: datetime) -> "ReportBuilder":
        return replace(self, moment=moment)

    def create(self, tx: Transaction) -> Report:
        reports.add(tx, self.summary, self.moment)
        return reports.find(tx, asked=PageRequest(descending=True, limit=1)).items[0]


@dataclass(frozen=True)
class ChangeBuilder:
    who: str = "me@here"
    kind: str = "ce"
    name: str = "lyon"
    moment: datetime = NOW

    def by(self, who: str) -> "ChangeBuilder":
        return replace(self, who=who)

    def of(self, kind: str, name: str) -> "ChangeBuilder":
        return replace(self, kind=kind, name=name)

    def at(self, moment: datetime) -> "ChangeBuilder":
        return replace(self, moment=moment)

    def create(self, tx: Transaction) -> None:
        """Write a row as it was written then."""
        values = {
            "at": self.moment,
            "who": self.who,
            "what": f"{self.kind} set",
            "kind": self.kind,
            "name": self.name,
            "door": Door.COMMAND,
            "before": {"capacity": 1},
            "after": {"capacity": 2},
        }
        tx.execute(insert(changes).values(values))


def a_change() -> ChangeBuilder:
    """Start from a change of the capacity of a CE, of now."""
    return ChangeBuilder()


def a_credential() -> CredentialBuilder:
    """Start from a proxy for ARC that all VOs share."""
    kind = CredentialKind.PROXY
    return CredentialBuilder(Credential(backend="arc", kind=kind, path="/etc/pilotage/proxy.pem"))


def a_maintenance() -> MaintenanceBuilder:
    """Start from an hour, beginning now, of a CE of its own."""
    return MaintenanceBuilder()


def a_pause() -> PauseBuilder:
    """Start from a pause that a CE of its own made by itself."""
    return PauseBuilder()


def a_report() -> ReportBuilder:
    """Start from an empty summary of now."""
    return ReportBuilder({})
