"""Broken builds: each differs from ours by one mistake, which the tests must notice.

    with MUTATIONS["gives_up_after_one_listing"].applied():
        ...

A mutation replaces pieces of the source of one function, in memory. Each piece must occur there
exactly once, so a mutation that no longer applies is an error.
"""

import importlib
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from sqlalchemy import CompoundSelect, Executable, Table, Text, bindparam, select, union_all

from worker.db import mover, slots
from worker.db import pilots as pilot_writes
from worker.db.pilots import Reserved
from worker.db.tables import ces, pilots, vos
from worker.db.uow import Transaction
from worker.domain.errors import BackendError
from worker.domain.pilot import Move, Status
from worker.policy.judgement import judge_receipts
from worker.services.ce_calls import CECall
from worker.services.payloads import Ready
from worker.services.runtime import TaskResult
from worker.services.tasks import dispatch


class DoesNotApply(AssertionError):
    """The source has changed; write the mutation anew."""


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One mistake: its function, the pieces of source to replace, and the names that they use."""

    about: str
    function: str
    pieces: Mapping[str, str]
    names: Mapping[str, Any]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the mistake into the function, however it was imported."""
        function = _function(self.function)
        was, scope = function.__code__, function.__globals__
        assert not scope.keys() & self.names.keys()
        function.__code__ = self._code(function)
        scope.update(self.names)
        try:
            yield
        finally:
            function.__code__ = was
            for name in self.names:
                del scope[name]

    def _code(self, function: FunctionType) -> CodeType:
        source = textwrap.dedent(inspect.getsource(function))
        for was, becomes in self.pieces.items():
            if source.count(was) != 1:
                raise DoesNotApply(f"{self.function} has {source.count(was)} times: {was}")
            source = source.replace(was, becomes)
        namespace: dict[str, Any] = {}
        exec(
            compile(source, self.function, "exec"),
            {**function.__globals__, **self.names},
            namespace,
        )
        return _plain(namespace[function.__name__]).__code__


def _function(path: str) -> FunctionType:
    module, _, name = path.rpartition(".")
    return _plain(getattr(importlib.import_module(module), name))


def _plain(candidate: Any) -> FunctionType:
    """Return the function without its decorators."""
    function = inspect.unwrap(candidate)
    assert isinstance(function, FunctionType)
    return function


def _mutation(about: str, function: str, pieces: Mapping[str, str], **names: Any) -> Mutation:
    return Mutation(about=about, function=f"worker.{function}", pieces=pieces, names=names)


# The replacements that the broken builds use.


def _reserved(tx: Transaction, ce: str, limit: int) -> list[Reserved]:
    """Read the pilots to send, and claim nothing."""
    query = _OF_A_CE.where(pilots.c.status == Status.RESERVED)
    rows = tx.execute(query, {"ce": ce, "limit": limit})
    return [Reserved(pilot_id=row.id, stamp=row.stamp, vo=row.vo, ce=ce) for row in rows]


def _send_unclaimed(call: CECall, claimed: list[Reserved], ready: Ready) -> TaskResult:
    """Call the CE first, and write the claim with the record."""
    try:
        receipts = call.driver.submit([ready.order(pilot) for pilot in claimed])
    except BackendError as error:
        return dispatch._record_failure(call, claimed, error)
    with call.runtime.database.uow() as tx:
        pilot_writes.claim(tx, call.ce.name, len(claimed), call.runtime.now())
        ids = {pilot.stamp: pilot.pilot_id for pilot in claimed}
        moves = judge_receipts(ids, receipts, call.runtime.now())
        pilot_writes.record(tx, moves, call.runtime.now())
        call.answered(tx)
    return TaskResult(counts={"submitted": len(receipts)})


def _claim_in_doubt_too() -> Executable:
    """Claim the reserved pilots, and also those whose answer is not known."""
    unsent = _OF_A_CE.where(pilots.c.status.in_([Status.RESERVED, Status.SUBMITTING]))
    return pilot_writes._claiming(unsent)


def _locked_but(dialect: str, unlocked: Table) -> CompoundSelect[Any]:
    """Read the same rows, but lock nothing in one of the two tables."""
    parts = {table: slots._locked_in(dialect, table) for table in (vos, ces)}
    parts[unlocked] = parts[unlocked]._generate()
    parts[unlocked]._for_update_arg = None
    return union_all(*(select(part.subquery()) for part in parts.values()))


_OF_A_CE = (
    select(pilots.c.id, pilots.c.stamp, vos.c.name.label("vo"))
    .join_from(pilots, vos, vos.c.id == pilots.c.vo_id)
    .join(ces, ces.c.id == pilots.c.ce_id)
    .where(ces.c.name == bindparam("ce", type_=Text))
    .order_by(pilots.c.id)
    .limit(bindparam("limit"))
)

