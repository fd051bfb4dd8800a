"""Payloads: what the pilots of a VO run. They are set, shown, and filled in for a CE.

script = "pilot.sh"            or script_text = '''...'''
arguments = ["--queue", "@{queue}", "--name", "@{stamp}"]

[variables.queue]
type = "text"
default = "short"
choices = ["short", "long"]

[at.lyon]
queue = "long"

[exit_codes]
77 = "empty"
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worker.backends import registry
from worker.db import ces, payloads
from worker.db.pilots import Reserved
from worker.db.uow import Transaction
from worker.domain import validation
from worker.domain.access import Role
from worker.domain.addresses import is_private
from worker.domain.ce import CE
from worker.domain.ce_answers import Order
from worker.domain.errors import Invalid, PilotageError, UnknownCE
from worker.domain.nearest import nearest
from worker.domain.payload import LONGEST_SCRIPT, Fitted, Payload, plain, read
from worker.domain.pilot_secret import NO_KEYS, PilotKeys
from worker.domain.validation import FileTable
from worker.services.allowed import allowed_to, require_vo
from worker.services.files import read_text, read_toml
from worker.services.runtime import Runtime


@dataclass(frozen=True, kw_only=True)
class Ready:
    """The payloads of some VOs, filled in for a CE; and the VOs that can send nothing, and why."""

    fitted: Mapping[str, Fitted] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    graces: Mapping[str, float] = field(default_factory=dict)
    """For each VO, the seconds that its pilots have to finish."""
    reporting: frozenset[str] = frozenset()
    """The VOs whose pilots get a secret."""
    keys: PilotKeys = NO_KEYS
    url: str | None = None
    notes: tuple[str, ...] = ()
    """Notes on pilots that get no secret though their payload asks for one."""

    def order(self, pilot: Reserved) -> Order:
        """Return the order to the CE for a pilot: what it runs."""
        payload = self.fitted.get(pilot.vo)
        script, arguments = payload.for_pilot(pilot.stamp) if payload else (None, ())
        speaks, grace = pilot.vo in self.reporting, self.graces.get(pilot.vo)
        if not speaks:
            return Order(pilot.stamp, pilot.vo, script, arguments, grace=grace)
        secret = self.keys.secret_of(pilot.stamp)
        return Order(pilot.stamp, pilot.vo, script, arguments, secret, self.url, grace)


def ready(
    tx: Transaction, runtime: Runtime, ce: CE, vos: Collection[str], barred: Mapping[str, str]
) -> Ready:
    """Fill in the payloads of these VOs for a CE. An unusable payload affects only its own VO.

    A VO that is barred for another reason is left out, too.
    """
    fitted, graces, left_out, reporting = {}, {}, {}, set()
    for vo, stored in payloads.of_vos(tx, vos).items():
        try:
            payload = read(stored)
            fitted[vo] = _fit(payload, vo, ce)
            if payload.reports:
                reporting.add(vo)
            if payload.grace is not None:
                graces[vo] = payload.grace
        except PilotageError as error:
            left_out[vo] = f"the payload of VO {vo} cannot be used: {error}"
    left_out |= {vo: why for vo, why in barred.items() if vo in vos}
    missing = _why_no_secret(runtime, ce) if reporting else None
    return Ready(
        fitted=fitted,
        graces=graces,
        left_out=dict(sorted(left_out.items())),
        reporting=frozenset() if missing else frozenset(reporting),
        keys=runtime.pilot_keys,
        url=runtime.web_url,
        notes=tuple(_without_secret(vo, missing) for vo in sorted(reporting) if missing),
    )


@allowed_to(Role.READ)
def show(runtime: Runtime, vo: str, *, ce: str | None = None) -> dict[str, Any]:
    """Show the payload of a VO: as it was set, or as filled in for a CE; empty if not set.

    For a CE, only the stamp is not filled in.
    """
    with runtime.database.uow() as tx:
        stored = payloads.get(tx, vo)
        place = None if ce is None else ces.get(tx, ce)
    if stored is None:
        return {}
    payload = read(stored)
    if place is None:
        return plain(payload)
    script, arguments = _fit(payload, vo, place).for_pilot("@{stamp}")
    values = payload.values(place.name)
    shown: dict[str, Any] = {"script": script, "arguments": list(arguments), "variables": values}
    if payload.reports:
        missing = _why_no_secret(runtime, place)
        shown["reports"] = _without_secret(vo, missing) if missing else True
    return shown


@allowed_to(Role.OPERATE, for_one_vo=True)
def set_(runtime: Runtime, vo: str, payload: Payload) -> dict[str, Any]:
    """Set the payload of a VO: the text of its script, its arguments and its other values."""
    require_vo(runtime, vo)
    with runtime.database.uow() as tx:
        put(tx, vo, payload)
    return plain(payload)


@allowed_to(Role.OPERATE, for_one_vo=True)
def clear(runtime: Runtime, vo: str) -> None:
    """Remove the payload of a VO: its pilots then run what the options of the CEs say."""
    require_vo(runtime, vo)
    with runtime.database.uow() as tx:
        put(tx, vo, None)


def put(tx: Transaction, vo: str, payload: Payload | None) -> None:
    """Store the payload of a VO; `None` removes it."""
    if payload is not None:
        names = ces.names(tx)
        for ce in payload.at:
            if ce not in names:
                raise UnknownCE(f"payload of {vo}: {ce}", nearest(ce, names))
    payloads.put(tx, vo, None if payload is None else plain(payload))


class PayloadTable(FileTable):
    """A payload as written in a file: its script is the name of a file, or a text."""

    script: str | None = None
    script_text: str | None = None
    arguments: Any = None
    variables: Any = None
    at: Any = None
    exit_codes: Any = None
    useful_after: Any = None
    reports: Any = None
    grace: Any = None


def read_file(path: Path) -> Payload:
    """Read a payload from a TOML file; its script may be a file beside it."""
    return read_values(read_toml(path, LONGEST_SCRIPT), path.parent)


def read_values(values: Mapping[str, Any], folder: Path) -> Payload:
    """Read a payload as written in a file; a script that it names lies in this folder."""
    file = validation.read(PayloadTable, values, "payload")
    if (file.script is None) == (file.script_text is None):
        raise Invalid("payload", "it needs a script, the name of a file, or a script_text")
    text = file.script_text
    if file.script is not None:
        text = read_text(folder / file.script, LONGEST_SCRIPT)
    rest = {key: value for key, value in values.items() if not key.startswith("script")}
    return read({**rest, "script": text})


def _why_no_secret(runtime: Runtime, ce: CE) -> str | None:
    """Return why pilots at a CE get no secret for their reports, or `None` if they do."""
    if not registry.get(runtime.backends, ce.backend).gives_secrets:
        return f"the back-end {ce.backend} has no safe way to give pilots a secret"
    objection = runtime.options(ce).objection_to_secrets()
    if objection is not None:
        return objection
    if runtime.web_url is None:
        return "the setting web_url does not say where the server is"
    if not is_private(runtime.web_url):
        return "web_url begins with http://, so others could read the secret on the network"
    return None if runtime.pilot_keys else "the setting pilot_key is not set"


def _without_secret(vo: str, why: str) -> str:
    return f"pilots of VO {vo} get no secret: {why}"


def _fit(payload: Payload, vo: str, ce: CE) -> Fitted:
    return payload.fitted(vo=vo, ce=ce.name, backend=ce.backend, tags=ce.tags)
