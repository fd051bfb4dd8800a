"""The identity that pilots are sent as, and the proxy that the CE holds of it, remembered."""

from dataclasses import replace
from datetime import timedelta

from worker.backends.arc import book
from worker.backends.arc.book import Identity
from worker.backends.arc.call import Desk
from worker.backends.arc.delegation import delegated, is_due, renew
from worker.backends.arc.rest import Rest

IN_DOUBT = timedelta(days=1)
"""How long after a submission a pilot may still be in doubt; long outages of a CE included."""


async def provide(desk: Desk, rest: Rest) -> str | None:
    """Write down as whom pilots are about to be sent; tell the delegation for them, if any."""
    identity = _identity(desk, rest) or Identity(owner=rest.access.owner, used_at=desk.now())
    identity = replace(identity, used_at=desk.now())
    _write(desk, rest, identity)
    if rest.access.proxy is None or not desk.options.delegate:
        return None
    made = await delegated(rest, identity, desk.now())
    if made != identity:
        _write(desk, rest, made)
    return made.delegation


async def keep(desk: Desk, rest: Rest) -> None:
    """Renew the proxy that the CE holds for its jobs, if it is time."""
    proxy = rest.access.proxy
    if proxy is None or not desk.options.delegate:
        return
    identity = _identity(desk, rest)
    if identity is None or identity.delegation is None or not is_due(identity, proxy, desk.now()):
        return
    renewed = await renew(rest, identity, desk.now())
    if renewed is not None:
        _write(desk, rest, renewed)


def is_settled(desk: Desk, vo: str, owner: str) -> bool:
    """Tell whether all pilots of a VO that may be in doubt would be shown to this identity."""
    held = desk.read(lambda tx: book.identities(tx, desk.ce.name, vo))
    return all(one.owner == owner or desk.now() - one.used_at > IN_DOUBT for one in held)


def _identity(desk: Desk, rest: Rest) -> Identity | None:
    held = desk.read(lambda tx: book.identities(tx, desk.ce.name, rest.access.vos[0]))
    return next((one for one in held if one.owner == rest.access.owner), None)


def _write(desk: Desk, rest: Rest, identity: Identity) -> None:
    with desk.means.uow() as tx:
        for vo in rest.access.vos:
            book.used(tx, desk.ce.name, vo, identity)
