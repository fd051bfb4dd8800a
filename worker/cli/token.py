"""`pilotage token`: tokens for the API, and links to sign in to the console."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from worker import wiring
from worker.cli import show
from worker.cli.groups import Group, example
from worker.cli.options import Choice, TimeLength, as_json, paged, show_page, yes_option
from worker.cli.perform import perform
from worker.domain.access import Role
from worker.domain.errors import Invalid
from worker.domain.pages import PageRequest
from worker.domain.token import Token
from worker.services import private_files
from worker.services.operate import tokens
from worker.services.operate.tokens import NewToken

COLUMNS = ["name", "role", "vo", "expires_at", "used_at", "revoked_at", "made_at", "made_by"]
ONCE = "this is shown once and never again"

_vo = click.option("--vo", help="Only for this VO; needs the role operate.")


def _role(**more: Any) -> Callable[[Any], Any]:
    return click.option(
        "--role",
        type=Choice([str(role) for role in Role]),
        help="What the holder of the token may do.",
        **more,
    )


@click.group(cls=Group, epilog=example("pilotage token list"))
def token() -> None:
    """Manage the tokens of programs, and links to sign in."""


@token.command(epilog=example("pilotage token create nightly --role operate --vo lhcb --for 90d"))
@click.argument("name")
@_role(required=True)
@_vo
@click.option(
    "--for", "life", type=TimeLength(), help="How long the token is valid; 90d by default."
)
@click.option(
    "--to",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the secret to this new file instead of printing it.",
)
@as_json
def create(
    name: str, role: str, vo: str | None, life: timedelta | None, to: Path | None, as_json: bool
) -> None:
    """Make a token for a program, and show its secret once."""

    def make() -> NewToken:
        return perform(tokens.create, name, Role(role), vo, life)

    new = make() if to is None else _make_into(to, make)
    if as_json:
        show.as_json(_values(new.token) | ({} if to else {"secret": new.secret}))
        return
    made = new.token
    show.say(f"token {name} made: it may {made.access}, until {made.expires_at:%Y-%m-%d %H:%M}Z")
    if to is not None:
        show.say(f"its secret is in {to}, and nowhere else")
    else:
        show.say(f"its secret; {ONCE}:")
        show.verbatim(new.secret)


@token.command("list", epilog=example("pilotage token list --all"))
@click.option("--all", "show_all", is_flag=True, help="List revoked and expired tokens too.")
@paged
@as_json
def list_(show_all: bool, as_json: bool, **paging: Any) -> None:
    """List the tokens of programs."""
    search = paging.pop("search")
    page = perform(tokens.list_tokens, all=show_all, search=search, page=PageRequest(**paging))
    show_page(page, COLUMNS, "no tokens found", as_json)


@token.command(epilog=example("pilotage token revoke nightly --yes"))
@click.argument("name")
@yes_option
def revoke(name: str, yes: bool) -> None:
    """End a token at once."""
    revoked = perform(tokens.revoke, name, yes=yes)
    show.say(f"token {name} is revoked since {revoked.revoked_at:%Y-%m-%d %H:%M}Z")


@token.command(epilog=example("pilotage token link"))
@_role(default=str(Role.ADMIN), show_default=True)
@_vo
def link(role: str, vo: str | None) -> None:
    """Print a link by which you sign in to the console, once.

    It is valid for 10 minutes.
    """
    runtime = wiring.current_runtime()
    new = tokens.make_link(runtime, runtime.database.actor.who, Role(role), vo)
    # A browser does not send the part of an address after a #, so no server logs the secret.
    show.verbatim(f"{wiring.settings().address_of_web}/sign-in#{new.secret}")


def _make_into(path: Path, make: Callable[[], NewToken]) -> NewToken:
    """Write the secret to a new file that only its owner may read; remove it after an error."""
    try:
        file = private_files.open_file(path, "x")
    except FileExistsError:
        raise Invalid("--to", f"this file exists already: {path}") from None
    with file:
        try:
            new = make()
            file.write(f"{new.secret}\n")
        except BaseException:
            path.unlink()
            raise
    return new


def _values(made: Token) -> dict[str, Any]:
    values = asdict(made)
    del values["id"]
    return values
