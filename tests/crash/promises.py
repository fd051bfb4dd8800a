"""The promises as an oracle: it judges every commit, and the final state.

    promises = Promises(database.engine, evidence)
    ...                      # one commit
    promises.look()          # names what does not hold; an empty list is good
    ...                      # the faults are over, and nothing happens any more
    promises.at_rest(now)

`look` judges one commit at a time: call it after each, and after no two at once. `evidence` is
what a `Witness` wrote down; without one, only the database is judged.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, Integer, bindparam, select

from tests.crash.evidence import ABSENCES, ABSENT_FOR, LISTINGS, Evidence
from tests.crash.limits import NOTHING, Step, Use, exceeded, read_use
from tests.crash.rest import BIRTHS, at_rest
from worker.db.history import steps
from worker.db.tables import ces, pilots, vos
from worker.domain.pilot import FINAL, MOVES, Status

EVER = datetime.min.replace(tzinfo=UTC)


class Promises:
    """Judges one database."""

    overlap = 1000
    """On PostgreSQL a step that is committed later may have a lower number than one before it."""

    def __init__(self, engine: Engine, evidence: Evidence | None = None) -> None:
        self.engine = engine
        self.evidence = evidence
        self._use, self._size = NOTHING, object()
        self._wishes: set[str] = set()
        self._cancellations = 0
        self._step_keys: set[tuple[int, int]] = set()  # a number may be given again after a prune
        self._last: dict[int, Step] = {}
        self.begin()

    def begin(self) -> None:
        """Accept what is there now, and judge what follows."""
        self._last = {}
        self._step_keys = set()
        self._cancellations = len(self.evidence.cancellations) if self.evidence else 0
        self._use, self._size, self._wishes = self._glance()
        self._remember(self._new_steps())

    def look(self) -> list[str]:
        """Judge the last commit; return what does not hold."""
        use, size, wishes = self._glance()
        new = self._new_steps() if size != self._size else []
        problems = [*self._unwished_ends(self._wishes | wishes), *exceeded(self._use, use, new)]
        delays = self._delays() if new else {}
        for step in new:
            problems += self._judge(step, delays[step.ce])
            self._remember([step])
        self._use, self._size, self._wishes = use, size, wishes
        return problems

    def at_rest(self, now: datetime, strangers: frozenset[str] = frozenset()) -> list[str]:
        """Judge the final state, when the faults are over and nothing happens any more.

        `strangers` are stamps of jobs that were never ours; somebody else may have sent them.
        """
        with self.engine.connect() as connection:
            problems = at_rest(connection, now, strangers)
        if self.evidence is not None:
            problems += [f"twice: stamp {s} was sent again" for s in self.evidence.sent_twice()]
        return problems

    def _judge(self, step: Step, delay: timedelta) -> list[str]:
        last = self._last.get(step.pilot_id)
        was = last.became if last else None
        if step.was is not was:
            return [f"history: {step}, but it was {was}"]
        if last is None:
            return [] if step.became in BIRTHS else [f"history: {step} at its birth"]
        if step.became not in MOVES[last.became]:
            return [f"history: {step} is no move"]
        if self.evidence is not None and not self._is_known(step, last, delay):
            return [f"not known: {step}, and no answer of the CE says so"]
        return []

    def _unwished_ends(self, wishes: set[str]) -> list[str]:
        """Name the living pilots that a CE was asked to end although nobody wished it.

        Only the calls since the last commit count: a wish is committed before its call. This commit
        may withdraw it: a pilot that was to end if it waits has begun.
        """
        if self.evidence is None or len(self.evidence.cancellations) == self._cancellations:
            return []
        new = self.evidence.cancellations[self._cancellations :]
        self._cancellations = len(self.evidence.cancellations)
        living = {step.stamp for step in self._last.values() if step.became not in FINAL}
        return [
            f"wanted: pilot {stamp} is alive, nobody wished its end, and CE {ce} was asked for it"
            for ce, stamp in new
            if stamp in living - wishes
        ]

    def _is_known(self, step: Step, last: Step, delay: timedelta) -> bool:
        """Return whether a move follows from what we did or from what the CE said since."""
        evidence = self.evidence
        assert evidence is not None
        # A pilot that was found at a CE began by what the CE said before.
        since = last.at if last.was is not None or last.is_new else EVER
        if step.became is Status.SUBMITTING:
            return True
        if step.was is Status.RESERVED:
            return evidence.submissions[step.stamp] == 0
        if step.became is not Status.LOST:
            return evidence.said_so(step.stamp, step.became, since)
        if step.was is Status.SUBMITTING:
            claimed_at = step.claimed_at or since
            return evidence.lacked(step.ce, step.vo, step.stamp, claimed_at + delay) >= LISTINGS
        number, span = evidence.denied(step.stamp, since)
        return number >= ABSENCES and span >= ABSENT_FOR

    def _glance(self) -> tuple[Use, object, set[str]]:
        """Return what is occupied, a value that changes when the history grows, and the stamps of
        the active pilots that are to end.
        """
        raw = self.engine.raw_connection()
        try:
            cursor = raw.cursor()
            cursor.execute(_SIZE)
            size = cursor.fetchone()
            use = read_use(cursor)
            cursor.execute(_WISHES)
            wishes = {stamp for (stamp,) in cursor.fetchall()}
            cursor.close()
            return use, size, wishes
        finally:
            raw.close()

    def _new_steps(self) -> list[Step]:
        top = max(self._step_keys, default=(0, 0))[0]
        with self.engine.connect() as connection:
            rows = connection.execute(_STEPS, {"top": top - self.overlap}).mappings()
            return [
                Step(**row) for row in rows if (row["id"], row["pilot_id"]) not in self._step_keys
            ]

    def _delays(self) -> dict[str, timedelta]:
        """Return how long each CE may take to show a job."""
        with self.engine.connect() as connection:
            return {
                name: timedelta(seconds=float(options.get("visibility_delay", 0)))
                for name, options in connection.execute(_OPTIONS)
            }

    def _remember(self, new_steps: Iterable[Step]) -> None:
        for step in new_steps:
            self._step_keys.add((step.id, step.pilot_id))
            self._last[step.pilot_id] = step


_SIZE = """
SELECT count(*), max(id), (SELECT max(id) FROM pilots), (SELECT count(claimed_at) FROM pilots)
  FROM transitions"""
_WISHES = "SELECT stamp FROM pilots WHERE cancel_requested_at IS NOT NULL AND ended_at IS NULL"
_OPTIONS = select(ces.c.name, ces.c.options)
_ALL = steps().subquery("steps")
_STEPS = (
    select(
        *(_ALL.c[name] for name in ("id", "pilot_id", "was", "became", "cause", "at")),
        pilots.c.stamp,
        pilots.c.claimed_at,
        ces.c.name.label("ce"),
        vos.c.name.label("vo"),
    )
    .join_from(_ALL, pilots, pilots.c.id == _ALL.c.pilot_id)
    .join(ces, ces.c.id == pilots.c.ce_id)
    .join(vos, vos.c.id == pilots.c.vo_id)
    .where((_ALL.c.id > bindparam("top", type_=Integer)) | (_ALL.c.id < 0))
    .order_by(_ALL.c.id)
)
