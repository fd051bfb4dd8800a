"""The folder of a CE, and the stored host that answers for the CE.

The folders are the truth about pilots: the keepers write them at the moment of each event, and
they exist even if nothing was recorded in the database. But if a pilot has no folder on a host, the
folders cannot show whether this is the host where the folder would be: the pilot may never have
arrived, or may be on another host. So the host of each CE is stored in the database. A row outlives
its CE, as the folder does.

A folder gets a random identity when it is made. The first host that is asked to start pilots writes
the identity of its folder into the database. From then on, only a worker that sees this same folder
on this same host answers for the CE. Any other worker, on another host or with another state
folder, reports that the CE is unavailable, and where it is: without the folder, all pilots would
look absent.

With the option `host` the operator decides: a host that it does not name never answers, and the
named host takes the CE over from a host that is gone.
"""

import json
import os
import re
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Column, MetaData, String, Table, Text, func, select, update

from worker.backends.contract import Means
from worker.backends.local.keeper.files import write_whole
from worker.backends.local.options import LocalOptions
from worker.db.rows import insert_new
from worker.db.tables import NAMING
from worker.db.types import UtcDateTime
from worker.db.uow import Transaction
from worker.domain.errors import Unavailable

metadata = MetaData(naming_convention=NAMING)

local_hosts = Table(
    "local_hosts",
    metadata,
    Column("ce", String(128), primary_key=True),
    Column("folder_id", String(32), nullable=False),
    Column("host", String(255), nullable=False),
    Column("folder", Text, nullable=False),
    Column(
        "claimed_at",
        UtcDateTime(),
        nullable=False,
        server_default=func.current_timestamp(),
    ),
    comment="Where the processes of a CE are. Asked elsewhere, nobody knows anything of them.",
)


IDENTITY = ".identity.json"
LONGEST_NAME = 200


@dataclass(frozen=True, kw_only=True)
class FolderIdentity:
    """The random id of a folder, and the host and the machine where the folder was made."""

    id: str
    host: str
    machine: str


class CEFolder:
    """The folder of one CE."""

    def __init__(self, ce: str, options: LocalOptions, means: Means) -> None:
        self.ce = ce
        self.folder = means.home.absolute() / "local" / safe_name(ce)
        self.host = socket.gethostname()
        self._chosen_host = options.host
        self._uow = means.uow

    def reach(self) -> Path:
        """Return the folder if this host may answer for the CE; the folder may not exist yet."""
        with self._uow() as tx:
            claim = self._claim(tx)
        self._check(claim, self._identity())
        return self.folder

    def claim(self) -> Path:
        """Make the folder and claim the CE for it, unless the CE is claimed already."""
        identity = self._make()
        with self._uow() as tx:
            claim = self._claim(tx)
            self._check(claim, identity)
            if claim is None:
                insert_new(tx, local_hosts, ce=self.ce, **self._values(identity))
                self._check(self._claim(tx), identity)
            elif claim.folder_id != identity.id:
                change = update(local_hosts).where(local_hosts.c.ce == self.ce)
                tx.execute(change.values(self._values(identity)))
        return self.folder

    def _values(self, identity: FolderIdentity) -> dict[str, str]:
        return {"folder_id": identity.id, "host": self.host, "folder": str(self.folder)}

    def _claim(self, tx: Transaction) -> Any:
        return tx.execute(select(local_hosts).where(local_hosts.c.ce == self.ce)).one_or_none()

    def _check(self, claim: Any, identity: FolderIdentity | None) -> None:
        if self._chosen_host not in (None, self.host):
            raise self._elsewhere(self._chosen_host)
        chosen = self._chosen_host is not None
        if identity is not None and not chosen and not self._is_here(identity):
            raise self._elsewhere(identity.host)  # a folder that several hosts share
        if claim is None or (identity is not None and identity.id == claim.folder_id):
            return
        # If the claimed folder is of this host and still exists, it is not replaced by another one.
        if chosen and (claim.host != self.host or not (Path(claim.folder) / IDENTITY).exists()):
            return
        raise self._elsewhere(claim.host, f"in {claim.folder}")

    def _elsewhere(self, host: str | None, *where: str) -> Unavailable:
        place = " ".join([f"its processes are on host {host}", *where])
        return Unavailable(self.ce, place, f"this is {self.host}, {self.folder}")

    def _is_here(self, identity: FolderIdentity) -> bool:
        # A host may be renamed: if both sides have the id of the machine, only the id counts.
        machine = machine_id()
        if machine and identity.machine:
            return machine == identity.machine
        return identity.host == self.host

    def _identity(self) -> FolderIdentity | None:
        try:
            return FolderIdentity(**json.loads((self.folder / IDENTITY).read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise Unavailable(self.ce, f"{self.folder / IDENTITY} cannot be read") from error

    def _make(self) -> FolderIdentity:
        self.folder.parent.parent.mkdir(parents=True, exist_ok=True)
        for folder in (self.folder.parent, self.folder):
            folder.mkdir(mode=0o700, exist_ok=True)
        identity = self._identity()
        if identity is None:
            # A link instead of a rename: if several workers do this at once, the first one wins.
            draft = self.folder / f"{IDENTITY}-{secrets.token_hex(8)}"
            new = {"id": secrets.token_hex(16), "host": self.host, "machine": machine_id()}
            write_whole(draft, new)
            with suppress(FileExistsError):
                os.link(draft, self.folder / IDENTITY)
            draft.unlink()
            identity = self._identity()
        if identity is None:
            raise Unavailable(self.ce, f"{self.folder} vanished")
        return identity


def safe_name(ce: str) -> str:
    """Return a file name for a CE; different CEs have different ones."""
    name = quote(ce, safe="@:+")
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME // 2]}%{sha256(ce.encode()).hexdigest()}"


def machine_id() -> str:
    """Return the id of this installation of the operating system; empty if it has none."""
    try:
        text = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return text if re.fullmatch("[0-9a-f]{32}", text) else ""