MUTATIONS: Mapping[str, Mutation] = {
    "calls_before_the_claim_is_committed": _mutation(
        "The claim is written after the call, with the record.",
        "services.tasks.dispatch.dispatch",
        {
            "call.claim(tx, min(runtime.batch, len(sendable)), only_of=set(sendable))": (
                "call.start(tx) or _reserved(tx, ce_name, runtime.batch)"
            ),
            "return _send(": "return _send_unclaimed(",
        },
        _reserved=_reserved,
        _send_unclaimed=_send_unclaimed,
    ),
    "records_before_the_ce_has_answered": _mutation(
        "Pilots are written down as submitted together with their claim.",
        "services.tasks.dispatch.dispatch",
        {
            "    with call:": (
                "        receipts = [pilots.receipt_move(pilot.pilot_id) for pilot in claimed]\n"
                "        pilots.record(tx, receipts, runtime.now())\n"
                "    with call:"
            )
        },
    ),
    "records_whatever_the_pilot_is_by_now": _mutation(
        "A receipt that comes late overwrites what a listing has told meanwhile.",
        "policy.judgement.receipt_move",
        {"was=Status.SUBMITTING,": ""},
    ),
    "sends_those_in_doubt_again": _mutation(
        "A claim takes pilots, too, whose answer is not known.",
        "db.pilots.claim",
        {"_claim(from_all=only_of is None)": "_claim_in_doubt_too()"},
        _claim_in_doubt_too=_claim_in_doubt_too,
    ),
    "takes_a_failed_call_for_a_refusal": _mutation(
        "An error of the call that submits fails pilots that may have arrived.",
        "policy.failures.cause_of_refusal",
        {"return None": "return Cause.REFUSED"},
    ),
    "does_not_lock_the_ce": _mutation(
        "A reservation counts a CE's pilots without its lock.",
        "db.slots._lock",
        {"_locked(tx.dialect)": "_locked_but(tx.dialect, ces)"},
        _locked_but=_locked_but,
    ),
    "does_not_lock_the_vo": _mutation(
        "A reservation counts a VO's pilots without its lock.",
        "db.slots._lock",
        {"_locked(tx.dialect)": "_locked_but(tx.dialect, vos)"},
        _locked_but=_locked_but,
    ),
    "decides_in_another_transaction": _mutation(
        "The decisions are stored after the slots are held, in a transaction of their own.",
        "services.tasks.submit_pilots.submit_pilots",
        {"        by_ce = ": "    with runtime.database.uow() as tx:\n        by_ce = "},
    ),
    "nudges_before_the_commit": _mutation(
        "The next task is told before there is anything to see.",
        "services.tasks.submit_pilots.submit_pilots",
        {
            'tx.after_commit(partial(runtime.nudge, "dispatch", ce))': (
                'runtime.nudge("dispatch", ce)'
            ),
        },
    ),
    "gives_up_after_one_listing": _mutation(
        "One listing without its stamp is enough to lose a pilot in doubt.",
        "policy.judgement._given_up_or_missed",
        {"pilot.misses + 1 >= DOUBT_MISSES": "pilot.misses + 1 >= 1"},
    ),
    "ignores_the_visibility_delay": _mutation(
        "A listing counts although the CE may not show the job yet.",
        "policy.judgement._would_show",
        {"pilot.claimed_at + visibility_delay": "pilot.claimed_at"},
    ),
    "trusts_an_incomplete_listing": _mutation(
        "A listing that was cut short counts as if it were whole.",
        "policy.judgement._would_show",
        {" or not covers(listing, pilot)": ""},
    ),
    "adopts_no_lost_pilot": _mutation(
        "A lost pilot that turns up is left where it is.",
        "policy.comparison.compare",
        {
            "pilot.status in (Status.SUBMITTING, Status.LOST)": (
                "pilot.status is Status.SUBMITTING"
            ),
        },
    ),
    "takes_an_error_for_an_absence": _mutation(
        "A query that fails loses the pilots that it asked for.",
        "services.tasks.check_pilots._record_failure",
        {
            "pilots.checked(tx, checks, now)": (
                "mover.move(tx, [Move(pilot_id=one.id, to=Status.LOST) for one in due], now)"
            ),
        },
        Move=Move,
        mover=mover,
    ),
    "takes_no_answer_for_an_absence": _mutation(
        "A pilot that an answer leaves out counts as one that the CE does not know.",
        "policy.judgement._verdict",
        {
            "if answer is None:": "if False:",
            "if answer.absent:": "if answer is None or answer.absent:",
        },
    ),
    "loses_a_pilot_at_its_first_absence": _mutation(
        "One answer without the pilot is enough to lose it.",
        "policy.judgement._absent",
        {"not is_lost(pilot.misses + 1, missing_since, now)": "False"},
    ),
    "never_takes_over_a_lease": _mutation(
        "A lease does not run out, so the right to call a CE dies with a process.",
        "db.locks.take_lease",
        {", leases.c.until <= now": ""},
    ),
}
"""Mutations by name. Those about locks show on PostgreSQL only: SQLite has one writer."""
