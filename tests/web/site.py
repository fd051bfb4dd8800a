"""An installation with something for each request of the API, and tokens of every kind."""

import shutil
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import update

from tests.factories import a_ce, a_decision, a_pilot, a_schedule, a_vo
from tests.records import a_credential, a_maintenance, a_report
from tests.secrets import a_token
from tests.services.world import STEADY, World
from worker.db import changes, payloads, pilot_reads, sending, tokens
from worker.db.changes import RecordedChange
from worker.db.database import Database
from worker.db.tables import credentials
from worker.db.uow import Transaction
from worker.domain.access import Role
from worker.domain.ce import CE
from worker.domain.credential import CredentialKind
from worker.domain.pages import PageRequest
from worker.domain.pilot import Status
from worker.domain.sending import Sending
from worker.domain.token import Token, hash_of, make_secret
from worker.domain.vo import VO

SLASHED = "site/partition"
"""The name of a CE with a slash in it."""

ROLES = ("admin", "operate", "operate-lhcb", "read")
"""The tokens that are valid."""

TRACE = {"slots": 3}
LONG_AGO = timedelta(days=3650)


@dataclass
class Site:
    """An installation, and the secrets of its tokens by their names."""

    world: World
    secrets: dict[str, str] = field(default_factory=dict)
    pilots: dict[str, int] = field(default_factory=dict)
    maintenance: int = 0

    def headers(self, token: str | None) -> dict[str, str]:
        """Return the headers of a request with this token; without a token there are none."""
        return {} if token is None else {"Authorization": f"Bearer {self.secrets[token]}"}

    def changes(self) -> list[RecordedChange]:
        """Return the changes since the site was made, the oldest first."""
        page = PageRequest(limit=1000)
        with self.world.database.uow() as tx:
            return changes.find(tx, self.world.now() - LONG_AGO, asked=page).items

    def numbers(self) -> list[int]:
        """Return the numbers of all pilots."""
        with self.world.database.uow() as tx:
            return sorted(
                one.id for one in pilot_reads.find(tx, asked=PageRequest(limit=1000)).items
            )


def furnish(world: World, folder: Path) -> Site:
    """Make the installation, without rows in the audit."""
    folder.mkdir(exist_ok=True)
    site = Site(world)
    credential = a_token(folder / "credential", exp=4_000_000_000)
    with world.database.uow() as tx:
        _make_places(tx, site, credential)
        for name, role, vo in (
            ("admin", Role.ADMIN, None),
            ("operate", Role.OPERATE, None),
            ("operate-lhcb", Role.OPERATE, "lhcb"),
            ("read", Role.READ, None),
            ("expired", Role.ADMIN, None),
            ("revoked", Role.ADMIN, None),
        ):
            site.secrets[name] = _add_token(tx, world, name, role, vo)
        tokens.revoke(tx, "revoked", world.now())
        ce_with_slash = a_ce().named(SLASHED).with_capacity(20).with_options(**STEADY).create(tx)
        tx.changes.clear()
    [site.pilots["sent"]] = world.sent(ce_with_slash, 1)
    return site


def copy_of(pattern: Site, database: Database, folder: Path) -> Site:
    """Return a copy of an installation on SQLite; making another one takes far longer."""
    folder.mkdir(exist_ok=True)
    shutil.copy(str(pattern.world.database.url.database), str(database.url.database))
    credential = shutil.copy(pattern.world.home.with_name("credential"), folder / "credential")
    with database.uow() as tx:
        tx.execute(update(credentials).values(path=str(credential)))
    world = World(database, folder / "home")
    world.nudges = [*pattern.world.nudges]
    return replace(pattern, world=world, secrets={**pattern.secrets}, pilots={**pattern.pilots})


def _add_token(tx: Transaction, world: World, name: str, role: Role, vo: str | None) -> str:
    secret, now = make_secret(), world.now()
    life = timedelta(hours=-1) if name == "expired" else timedelta(days=30)
    token = Token(
        name=name,
        role=role,
        vo=vo,
        made_at=now - timedelta(days=1),
        made_by="me@here",
        expires_at=now + life,
    )
    tokens.add(tx, token, hash_of(secret))
    return secret


def _make_places(tx: Transaction, site: Site, credential: Path) -> None:
    now = site.world.now()
    lhcb = a_vo().named("lhcb").with_share(2).create(tx)
    a_vo().named("cms").limited_to(1).create(tx)
    a_vo().named("atlas").disabled().create(tx)
    steady: dict[str, Any] = {**STEADY}
    lyon = a_ce().named("lyon").with_capacity(500).tagged("eu").with_options(**steady).create(tx)
    rome = a_ce().named("rome").with_capacity(2).disabled().create(tx)
    a_ce().named("bari").with_capacity(3).create(tx)
    _make_pilots(tx, site, lyon, lhcb)
    site.maintenance = a_maintenance().of(rome).at(now).create(tx).id
    hold = sending.SendingChange(
        ce="rome", was=Sending.NORMAL, became=Sending.HELD, reason="disks", by_hand=True, at=now
    )
    sending.change(tx, hold, "disks", now)
    a_decision().on(lyon).tracing(TRACE).at(now).create(tx)
    a_decision().on(lyon).tracing(TRACE).for_vo(lhcb).at(now).granting(0).because("no slot").create(
        tx
    )
    a_report().of(pilots={"running": 3}, free_slots=2).at(now).create(tx)
    a_schedule().of("learn").create(tx)
    a_credential().for_backend("arc").of_kind(CredentialKind.TOKEN).at_path(str(credential)).create(
        tx
    )
    payloads.put(tx, "lhcb", {"script": "#!/bin/sh\ntrue\n"})


def _make_pilots(tx: Transaction, site: Site, ce: CE, vo: VO) -> None:
    for status in Status:
        builder = a_pilot().on(ce).at(site.world.now()).that_is(status)
        site.pilots[str(status)] = builder.create(tx).id
        site.pilots[f"lhcb {status}"] = builder.for_vo(vo).create(tx).id
