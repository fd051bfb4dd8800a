"""`pilotage credential`: the credentials of VOs, their expiry, and their renewal."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click

from worker import wiring
from worker.cli import show
from worker.cli.groups import Group, example
from worker.cli.options import NO_LIMIT, Choice, as_json, require_change, with_options, yes_option
from worker.cli.perform import perform
from worker.domain.credential import CredentialKind
from worker.domain.errors import Invalid, TaskFailed
from worker.domain.lengths import in_two_units
from worker.domain.schedule import Outcome
from worker.domain.values import NewCredential
from worker.domain.vo import ALL_VOS
from worker.services import credentials as service
from worker.services.credentials import CredentialStanding
from worker.services.tasks import renew_credentials as renewing

COLUMNS = ["vo", "backend", "kind", "state", "left", "used", "expires_at", "renew", "path"]
SEVERAL = "The kind of the credential, if a VO has several."

_kind = click.option("--kind", type=Choice([str(kind) for kind in CredentialKind]),
                     help=SEVERAL)  # fmt: skip
_renew = click.option(
    "--renew", metavar="COMMAND",
    help="The command that renews the credential, run without a shell; 'none' removes it.",
)  # fmt: skip


_which = with_options(
    click.argument("vo", metavar="VO|all"), click.argument("backend", metavar="BACKEND")
)
"""The arguments that identify a credential."""


@click.group(cls=Group, epilog=example("pilotage credential list"))
def credential() -> None:
    """Manage credentials; the secrets stay in their files."""


@credential.command(
    epilog=example(
        "pilotage credential add lhcb arc --proxy /etc/pilotage/lhcb.pem --renew 'renew-proxy lhcb'"
    )
)
@_which
@click.option("--proxy", metavar="PATH", help=CredentialKind.PROXY.sentence)
@click.option("--token", metavar="PATH", help=CredentialKind.TOKEN.sentence)
@click.option("--key", metavar="PATH", help=CredentialKind.KEY.sentence)
@_renew
@as_json
def add(vo: str, backend: str, renew: str | None, as_json: bool, **paths: str | None) -> None:
    """Register the file of a credential for a back-end."""
    paths_given = {kind: path for kind, path in paths.items() if path is not None}
    if len(paths_given) != 1:
        raise click.UsageError("Name the file with one of --proxy, --token, --key.")
    [(kind, path)] = paths_given.items()
    new: NewCredential = {
        "vo": None if vo == ALL_VOS else vo,
        "backend": backend,
        "kind": CredentialKind(kind),
        "path": path,
        "renew": _words(renew),
    }
    standing = perform(service.add, new)
    _show(standing, as_json)
    for warning in (standing.problem, perform(service.useless, backend, new["kind"])):
        if warning is not None:
            show.warn(f"stored, but {warning}")


@credential.command("list", epilog=example("pilotage credential list"))
@as_json
def list_(as_json: bool) -> None:
    """List the credentials, and until when each is valid."""
    standings = perform(service.list_all)
    if as_json:
        show.as_json([asdict(one) for one in standings])
        return
    show.table([_row(one) for one in standings], COLUMNS, "no credentials found")
    for one in standings:
        if one.problem is not None:
            show.say(one.problem)


@credential.command("show", epilog=example("pilotage credential show lhcb arc"))
@_which
@_kind
@as_json
def show_(vo: str, backend: str, kind: str | None, as_json: bool) -> None:
    """Show a credential, with the present content of its file."""
    _show(perform(service.show, vo, backend, kind=_named(kind)), as_json)


@credential.command("set", epilog=example("pilotage credential set lhcb arc --renew none"))
@_which
@_kind
@click.option("--path", help="The new path of the file.")
@_renew
@as_json
def set_(
    vo: str, backend: str, kind: str | None, path: str | None, renew: str | None, as_json: bool
) -> None:
    """Change where the file of a credential is, or how it is renewed."""
    changes: dict[str, Any] = {} if path is None else {"path": path}
    if renew is not None:
        changes["renew"] = _words(renew)
    values: Any = require_change(changes)
    _show(perform(service.change, vo, backend, values, kind=_named(kind)), as_json)


@credential.command(epilog=example("pilotage credential remove lhcb arc --yes"))
@_which
@_kind
@yes_option
def remove(vo: str, backend: str, kind: str | None, yes: bool) -> None:
    """Remove a credential from the database; its file stays."""
    perform(service.remove, vo, backend, kind=_named(kind), yes=yes)
    show.say(f"credential of {vo} for {backend} removed")


@credential.command(epilog=example("pilotage credential renew lhcb arc"))
@_which
@_kind
@as_json
def renew(vo: str, backend: str, kind: str | None, as_json: bool) -> None:
    """Renew a credential now, by its command."""
    runtime = wiring.by_hand()
    owner = None if vo == ALL_VOS else vo
    done = renewing.renew_one(runtime, owner, backend, _named(kind))
    show.as_json(asdict(done)) if as_json else _lines(done.lines)
    if done.outcome is Outcome.FAILED or done.busy:
        raise TaskFailed("renew", *done.lines[:1])


def _lines(lines: Sequence[str]) -> None:
    for line in lines:
        show.say(line)


def _named(kind: str | None) -> CredentialKind | None:
    return None if kind is None else CredentialKind(kind)


def _words(command: str | None) -> tuple[str, ...] | None:
    """Split a command into words like a shell, without running one."""
    if command is None or command == NO_LIMIT:
        return None
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise Invalid("renew", str(error).lower()) from None


def _row(standing: CredentialStanding) -> dict[str, Any]:
    has_end = standing.seconds_left is not None
    return {
        **asdict(standing),
        "state": str(standing.state),
        "left": in_two_units(timedelta(seconds=standing.seconds_left or 0)) if has_end else None,
        "used": None if standing.used is None else f"{standing.used:.0%}",
        "renew": None if standing.renew is None else shlex.join(standing.renew),
    }


def _show(standing: CredentialStanding, as_json: bool) -> None:
    if as_json:
        show.as_json(asdict(standing))
        return
    row = _row(standing)
    del row["seconds_left"]
    show.fields({name: value for name, value in row.items() if value is not None})
