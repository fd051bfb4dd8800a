"""The base of every site: the VOs, and CEs with all kinds of limits."""

from collections.abc import Mapping
from typing import Any

from tests.factories import a_ce, a_vo
from worker.db.database import Database

VOS: Mapping[str, int | None] = {"small": 8, "middle": 20, "large": None}


def build(
    database: Database,
    backend: str,
    number: int,
    options: Mapping[str, Any],
    vos: Mapping[str, int | None] = VOS,
) -> None:
    """Make CEs and VOs; some CEs have waiting limits, some are only for some VOs.

    All CEs are at one place, and each cancels strangers there.
    """
    with database.uow() as tx:
        new_vos = [
            (a_vo() if limit is None else a_vo().limited_to(limit)).named(vo).create(tx)
            for vo, limit in vos.items()
        ]
        for n in range(number):
            ce = a_ce().named(name(n)).on_backend(backend).with_capacity(3 + n % 6)
            ce = ce.with_success_rate(0.9).with_options(**options).cancelling_strangers()
            if n % 3 == 0:
                ce = ce.with_waiting_limit(2 + n % 4)
            if n % 5 == 0:
                ce = ce.only_for(*new_vos[:2])
            ce.create(tx)


def name(number: int) -> str:
    """Name a CE."""
    return f"ce{number:02}"
